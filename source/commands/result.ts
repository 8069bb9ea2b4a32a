/** What comes of a command. */

/** A command cannot be carried out; the machine is as it was. */
export class Refused extends Error {}

export type Result = {
  /** One or two sentences. */
  readonly text: string;
  /** What one would type on a real machine. */
  readonly linux: readonly string[];
};
