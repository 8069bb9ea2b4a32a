/**
 * The one table of keys. The footer, the help page, the tabs and the answer to a key that does nothing here
 * all come from it. One key has one meaning in all views.
 */
import type { Command } from '../commands/command.ts';
import { speedText } from '../commands/speed.ts';
import type { DemoState } from '../simulation/snapshot.ts';
import { isTranslated } from './fate.ts';
import type { Scene } from './scene.ts';
import type { Action, PromptKind } from './selection.ts';
import { suggestions } from './views/boot-prompt.ts';
import { isView, viewNamed, views } from './views/index.ts';
import { entryWords } from './views/tables.ts';
import type { Direction } from './views/view.ts';

/** What the terminal itself is asked to do. */
export type ScreenRequest = 'quit' | 'quit and leave the last screen' | 'suspend' | 'repaint';

export type Effect =
  | { readonly command: Command }
  | { readonly action: Action }
  | { readonly screen: ScreenRequest };

export const groups = ['move', 'act on the device', 'time', 'machine', 'demo', 'show'] as const;

export type Binding = {
  /** Names as `key-name.ts` gives them. */
  readonly keys: readonly string[];
  /** How the keys are printed. */
  readonly shown: string;
  readonly group: (typeof groups)[number];
  /** One line of the help page; null leaves it out there. */
  help(scene: Scene): string;
  /** The word in the footer, if any now, and whether it stands at the right, with the keys that always work. */
  footer?(scene: Scene): string | undefined;
  readonly always?: boolean;
  /** Names of views where it works; all without it. */
  readonly views?: readonly string[];
  /** Why it cannot work now, or null. */
  disabled?(scene: Scene): string | null;
  run(scene: Scene, key: string): readonly Effect[];
};

const command = (what: Command): readonly Effect[] => [{ command: what }];
const act = (action: Action): readonly Effect[] => [{ action }];
const say = (text: string): readonly Effect[] => act({ do: 'say', text });
const say1 = (text: string) => () => text;

const current = ({ selection }: Scene) => viewNamed(selection.view);

/** What esc stops here, if anything runs. */
const running = (scene: Scene): Command | null => current(scene).cancel?.(scene) ?? null;

const noDemo = ({ snapshot }: Pick<Scene, 'snapshot'>): string | null =>
  snapshot.demo == null ? 'no demo plays. :demo tour plays one.' : null;

const offReason = ({ device }: Scene): string | null =>
  device?.lane === 'off' ? 'the IOMMU is off, so there is no domain to change. b edits the boot line.' : null;

const strayAddress = '0x1000000';
const strayBytes = 64;

/** The guest that gets a device that nobody asked for. */
const guestFor = (device: string): 'guest A' | 'guest B' => (device === 'hba1' ? 'guest B' : 'guest A');

/** The device is not the host's: a guest has it, or a process. */
const isLent = ({ device }: Scene): boolean =>
  device !== null && (device.owner.startsWith('guest') || device.owner === 'process');

function move(direction: Direction, by: number) {
  return (scene: Scene): readonly Effect[] => {
    const change = current(scene).move?.(scene, direction, by);
    return change ? [...act({ do: 'choose', change }), ...hush(scene)] : [];
  };
}

/** Looking at something else puts what came of the last action away. */
const hush = ({ snapshot }: Scene): readonly Effect[] =>
  snapshot.notice !== null ? act({ do: 'hush', notice: snapshot.notice.id }) : [];

const openPrompt =
  (kind: PromptKind) =>
  (scene: Scene): readonly Effect[] => {
    if (kind === 'boot') return act({ do: 'prompt', kind, text: scene.snapshot.boot, view: 'overview' });
    return act({ do: 'prompt', kind, text: kind === 'filter' ? scene.selection.filter : '' });
  };

const named = (word: 'vertical' | 'horizontal' | 'enter') =>
  views.filter((view) => view.words[word] !== undefined).map(({ name }) => name);

/** A command about the chosen device. */
const onDevice =
  (make: (name: string, scene: Scene) => Command) =>
  (scene: Scene): readonly Effect[] =>
    scene.device === null ? say('There is no device to act on.') : command(make(scene.device.name, scene));

export const bindings: readonly Binding[] = [
  {
    keys: [']'],
    shown: ']',
    group: 'demo',
    help: say1('next scene'),
    footer: ({ selection }) => (selection.welcome ? 'tour' : undefined),
    disabled: (scene) => (scene.selection.welcome ? null : noDemo(scene)),
    run: ({ selection, snapshot }) =>
      selection.welcome && snapshot.demo == null
        ? command({ name: 'demo', demo: 'tour' })
        : command({ name: 'scene', to: 'next' }),
  },
  {
    keys: ['['],
    shown: '[',
    group: 'demo',
    help: say1('scene before'),
    // Whether there is one before is for the player to say: the screen may be behind it.
    disabled: noDemo,
    run: () => command({ name: 'scene', to: 'back' }),
  },
  {
    keys: views.map((_, i) => String(i + 1)),
    shown: `1 to ${views.length}`,
    group: 'move',
    help: () => views.map(({ title }) => title).join(', '),
    run: (scene, key) => [...act({ do: 'go', view: views[Number(key) - 1].name }), ...hush(scene)],
  },
  {
    keys: ['tab', 'shift-tab'],
    shown: 'tab',
    group: 'move',
    help: say1('next view; shift-tab previous view'),
    run: (scene, key) => {
      const at = views.indexOf(current(scene));
      const next = (at + (key === 'tab' ? 1 : views.length - 1)) % views.length;
      return [...act({ do: 'go', view: views[next].name }), ...hush(scene)];
    },
  },
  {
    keys: ['escape'],
    shown: 'esc',
    group: 'move',
    help: say1('back'),
    footer: (scene) => (running(scene) === null ? undefined : 'stop it'),
    run: (scene) => {
      const { selection, snapshot } = scene;
      const stop = running(scene);
      if (stop !== null) return command(stop);
      if (selection.filter !== '') return act({ do: 'filter', text: '' });
      if (snapshot.notice !== null && selection.hushed !== snapshot.notice.id) return hush(scene);
      const change = current(scene).leave?.(scene);
      if (change) return act({ do: 'choose', change });
      // The way back through the views comes first; the demo is left where there is none.
      return selection.back.length === 0 && snapshot.demo != null
        ? command({ name: 'scene', to: 'leave' })
        : act({ do: 'back' });
    },
  },
  {
    keys: ['up', 'down', 'k', 'j'],
    shown: '↑↓',
    group: 'move',
    help: (scene) => `another ${current(scene).words.vertical}; also j k`,
    footer: (scene) => current(scene).words.vertical ?? '',
    views: named('vertical'),
    run: (scene, key) => move(key === 'up' || key === 'k' ? 'up' : 'down', 1)(scene),
  },
  {
    keys: ['left', 'right'],
    shown: '←→',
    group: 'move',
    help: (scene) => `previous, next ${current(scene).words.horizontal}`,
    footer: (scene) => current(scene).words.horizontal ?? '',
    views: named('horizontal'),
    run: (scene, key) => move(key === 'left' ? 'left' : 'right', 1)(scene),
  },
  {
    keys: ['enter'],
    shown: 'enter',
    group: 'move',
    help: (scene) => `deeper: ${current(scene).words.enter}`,
    footer: (scene) => current(scene).words.enter ?? '',
    views: named('enter'),
    run: (scene) => {
      const result = current(scene).enter?.(scene) ?? '';
      if (typeof result === 'string') return say(result);
      if ('do' in result) return act(result);
      const refusal = scene.refusal(result);
      return refusal === null ? command(result) : say(refusal);
    },
  },
  {
    keys: ['pageup', 'pagedown'],
    shown: 'pgup pgdn',
    group: 'move',
    help: ({ selection }) => (selection.view === 'overview' ? 'scroll the events' : 'ten at once'),
    run: (scene, key) => move(key === 'pageup' ? 'up' : 'down', 10)(scene),
  },
  {
    keys: ['end'],
    shown: 'end',
    group: 'move',
    help: say1('the newest, and follow it'),
    run: (scene) => {
      const change = current(scene).end?.(scene);
      return change ? act({ do: 'choose', change }) : [];
    },
  },
  {
    keys: ['t'],
    shown: 't',
    group: 'act on the device',
    help: say1('flip passthrough, translated'),
    // Where the devices are not in sight their name is here.
    footer: ({ selection, device }) =>
      selection.view === 'overview' ? 'flip' : `flip ${device?.name ?? ''}`,
    disabled: offReason,
    run: onDevice((device) => ({ name: 'device', device, to: 'flip' })),
  },
  {
    keys: ['T'],
    shown: 'T',
    group: 'act on the device',
    help: say1('flip every device of the host'),
    disabled: offReason,
    run: () => command({ name: 'device', device: 'all', to: 'flip' }),
  },
  {
    keys: ['x'],
    shown: 'x',
    group: 'act on the device',
    help: say1('stray write into kernel text'),
    footer: say1('stray DMA'),
    run: onDevice((device) => ({
      name: 'dma',
      device,
      type: 'write',
      address: strayAddress,
      bytes: strayBytes,
    })),
  },
  {
    keys: ['b'],
    shown: 'b',
    group: 'machine',
    help: say1('edit the boot line and reboot'),
    footer: say1('boot'),
    disabled: (scene) => scene.refusal({ name: 'boot', line: scene.snapshot.boot }),
    run: openPrompt('boot'),
  },
  {
    keys: ['c'],
    shown: 'c',
    group: 'machine',
    help: say1('compare with another boot line'),
    footer: say1('compare'),
    disabled: (scene) => scene.refusal({ name: 'compare', line: null }),
    run: ({ snapshot: { other, boot } }) => {
      const text = other?.boot ?? suggestions.find((line) => line !== boot) ?? boot;
      return act({ do: 'prompt', kind: 'compare', text, view: 'overview' });
    },
  },
  {
    keys: ['o'],
    shown: 'o',
    group: 'act on the device',
    help: say1('give to a guest, or take back'),
    footer: (scene) => (isLent(scene) ? 'take back' : 'to guest'),
    run: onDevice((device, scene) => {
      return { name: 'device', device, to: isLent(scene) ? 'host' : guestFor(device) };
    }),
  },
  {
    keys: ['e'],
    shown: 'e',
    group: 'act on the device',
    help: say1('write fields of the chosen entry: P=0, TT=10b'),
    footer: say1('edit'),
    views: ['tables'],
    disabled: (scene) =>
      entryWords(scene) === null
        ? 'root, context and PASID entries and those of pages can be written.'
        : null,
    run: (scene) => act({ do: 'prompt', kind: 'command', text: `entry ${entryWords(scene)} ` }),
  },
  {
    keys: ['w'],
    shown: 'w',
    group: 'act on the device',
    help: say1('start or stop its workload'),
    footer: say1('workload'),
    run: onDevice((device) => ({ name: 'workload', device, to: 'flip' })),
  },
  {
    keys: ['S'],
    shown: 'S',
    group: 'act on the device',
    help: say1('strict or lazy invalidation'),
    footer: say1('strict, lazy'),
    disabled: (scene) =>
      offReason(scene) ??
      (scene.device !== null && !isTranslated(scene.device.lane)
        ? `${scene.device.name} is not translated: it has nothing to invalidate. t puts it behind the IOMMU.`
        : null),
    run: onDevice((device) => ({ name: 'invalidation', device, to: 'flip' })),
  },
  {
    keys: ['space'],
    shown: 'space',
    group: 'time',
    help: say1('pause or run'),
    footer: ({ snapshot }) => (snapshot.state === 'running' ? 'pause' : 'run'),
    always: true,
    run: ({ snapshot }) =>
      command(snapshot.state === 'running' ? { name: 'pause' } : { name: 'run', forNs: null }),
  },
  {
    keys: ['.'],
    shown: '.',
    group: 'time',
    help: say1('one request, then pause'),
    footer: say1('one request'),
    run: ({ snapshot }) => [
      ...(snapshot.state === 'running' ? command({ name: 'pause' }) : []),
      ...command({ name: 'step', count: 1 }),
      ...act({ do: 'choose', change: { transaction: null, kept: null, sought: null, step: null } }),
    ],
  },
  {
    keys: ['+', '=', '-'],
    shown: '+ -',
    group: 'time',
    help: ({ snapshot }) => `speed, now ${speedText(snapshot.speed)}`,
    run: (_, key) => command({ name: 'speed', factor: key === '-' ? 'slower' : 'faster' }),
  },
  {
    keys: ['/'],
    shown: '/',
    group: 'show',
    help: say1('filter devices, events, faults'),
    footer: say1('filter'),
    run: openPrompt('filter'),
  },
  {
    keys: [':'],
    shown: ':',
    group: 'machine',
    help: say1('type a command'),
    footer: say1('cmd'),
    always: true,
    run: openPrompt('command'),
  },
  {
    keys: ['v'],
    shown: 'v',
    group: 'show',
    help: ({ selection }) => `next theme; now ${selection.theme}`,
    run: () => act({ do: 'theme', theme: 'next' }),
  },
  {
    keys: ['A'],
    shown: 'A',
    group: 'show',
    help: say1('ASCII only, or all glyphs'),
    run: () => act({ do: 'ascii' }),
  },
  {
    keys: ['?'],
    shown: '?',
    group: 'show',
    help: say1('this page; tab: words and signs, commands'),
    footer: say1('help'),
    always: true,
    run: ({ selection }) => act({ do: 'help', page: selection.help === null ? 'keys' : null }),
  },
  {
    keys: ['q', 'ctrl-c'],
    shown: 'q',
    group: 'show',
    help: say1('quit (also ctrl-c)'),
    run: () => [{ screen: 'quit' }],
  },
  {
    keys: ['Q'],
    shown: 'Q',
    group: 'show',
    help: say1('quit and leave the last screen'),
    run: () => [{ screen: 'quit and leave the last screen' }],
  },
  {
    keys: ['ctrl-z'],
    shown: 'ctrl-z',
    group: 'show',
    help: say1('suspend; fg comes back'),
    run: () => [{ screen: 'suspend' }],
  },
  {
    keys: ['ctrl-l'],
    shown: 'ctrl-l',
    group: 'show',
    help: say1('repaint'),
    run: () => [{ screen: 'repaint' }],
  },
];

const worksIn = ({ views: only }: Binding, view: string): boolean =>
  only === undefined || only.includes(view);

/** Why a key of the table cannot do its work now, or null. */
export function reasonAgainst(binding: Binding, scene: Scene, key = binding.keys[0]): string | null {
  const own = binding.disabled?.(scene) ?? null;
  if (own !== null) return own;
  for (const effect of binding.run(scene, key)) {
    const refused = 'command' in effect ? scene.refusal(effect.command) : null;
    if (refused !== null) return refused;
  }
  return null;
}

/** What a key does, outside prompts and pages. */
export function pressed(scene: Scene, key: string): readonly Effect[] {
  const view = scene.selection.view;
  const all = bindings.filter(({ keys }) => keys.includes(key));
  const binding = all.find((each) => worksIn(each, view));
  if (binding === undefined) {
    const elsewhere = all.flatMap(({ views: names }) => names ?? []).filter(isView);
    const places = elsewhere.map((name) => viewNamed(name).title).join(', ');
    return say(
      places === ''
        ? `No such key: ${key}. ? shows all keys.`
        : `No such key here: ${key}. It works in ${places}.`,
    );
  }
  const reason = reasonAgainst(binding, scene, key);
  return reason === null ? binding.run(scene, key) : say(`${binding.shown} does nothing now: ${reason}`);
}

export function footerKeys(scene: Scene) {
  if (scene.snapshot.demo != null) return demoKeys(scene.snapshot.demo);
  const shown = bindings.flatMap((binding) => {
    const word = worksIn(binding, scene.selection.view) ? binding.footer?.(scene) : undefined;
    if (word === undefined || (scene.snapshot.source === 'trace' && reasonAgainst(binding, scene) !== null))
      return [];
    return [{ key: binding.shown, word, always: binding.always === true }];
  });
  return { here: shown.filter(({ always }) => !always), always: shown.filter(({ always }) => always) };
}

/** While a demo plays its keys come first; all others work as always. */
function demoKeys({ scene, scenes, next }: DemoState) {
  const here = [
    ...(scene > scenes ? [] : [{ key: ']', word: next === null ? 'explore' : 'next' }]),
    ...(scene > 1 ? [{ key: '[', word: 'back' }] : []),
    { key: 'esc', word: 'leave the demo' },
    { key: 't x b', word: 'play freely' },
  ];
  const always = [
    { key: 'space', word: 'pause' },
    { key: '?', word: 'help' },
  ];
  return { here, always };
}

export const helpKeys = (scene: Scene) =>
  bindings
    .filter((binding) => worksIn(binding, scene.selection.view))
    .map((binding) => ({
      shown: binding.shown,
      group: binding.group,
      help: binding.help(scene),
      reason: reasonAgainst(binding, scene),
    }));

/** In a prompt only these are keys; everything else is text. */
export function promptKeys(kind: PromptKind): readonly { key: string; word: string }[] {
  const enter = { boot: 'reboot', compare: 'compare', command: 'run it', filter: 'keep' }[kind];
  const esc = { boot: 'keep the old line', compare: 'close', command: 'close', filter: 'take it away' }[kind];
  return [
    ...(kind === 'filter' ? [] : [{ key: 'tab', word: 'complete' }]),
    { key: '↑↓', word: 'history' },
    { key: 'ctrl-u', word: 'clear' },
    { key: 'enter', word: enter },
    { key: 'esc', word: esc },
  ];
}
