/** What a colour is for. Views name these meanings and never a colour. */
export const tokens = [
  /** Table text: the terminal's own foreground. */
  'text',
  /** Headings, units, explanations beside the thing. */
  'label',
  /** Empty cells and what has not happened yet. */
  'faint',
  'title',
  /** Key letters in the footer and the help. */
  'key',
  /** The four fates of a request, and the absence of an IOMMU. */
  'passthrough',
  'translated',
  'guest',
  'blocked',
  'off',
  /** A step that went well. */
  'ok',
  /** Cached, but gone from the tables. */
  'stale',
  /** Memory written by a device that had no business there. */
  'corrupt',
] as const;

export type Token = (typeof tokens)[number];

export type Style = {
  /** For terminals with many colours. */
  readonly rgb?: string;
  /** SGR foreground code for terminals with sixteen. */
  readonly sgr?: number;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly underline?: boolean;
};

export type Palette = Readonly<Record<Token, Style>>;
