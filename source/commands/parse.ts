/** The command language: one line of text to a command and back. */
import { nearest } from '../linux/nearest.ts';
import { guestModels } from '../machine/guest.ts';
import { deviceModels } from '../machine/topology.ts';
import { hexOf, parseHalves } from '../vtd/bits.ts';
import { bdf, parseBdf } from '../vtd/source-id.ts';
import type { Command, CommandName, DeviceTarget } from './command.ts';
import { durationText, parseDuration } from './duration.ts';
import { quoted } from './printable.ts';
import { SPEEDS } from './speed.ts';

export type Parsed =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly error: string };

type Grammar = {
  readonly usage: string;
  readonly help: string;
  /** @throws Wrong */
  parse(words: readonly string[], text: string): Command;
};

/** What is wrong with a command, in a sentence for people. */
class Wrong extends Error {}

const MAX_DMA_BYTES = 2 ** 20;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** One entry for each command; the compiler demands it. */
const grammar: { readonly [N in CommandName]: Grammar } = {
  device: {
    usage: 'device <device|all> flip|passthrough|translated|blocked|host|guest <A|B>',
    help: 'change where the DMA of a device goes, or whose it is',
    parse: ([device, ...target]) => ({
      name: 'device',
      device: deviceOrAll(device),
      to: deviceTarget(target),
    }),
  },
  dma: {
    usage: 'dma <device> read|write [address] [bytes]',
    help: 'let a device do one DMA; without an address a stray one, to kernel text',
    parse: (words) => {
      atMost(words, 4, 'dma nic0 write 0x1000000 64');
      const [device, type, address = '0x1000000', bytes = '64'] = words;
      return {
        name: 'dma',
        device: deviceName(device),
        type: oneOf('read or write', ['read', 'write'] as const, type),
        address: addressWord(address),
        bytes: integer('the number of bytes', bytes, 1, MAX_DMA_BYTES),
      };
    },
  },
  invalidation: {
    usage: 'invalidation <device> strict|lazy|flip',
    help: 'how unmaps of a device are invalidated',
    parse: (words) => {
      atMost(words, 2, 'invalidation nic0 strict');
      const to = oneOf('strict, lazy or flip', ['strict', 'lazy', 'flip'] as const, words[1]);
      return { name: 'invalidation', device: deviceName(words[0]), to };
    },
  },
  boot: {
    usage: 'boot [word …]',
    help: 'reboot with another kernel command line',
    parse: (_, text) => ({ name: 'boot', line: bootLine(text) }),
  },
  compare: {
    usage: 'compare off|[word …]',
    help: 'run a second machine beside this one: the same seed and commands, another kernel command line',
    parse: (words, text) => ({
      name: 'compare',
      line: words.length === 1 && words[0] === 'off' ? null : bootLine(text),
    }),
  },
  workload: {
    usage: 'workload <device> start|stop|flip',
    help: 'start or stop what a device does',
    parse: (words) => {
      atMost(words, 2, 'workload nic0 stop');
      const to = oneOf('start, stop or flip', ['start', 'stop', 'flip'] as const, words[1]);
      return { name: 'workload', device: deviceName(words[0]), to };
    },
  },
  pause: {
    usage: 'pause',
    help: 'stop simulated time',
    parse: (words) => {
      atMost(words, 0, 'pause');
      return { name: 'pause' };
    },
  },
  run: {
    usage: 'run [duration]',
    help: 'let simulated time go on, for so long (10ms, 250us) or until paused',
    parse: (words) => {
      atMost(words, 1, 'run 10ms');
      if (words.length === 0) return { name: 'run', forNs: null };
      const forNs = parseDuration(words[0]);
      if (forNs === null)
        throw new Wrong(`expected a duration such as 10ms or 250us, got ${quoted(words[0])}`);
      return { name: 'run', forNs };
    },
  },
  step: {
    usage: 'step [count]',
    help: 'go on by so many DMA requests, then pause',
    parse: (words) => {
      atMost(words, 1, 'step 10');
      return { name: 'step', count: integer('the number of requests', words[0] ?? '1', 1, 1_000_000) };
    },
  },
  speed: {
    usage: 'speed <factor>|max|faster|slower',
    help: 'simulated milliseconds for each second on the wall, 1/16 to 64, as fast as it goes, or by steps of two',
    parse: (words) => {
      atMost(words, 1, 'speed 4');
      const [word] = words;
      return { name: 'speed', factor: word === 'faster' || word === 'slower' ? word : speedFactor(word) };
    },
  },
};

export const commandHelp: readonly { readonly usage: string; readonly help: string }[] =
  Object.values(grammar);

/** Read one command. */
export function parseCommand(text: string): Parsed {
  const [name, ...words] = text.trim().split(/\s+/);
  try {
    if (!Object.hasOwn(grammar, name)) {
      throw new Wrong(unexpected('a command', name, Object.keys(grammar)));
    }
    return { ok: true, command: grammar[name as CommandName].parse(words, text) };
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, error: error.message };
    throw error;
  }
}

/** Read commands separated by semicolons; the first that is wrong ends it. */
export function parseCommands(text: string): { commands: Command[]; error: string | null } {
  const commands: Command[] = [];
  for (const part of text.split(';')) {
    if (part.trim() === '') continue;
    const parsed = parseCommand(part);
    if (!parsed.ok) return { commands, error: parsed.error };
    commands.push(parsed.command);
  }
  return { commands, error: null };
}

/** The text that parses to a command. */
export function commandText(command: Command): string {
  switch (command.name) {
    case 'device':
    case 'invalidation':
    case 'workload':
      return `${command.name} ${command.device} ${command.to}`;
    case 'dma':
      return `dma ${command.device} ${command.type} ${command.address} ${command.bytes}`;
    case 'boot':
      return `boot ${command.line}`.trimEnd();
    case 'compare':
      return `compare ${command.line ?? 'off'}`.trimEnd();
    case 'pause':
      return 'pause';
    case 'run':
      return command.forNs === null ? 'run' : `run ${durationText(command.forNs)}`;
    case 'step':
      return `step ${command.count}`;
    case 'speed':
      return `speed ${command.factor === Number.POSITIVE_INFINITY ? 'max' : command.factor}`;
  }
}

/** `expected one of …, got …`, with the nearest valid word. */
export function unexpected(what: string, got: string | undefined, valid: readonly string[]): string {
  const expected = `expected ${what}: ${valid.join(', ')}`;
  if (got === undefined || got === '') return `${expected}; got nothing`;
  const meant = nearest(got, valid);
  return `${expected}; got ${quoted(got)}${meant === null ? '' : `. Did you mean ${meant}?`}`;
}

/** What comes after the first word. A boot line is shown on many screens; nothing in it may move a cursor. */
const bootLine = (text: string): string =>
  text
    .replace(/^\s*\S+\s*/, '')
    .replace(CONTROL, ' ')
    .trim();

function deviceName(word: string | undefined): string {
  const found = deviceModels.find(({ name, sourceId }) => name === word || parseBdf(word ?? '') === sourceId);
  if (found !== undefined) return found.name;
  const byAddress = word !== undefined && /[:.]/.test(word);
  const names = deviceModels.map(({ name, sourceId }) => (byAddress ? bdf(sourceId) : name));
  throw new Wrong(unexpected('a device', word, names));
}

const deviceOrAll = (word: string | undefined): string => (word === 'all' ? 'all' : deviceName(word));

function deviceTarget(words: readonly string[]): DeviceTarget {
  const [to, guest, ...rest] = words;
  const targets = ['flip', 'passthrough', 'translated', 'blocked', 'host', 'guest'] as const;
  const target = oneOf('what to do with it', targets, to);
  if (target !== 'guest') {
    atMost(words, 1, `device nic0 ${target}`);
    return target;
  }
  atMost([to, guest, ...rest], 2, 'device nic0 guest A');
  const names = guestModels.map(({ name }) => name);
  return `guest ${oneOf('a guest', names, guest?.toUpperCase())}`;
}

function oneOf<T extends string>(what: string, valid: readonly T[], word: string | undefined): T {
  const found = valid.find((candidate) => candidate === word);
  if (found === undefined) throw new Wrong(unexpected(what, word, valid));
  return found;
}

function addressWord(word: string): string {
  const halves = parseHalves(word);
  if (halves === null)
    throw new Wrong(`expected an address of at most 64 bits such as 0x1000000, got ${quoted(word)}`);
  return hexOf(halves.hi, halves.lo);
}

function integer(what: string, word: string, least: number, most: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new Wrong(`expected ${what} from ${least} to ${most}, got ${quoted(word)}`);
  }
  return value;
}

function speedFactor(word: string | undefined): number {
  if (word === 'max') return Number.POSITIVE_INFINITY;
  const fraction = /^1\/(\d+)$/.exec(word ?? '');
  const factor = fraction === null ? Number(word) : 1 / Number(fraction[1]);
  if (!(factor >= SPEEDS.slowest && factor <= SPEEDS.fastest)) {
    const got = word === undefined ? 'nothing' : quoted(word);
    throw new Wrong(`expected a speed from 1/16 to 64, max, faster or slower; got ${got}`);
  }
  return factor;
}

function atMost(words: readonly string[], count: number, example: string): void {
  if (words.length > count) {
    throw new Wrong(
      `expected no more than "${example}" has, got also ${quoted(words.slice(count).join(' '))}`,
    );
  }
}
