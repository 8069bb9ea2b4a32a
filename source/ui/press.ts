/** From a key to what it does, whatever is open: the kernel log, a prompt, the help page, or a view. */
import type { Command } from '../commands/command.ts';
import { kernelPaths } from './kernel-paths.ts';
import { type Effect, pressed } from './keys.ts';
import { complete, type Edit } from './line.ts';
import type { Scene } from './scene.ts';
import { type Action, helpPages, type OpenFile, type Prompt } from './selection.ts';
import { isTheme, themeNames } from './theme/palettes.ts';
import { views } from './views/index.ts';

const act = (action: Action): readonly Effect[] => [{ action }];

export function press(scene: Scene, key: string): readonly Effect[] {
  const { selection, snapshot } = scene;
  if (key === 'ctrl-c' || key === 'ctrl-z' || key === 'ctrl-l') return pressed(scene, key);
  if (selection.log?.started === true) return act({ do: 'log', log: null });
  if (selection.prompt !== null) return inPrompt(scene, selection.prompt, key);
  const silence: readonly Effect[] = [
    ...(selection.message === null ? [] : act({ do: 'say', text: null })),
    ...(selection.welcome ? act({ do: 'welcome', shown: false }) : []),
  ];
  if (selection.file?.started === true) {
    const opened = inFile(selection.file, key, snapshot.inspected?.lines.length ?? 0);
    if (opened !== null) return act(opened);
    return [...act({ do: 'file', file: null }), ...pressed(scene, key)];
  }
  if (selection.help !== null) {
    if (key === 'escape' || key === '?') return act({ do: 'help', page: null });
    const aside = { left: -1, h: -1, 'shift-tab': -1, right: 1, l: 1, tab: 1 }[key];
    if (aside !== undefined) {
      const at = helpPages.indexOf(selection.help) + aside + helpPages.length;
      return act({ do: 'help', page: helpPages[at % helpPages.length] });
    }
    const by = { up: -1, k: -1, down: 1, j: 1, pageup: -10, pagedown: 10 }[key];
    if (by !== undefined) return act({ do: 'scroll help', by });
    return [...silence, ...act({ do: 'help', page: null }), ...pressed(scene, key)];
  }
  return [...silence, ...pressed(scene, key)];
}

/** Scrolling in a file, or closing it; null for a key that is not about it. */
function inFile(file: OpenFile, key: string, lines: number): Action | null {
  const { from, across } = file;
  const to = (line: number): Action => ({
    do: 'file',
    file: { ...file, from: Math.max(0, Math.min(line, lines - 1)) },
  });
  const by = { up: -1, k: -1, down: 1, j: 1, pageup: -10, pagedown: 10, space: 10 }[key];
  if (by !== undefined) return to(from + by);
  if (key === 'home' || key === 'g') return to(0);
  if (key === 'end' || key === 'G') return to(lines - 1);
  const aside = { left: -8, h: -8, right: 8, l: 8 }[key];
  if (aside !== undefined) return { do: 'file', file: { ...file, across: Math.max(0, across + aside) } };
  return key === 'escape' || key === 'enter' ? { do: 'file', file: null } : null;
}

/** Pasted text is text: only in a prompt does it go anywhere. */
export const paste = (scene: Scene, text: string): readonly Effect[] =>
  scene.selection.prompt === null ? [] : act({ do: 'edit', edit: { insert: text } });

const edits: Readonly<Record<string, Edit>> = {
  left: 'left',
  right: 'right',
  home: 'home',
  end: 'end',
  backspace: 'backspace',
  delete: 'delete',
  'ctrl-a': 'home',
  'ctrl-e': 'end',
  'ctrl-h': 'backspace',
  'ctrl-w': 'word back',
  'ctrl-u': 'to start',
  space: { insert: ' ' },
};

function inPrompt(scene: Scene, prompt: Prompt, key: string): readonly Effect[] {
  if (key === 'escape') return act({ do: 'close', keep: false });
  if (key === 'enter') return entered(scene, prompt);
  if (key === 'up') return act({ do: 'past', by: 1 });
  if (key === 'down') return act({ do: 'past', by: -1 });
  if (key === 'tab') return act({ do: 'completed', ...complete(prompt.line, candidates(scene, prompt)) });
  const edit = edits[key] ?? ([...key].length === 1 ? { insert: key } : undefined);
  return edit === undefined ? [] : act({ do: 'edit', edit });
}

function candidates({ tools, snapshot }: Scene, { kind, line }: Prompt): readonly string[] {
  if (kind === 'boot' || kind === 'compare') return tools.bootWords;
  if (kind === 'filter') return snapshot.devices.map(({ name }) => name);
  const words = line.text.slice(0, line.cursor).trimStart().split(/\s+/);
  const first = [
    ...tools.commandHelp.map(({ usage }) => usage.split(' ')[0]),
    'theme',
    'welcome',
    'quit',
    'help',
  ];
  if (words.length < 2) return first;
  if (words[0] === 'boot' || words[0] === 'compare') return tools.bootWords;
  if (words[0] === 'inspect' || words[0] === 'echo') return kernelPaths(snapshot);
  if (words[0] === 'open') return views.map(({ name }) => name);
  if (words[0] === 'theme') return themeNames;
  if (words.length === 2)
    return [...snapshot.devices.map(({ name }) => name), ...(words[0] === 'device' ? ['all'] : [])];
  const usage = tools.commandHelp.find((each) => each.usage.startsWith(`${words[0]} `))?.usage ?? '';
  // The words that the usage offers at this place: `flip|passthrough|…`.
  return (usage.split(' ')[words.length - 1] ?? '').replace(/[<>[\]]/g, '').split('|');
}

function entered(scene: Scene, prompt: Prompt): readonly Effect[] {
  const text = prompt.line.text.trim();
  const close = act({ do: 'close', keep: true });
  if (prompt.kind === 'filter') return close;
  if (prompt.kind === 'boot') return carriedOut(scene, { name: 'boot', line: text });
  if (prompt.kind === 'compare') {
    if (text === scene.snapshot.boot)
      return act({ do: 'wrong', error: 'the same line as here: nothing would differ' });
    return carriedOut(scene, { name: 'compare', line: text });
  }
  if (text === '') return act({ do: 'close', keep: false });
  const own = screenCommand(text);
  if (own !== null) return typeof own === 'string' ? act({ do: 'wrong', error: own }) : [...close, ...own];
  const parsed = scene.tools.parseCommand(text);
  if (!parsed.ok) return act({ do: 'wrong', error: parsed.error });
  const { command } = parsed;
  // What is looked at is the screen's own affair.
  if (command.name === 'open' && command.address !== 'buffer') return [...close, ...opened(command)];
  return carriedOut(scene, command);
}

const opened = ({ view, device, address }: Extract<Command, { name: 'open' }>): readonly Effect[] =>
  act({
    do: 'go',
    view,
    change: { ...(device === null ? {} : { device }), ...(address === null ? {} : { address, level: null }) },
  });

function carriedOut(scene: Scene, command: Command): readonly Effect[] {
  const refused = scene.refusal(command);
  if (refused !== null) return act({ do: 'wrong', error: refused });
  return [...act({ do: 'close', keep: true }), { command }];
}

/** Commands to the screen alone; a string says what is wrong with one. */
function screenCommand(text: string): readonly Effect[] | string | null {
  const [name, word] = text.split(/\s+/);
  switch (name) {
    case 'q':
    case 'quit':
      return [{ screen: 'quit' }];
    case 'help':
      return act({ do: 'help', page: 'keys' });
    case 'welcome':
      return act({ do: 'welcome', shown: true });
    case 'theme':
      if (word === undefined || !isTheme(word)) return `theme wants one of ${themeNames.join(', ')}`;
      return act({ do: 'theme', theme: word });
    default:
      return null;
  }
}
