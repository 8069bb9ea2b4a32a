/**
 * What the person at the screen has chosen and opened. One reducer for all views: the device, the address and
 * the transaction are shared, so that a view shows what was chosen in another.
 */
import type { DeviceState, Focus, Snapshot, Transaction } from '../simulation/snapshot.ts';
import { type Edit, edit, type Line, lineOf } from './line.ts';
import { type ThemeName, themeNames } from './theme/palettes.ts';

export const helpPages = ['keys', 'words', 'commands'] as const;
export type HelpPage = (typeof helpPages)[number];

/** `boot` and `compare` are about a boot line, with a preview over Overview. */
export type PromptKind = 'boot' | 'compare' | 'command' | 'filter';

export const isBootLine = ({ kind }: Prompt): boolean => kind === 'boot' || kind === 'compare';

export type Prompt = {
  readonly kind: PromptKind;
  readonly line: Line;
  /** Why the line was not taken. */
  readonly error: string | null;
  /** Words that would complete the one at the cursor, after a completion that was not clear. */
  readonly open: readonly string[];
  /** Place in the history, counted from the newest; -1 is the line being written. */
  readonly past: number;
  readonly draft: string;
  /** The view to go back to. */
  readonly from: string;
};

/** What is chosen in the views. */
export type Chosen = {
  /** Null: the first. */
  readonly device: string | null;
  /** Null: the source chooses one that the device uses. */
  readonly address: string | null;
  /** Place on the path from RTADDR to the page; null: its end. */
  readonly level: number | null;
  /** A guest-physical address on the way, whose second stage is looked at; null: the way itself. */
  readonly below: string | null;
  /** Place on the way of that address; null: its end. */
  readonly belowLevel: number | null;
  /** Null: the newest. */
  readonly transaction: number | null;
  /** The chosen transaction, kept while the machine runs on. */
  readonly kept: Transaction | null;
  /** A request that the person at the screen sent, to be shown as soon as it is there. */
  readonly sought: { readonly device: string; readonly address: string } | null;
  /** Requests before this time are not of the state that was asked for since. */
  readonly since: number;
  /** Null: the last step. */
  readonly step: number | null;
  readonly fault: string | null;
  /** Id of the newest event line shown; null follows. */
  readonly event: number | null;
  /** For views with a cursor of their own, by name. */
  readonly cursors: Readonly<Record<string, number>>;
};

/** The kernel log being printed after a reboot. */
export type BootLog = {
  /** The notice before the reboot: the log starts with the next one. */
  readonly notice: number;
  readonly started: boolean;
  readonly lines: number;
};

/** A file of the kernel that was asked for, or lies open. */
export type OpenFile = {
  /** The notice before it was asked for. */
  readonly notice: number;
  readonly started: boolean;
  /** First line and first column shown. */
  readonly from: number;
  readonly across: number;
};

export type Selection = Chosen & {
  readonly view: string;
  /** Views that esc goes back through. */
  readonly back: readonly string[];
  readonly filter: string;
  readonly prompt: Prompt | null;
  /** Lines typed before, newest first. */
  readonly history: Readonly<Record<PromptKind, readonly string[]>>;
  /** The page of the help that is open, or null. */
  readonly help: HelpPage | null;
  readonly helpFrom: number;
  /** What this is, and the offer of a tour, until the next key. */
  readonly welcome: boolean;
  readonly log: BootLog | null;
  readonly file: OpenFile | null;
  /** Said by the screen itself, until the next key. */
  readonly message: string | null;
  /** The last notice that was put away. */
  readonly hushed: number | null;
  /** The scene of a demo that was entered last, by its count. */
  readonly entered: number;
  readonly theme: ThemeName;
  readonly ascii: boolean;
};

export type Action =
  /** Another view by its number or name; forgets the way back. */
  | { readonly do: 'go'; readonly view: string; readonly change?: Partial<Chosen> }
  /** A view that shows more of the chosen thing; esc comes back. */
  | { readonly do: 'deeper'; readonly view: string; readonly change: Partial<Chosen> }
  | { readonly do: 'back' }
  | { readonly do: 'choose'; readonly change: Partial<Chosen> }
  | { readonly do: 'prompt'; readonly kind: PromptKind; readonly text: string; readonly view?: string }
  | { readonly do: 'edit'; readonly edit: Edit }
  | { readonly do: 'completed'; readonly line: Line; readonly open: readonly string[] }
  | { readonly do: 'past'; readonly by: 1 | -1 }
  | { readonly do: 'wrong'; readonly error: string }
  /** Close the prompt; `keep` remembers its line. */
  | { readonly do: 'close'; readonly keep: boolean }
  | { readonly do: 'filter'; readonly text: string }
  | { readonly do: 'help'; readonly page: HelpPage | null }
  | { readonly do: 'scroll help'; readonly by: number }
  | { readonly do: 'say'; readonly text: string | null }
  | { readonly do: 'hush'; readonly notice: number | null }
  | { readonly do: 'welcome'; readonly shown: boolean }
  | { readonly do: 'log'; readonly log: BootLog | null }
  /** A demo came to a scene, and to what it looks at. */
  | { readonly do: 'scene'; readonly entered: number; readonly focus: Focus; readonly notice: number | null }
  | { readonly do: 'file'; readonly file: OpenFile | null }
  | { readonly do: 'theme'; readonly theme: ThemeName | 'next' }
  | { readonly do: 'ascii' };

const firstChosen: Chosen = {
  device: null,
  address: null,
  level: null,
  below: null,
  belowLevel: null,
  transaction: null,
  kept: null,
  sought: null,
  since: 0,
  step: null,
  fault: null,
  event: null,
  cursors: {},
};

export const firstSelection: Selection = {
  ...firstChosen,
  view: 'overview',
  back: [],
  filter: '',
  prompt: null,
  history: { boot: [], compare: [], command: [], filter: [] },
  help: null,
  helpFrom: 0,
  welcome: false,
  log: null,
  file: null,
  message: null,
  hushed: null,
  entered: 0,
  theme: 'dark',
  ascii: false,
};

const remembered = 50;

export function reduce(now: Selection, action: Action): Selection {
  switch (action.do) {
    case 'go':
      return { ...choose(now, action.change ?? {}), view: action.view, back: [] };
    case 'deeper':
      return { ...choose(now, action.change), view: action.view, back: [...now.back, now.view] };
    case 'back':
      return now.back.length === 0 ? now : { ...now, view: now.back.at(-1)!, back: now.back.slice(0, -1) };
    case 'choose':
      return choose(now, action.change);
    case 'prompt':
      return {
        ...now,
        view: action.view ?? now.view,
        help: null,
        prompt: {
          kind: action.kind,
          line: lineOf(action.text),
          error: null,
          open: [],
          past: -1,
          draft: action.text,
          from: now.view,
        },
      };
    case 'edit':
      return withLine(now, (prompt) => edit(prompt.line, action.edit));
    case 'completed':
      return withLine(now, () => action.line, action.open);
    case 'past':
      return recall(now, action.by);
    case 'wrong':
      return now.prompt === null ? now : { ...now, prompt: { ...now.prompt, error: action.error } };
    case 'close':
      return close(now, action.keep);
    case 'filter':
      return { ...now, filter: action.text };
    case 'help':
      return { ...now, help: action.page, helpFrom: 0 };
    case 'scroll help':
      return { ...now, helpFrom: Math.max(0, now.helpFrom + action.by) };
    case 'say':
      return now.message === action.text ? now : { ...now, message: action.text };
    case 'hush':
      return now.hushed === action.notice ? now : { ...now, hushed: action.notice };
    case 'welcome':
      return { ...now, welcome: action.shown };
    case 'log':
      return { ...now, log: action.log };
    case 'scene': {
      const { entered, focus, notice } = action;
      const sought =
        focus.device !== null && focus.address !== null
          ? { device: focus.device, address: focus.address }
          : null;
      return {
        ...now,
        ...firstChosen,
        ...{ view: focus.view, back: [], device: focus.device, address: focus.address, sought },
        ...{ entered, filter: '', help: null, log: null, file: null, message: null, hushed: notice },
      };
    }
    case 'file':
      return { ...now, file: action.file };
    case 'theme': {
      const next = themeNames[(themeNames.indexOf(now.theme) + 1) % themeNames.length];
      return { ...now, theme: action.theme === 'next' ? next : action.theme };
    }
    case 'ascii':
      return { ...now, ascii: !now.ascii };
  }
}

/** A new device has addresses and requests of its own; a new request has steps of its own. */
function choose(now: Selection, change: Partial<Chosen>): Selection {
  const next: Selection = { ...now, ...change };
  const isNew = <K extends keyof Chosen>(name: K) => name in change && change[name] !== now[name];
  const fresh: Partial<Record<keyof Chosen, null>> = {};
  if (isNew('device'))
    Object.assign(fresh, { address: null, level: null, transaction: null, kept: null, step: null });
  // What lies below belongs to one place on the way.
  if (isNew('device') || isNew('address') || isNew('level'))
    Object.assign(fresh, { below: null, belowLevel: null });
  if (isNew('transaction')) Object.assign(fresh, { kept: null, step: null });
  for (const name of Object.keys(change) as (keyof Chosen)[]) delete fresh[name];
  return { ...next, ...fresh } as Selection;
}

function withLine(now: Selection, change: (prompt: Prompt) => Line, open: readonly string[] = []): Selection {
  if (now.prompt === null) return now;
  const line = change(now.prompt);
  const prompt = { ...now.prompt, line, open, error: null, past: -1, draft: line.text };
  // A filter works while it is typed.
  return { ...now, prompt, filter: prompt.kind === 'filter' ? line.text.trim() : now.filter };
}

function recall(now: Selection, by: 1 | -1): Selection {
  const { prompt } = now;
  if (prompt === null) return now;
  const past = now.history[prompt.kind];
  const at = Math.min(past.length - 1, Math.max(-1, prompt.past + by));
  const line = lineOf(at < 0 ? prompt.draft : past[at]);
  return { ...now, prompt: { ...prompt, line, past: at, error: null, open: [] } };
}

function close(now: Selection, keep: boolean): Selection {
  const { prompt } = now;
  if (prompt === null) return now;
  const text = prompt.line.text.trim();
  const old = now.history[prompt.kind];
  const lines =
    keep && text !== '' ? [text, ...old.filter((each) => each !== text)].slice(0, remembered) : old;
  const filter = prompt.kind === 'filter' && !keep ? '' : now.filter;
  const view = isBootLine(prompt) && !keep ? prompt.from : now.view;
  return { ...now, prompt: null, filter, view, history: { ...now.history, [prompt.kind]: lines } };
}

/** Whether some words of a line match a filter: all of its words, anywhere, in any case. */
export const matches = (filter: string, ...words: readonly (string | null)[]): boolean => {
  const text = words.join(' ').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
};

/** Devices that the filter leaves; all of them if it is about something else. */
export function shownDevices(snapshot: Snapshot, { filter }: Selection): readonly DeviceState[] {
  if (filter === '') return snapshot.devices;
  const found = snapshot.devices.filter(({ name, bdf, owner, attachedDomain, description }) =>
    matches(filter, name, bdf, owner, attachedDomain, description),
  );
  return found.length > 0 ? found : snapshot.devices;
}

/** The chosen device, or the first of those shown: keys act on nothing that the filter hides. */
export function chosenDevice(snapshot: Snapshot, selection: Selection): DeviceState | null {
  const shown = shownDevices(snapshot, selection);
  return shown.find(({ name }) => name === selection.device) ?? shown[0] ?? null;
}
