/** The command language: one line of text to a command and back. */
import { hexOf } from '../vtd/bits.ts';
import { type PresetName, presets } from '../vtd/unit/capabilities.ts';
import { type Command, type CommandName, deviceTlbStates, entryTables, viewNames } from './command.ts';
import { durationText, parseDuration } from './duration.ts';
import { parseExpression, parseQuantity } from './expect/expression.ts';
import { experimentIds } from './experimenting.ts';
import { quoted } from './printable.ts';
import {
  addressOrBuffer,
  atMost,
  bufferBytes,
  deviceName,
  deviceOrAll,
  deviceTarget,
  fieldWords,
  integer,
  kernelVersion,
  messageAddress,
  oneOf,
  settingText,
  settingWords,
  speedFactor,
  unexpected,
  Wrong,
} from './words.ts';

export type Parsed =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly error: string };

type Grammar = {
  readonly usage: string;
  readonly help: string;
  /** @throws Wrong */
  parse(words: readonly string[], text: string): Command;
};

/** What a device TLB sends besides plain DMA. */
const requestKinds = ['translate', 'translated', 'page-request'] as const;
const LARGEST_PASID = 0xf_ffff;
const MAX_DMA_BYTES = 2 ** 21;
const MAX_BUFFERS = 100_000;
const PAGE = 4096;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** One entry for each command; the compiler demands it. */
const grammar: { readonly [N in CommandName]: Grammar } = {
  device: {
    usage:
      'device <device|all> flip|passthrough|translated|blocked|host|process|guest <A|B> [viommu] [container|iommufd]',
    help: 'change where the DMA of a device goes, or whose it is',
    parse: ([device, ...target]) => ({
      name: 'device',
      device: deviceOrAll(device),
      to: deviceTarget(target),
    }),
  },
  dma: {
    usage:
      'dma <device> [translate|translated|page-request] read|write [address|buffer|buffers] [bytes] [pasid <n>]',
    help: 'let a device do one DMA, or send what a device TLB sends; without an address a stray one, to kernel text; buffers are those of `map`',
    parse: dmaCommand,
  },
  map: {
    usage: 'map <device> [count] [bytes]',
    help: 'let its driver map buffers for it: one page, if nothing else is said',
    parse: (words) => {
      atMost(words, 3, 'map nic0 16 4096');
      const [device, count = '1', bytes = String(PAGE)] = words;
      return {
        name: 'map',
        device: deviceName(device),
        count: integer('the number of buffers', count, 1, MAX_BUFFERS),
        bytes: bufferBytes(bytes),
      };
    },
  },
  unmap: {
    usage: 'unmap <device> [oldest|newest|all]',
    help: 'let its driver unmap what `map` mapped; the device may go on using it',
    parse: (words) => {
      atMost(words, 2, 'unmap nic0 oldest');
      const which = oneOf(
        'oldest, newest or all',
        ['oldest', 'newest', 'all'] as const,
        words[1] ?? 'oldest',
      );
      return { name: 'unmap', device: deviceName(words[0]), which };
    },
  },
  cycle: {
    usage: 'cycle <device> <count>',
    help: 'map a page, let the device write it, unmap it: so many times',
    parse: (words) => {
      atMost(words, 2, 'cycle nic0 1000');
      const count = integer('how many times', words[1] ?? '', 1, MAX_BUFFERS);
      return { name: 'cycle', device: deviceName(words[0]), count };
    },
  },
  entry: {
    usage: 'entry <device> root|context|pasid|page [address|buffer] <FIELD>=<value> …',
    help: 'write fields of a table entry by hand, then invalidate what the unit has cached of the device and its domain',
    parse: ([device, word, ...rest]) => {
      const named = deviceName(device);
      const table = oneOf('a table', entryTables, word);
      const address = table === 'page' ? addressOrBuffer(rest.shift() ?? '') : null;
      return { name: 'entry', device: named, table, address, fields: fieldWords(table, rest) };
    },
  },
  interrupt: {
    usage: 'interrupt <device> [address] [data]',
    help: 'let a device send one interrupt message; without an address a stray one, vector 0x41 to processor 0',
    parse: (words) => {
      atMost(words, 3, 'interrupt nic0 0xfee00000 0x41');
      const [device, address = '0xfee00000', data = '0x41'] = words;
      return {
        name: 'interrupt',
        device: deviceName(device),
        address: messageAddress(address),
        data: hexOf(0, integer('the data', data, 0, 0xffff_ffff)),
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
  'device-tlb': {
    usage: 'device-tlb <device> answers|silent|gone|unasked',
    help: 'what a device does with invalidations of its TLB: answer, not answer, be unplugged, or answer one that nobody sent',
    parse: (words) => {
      atMost(words, 2, 'device-tlb gpu0 silent');
      const to = oneOf('what its device TLB does', deviceTlbStates, words[1]);
      return { name: 'device-tlb', device: deviceName(words[0]), to };
    },
  },
  echo: {
    usage: 'echo <text> > <path>',
    help: "write to a file of the simulated kernel, as root: a group's type, dmar_perf_latency, a driver's bind and unbind",
    parse: (_, text) => {
      const parts = /^([^>]*)>\s*(\S+)$/.exec(afterName(text));
      if (parts === null)
        throw new Wrong(
          `expected a word and a file such as echo 1 > /sys/kernel/debug/iommu/intel/dmar_perf_latency; got ${quoted(text.trim())}`,
        );
      return { name: 'echo', text: parts[1].trim().replace(/^(["'])(.*)\1$/, '$2'), path: parts[2] };
    },
  },
  boot: {
    usage: 'boot [word …]',
    help: 'reboot with another kernel command line',
    parse: (_, text) => ({ name: 'boot', line: afterName(text) }),
  },
  unit: {
    usage: 'unit <unit> [parameter=value …]',
    help: 'put another remapping unit into the machine, with parameters other than the default, and reboot',
    parse: ([word, ...settings]) => {
      const unit = oneOf('a unit', Object.keys(presets) as PresetName[], word);
      return { name: 'unit', unit, set: settingWords(settings, unit) };
    },
  },
  kernel: {
    usage: 'kernel <version> [default-on]',
    help: 'reboot into another Linux, as it is or built to turn the IOMMU on by itself',
    parse: (words) => {
      atMost(words, 2, 'kernel 6.8 default-on');
      const [version, built] = words;
      if (built !== undefined) oneOf('how it was built', ['default-on'] as const, built);
      return { name: 'kernel', version: kernelVersion(version), defaultOn: built !== undefined };
    },
  },
  compare: {
    usage: 'compare off|[word …]',
    help: 'run a second machine beside this one: the same seed and commands, another kernel command line',
    parse: (words, text) => ({
      name: 'compare',
      line: words.length === 1 && words[0] === 'off' ? null : afterName(text),
    }),
  },
  experiment: {
    usage: 'experiment off|<id> [live]',
    help: 'run an experiment and watch its curve; live: boot a machine that is set up like it; off: stop it',
    parse: (words) => {
      if (words.length === 1 && words[0] === 'off') return { name: 'experiment', experiment: null };
      atMost(words, 2, 'experiment E1');
      const experiment = oneOf(
        'an experiment',
        experimentIds,
        experimentIds.find((id) => id.toLowerCase() === words[0]?.toLowerCase()) ?? words[0],
      );
      return {
        name: 'experiment',
        experiment,
        as: oneOf('run or live', ['run', 'live'] as const, words[1] ?? 'run'),
      };
    },
  },
  workload: {
    usage: 'workload <device|all> start|stop|flip',
    help: 'start or stop what a device does',
    parse: (words) => {
      atMost(words, 2, 'workload nic0 stop');
      const to = oneOf('start, stop or flip', ['start', 'stop', 'flip'] as const, words[1]);
      return { name: 'workload', device: deviceOrAll(words[0]), to };
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
  mark: {
    usage: 'mark',
    help: 'from here on `change(…)` of an expectation counts',
    parse: (words) => {
      atMost(words, 0, 'mark');
      return { name: 'mark' };
    },
  },
  expect: {
    usage: 'expect <expression>',
    help: 'say what should be true now: `nic0.faults = 1` (see demos)',
    parse: (_, text) => {
      const expression = afterName(text);
      parseExpression(expression);
      return { name: 'expect', expression };
    },
  },
  measure: {
    usage: 'measure <row>: <column> = <value>, …',
    help: 'note values of this moment as a row of the table that a demo shows (see demos)',
    parse: (_, text) => measureCommand(afterName(text)),
  },
  open: {
    usage: 'open <view> [device] [address|buffer]',
    help: 'look at a view of the dashboard: `open tables nic0`',
    parse: (words) => {
      atMost(words, 3, 'open tables nic0 0x1000000');
      const [view, device, address] = words;
      return {
        name: 'open',
        view: oneOf('a view', viewNames, view),
        device: device === undefined ? null : deviceName(device),
        address: address === undefined ? null : addressOrBuffer(address),
      };
    },
  },
  inspect: {
    usage: 'inspect <path>|off',
    help: "show a file of the simulated kernel's sysfs or debugfs as Linux prints it; a folder lists its files",
    parse: (words) => {
      atMost(words, 1, 'inspect /sys/kernel/iommu_groups/0/type');
      const [path] = words;
      if (path === undefined)
        throw new Wrong('expected a path such as /sys/kernel/iommu_groups; got nothing');
      return { name: 'inspect', path: path === 'off' ? null : path };
    },
  },
  scene: {
    usage: 'scene next|back|leave|<number>',
    help: 'another scene of the demo that plays, or leave it',
    parse: (words) => {
      atMost(words, 1, 'scene next');
      const [word] = words;
      if (/^\d+$/.test(word ?? '')) return { name: 'scene', to: integer('a scene', word, 1, 10_000) };
      return { name: 'scene', to: oneOf('where to go', ['next', 'back', 'leave'] as const, word) };
    },
  },
  demo: {
    usage: 'demo <name>',
    help: 'play a built-in demo: `dmascope demo` lists them',
    parse: (words) => {
      atMost(words, 1, 'demo claims');
      if (words[0] === undefined) throw new Wrong('expected the name of a demo such as claims, got nothing');
      return { name: 'demo', demo: words[0] };
    },
  },
};

export const commandHelp: readonly { readonly usage: string; readonly help: string }[] =
  Object.values(grammar);

/** `translate` may go without read or write: then it asks for both. */
function dmaCommand(words: readonly string[]): Command {
  const at = words.indexOf('pasid');
  const pasid = at < 0 ? {} : { pasid: integer('a PASID', words[at + 1] ?? '', 0, LARGEST_PASID) };
  const [device, ...rest] = at < 0 ? words : [...words.slice(0, at), ...words.slice(at + 2)];
  const request = requestKinds.find((kind) => kind === rest[0]);
  const asked = request === undefined ? rest : rest.slice(1);
  const isBare = request === 'translate' && asked[0] !== 'read' && asked[0] !== 'write';
  const [type, address = '0x1000000', bytes = '64', ...more] = isBare ? ['write', ...asked] : asked;
  atMost(more, 0, 'dma nic0 write 0x1000000 64');
  return {
    name: 'dma',
    device: deviceName(device),
    ...(request === undefined ? {} : { request }),
    type: oneOf('read or write', ['read', 'write'] as const, type),
    address: address === 'buffers' && request === undefined ? address : addressOrBuffer(address),
    bytes: integer('the number of bytes', bytes, 1, MAX_DMA_BYTES),
    ...pasid,
  };
}

/** `strict: walks = change(page_walks), waits = change(invalidations.wait)` */
function measureCommand(text: string): Command {
  const example = 'such as "strict: walks = change(page_walks)"';
  const [, row, rest] = /^([^:]+):(.*)$/.exec(text) ?? [];
  if (row === undefined) throw new Wrong(`expected a row ${example}, got ${quoted(text)}`);
  const columns = rest.split(',').map((column) => {
    const [, heading, value] = /^\s*([^=]*[^=\s])\s*=\s*(.*?)\s*$/.exec(column) ?? [];
    if (heading === undefined) throw new Wrong(`expected a column ${example}, got ${quoted(column.trim())}`);
    parseQuantity(value);
    return { heading, value };
  });
  return { name: 'measure', row: row.trim(), columns };
}

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
    case 'device-tlb':
    case 'workload':
      return `${command.name} ${command.device} ${command.to}`;
    case 'dma': {
      const { device, request, type, address, bytes, pasid } = command;
      const kind = request === undefined ? '' : `${request} `;
      return `dma ${device} ${kind}${type} ${address} ${bytes}${pasid === undefined ? '' : ` pasid ${pasid}`}`;
    }
    case 'map':
      return `map ${command.device} ${command.count} ${command.bytes}`;
    case 'unmap':
      return `unmap ${command.device} ${command.which}`;
    case 'cycle':
      return `cycle ${command.device} ${command.count}`;
    case 'entry': {
      const fields = command.fields.map(({ field, value }) => `${field}=${value}`);
      return ['entry', command.device, command.table, command.address ?? [], ...fields].flat().join(' ');
    }
    case 'interrupt':
      return `interrupt ${command.device} ${command.address} ${command.data}`;
    case 'echo':
      return `echo ${command.text} > ${command.path}`;
    case 'boot':
      return `boot ${command.line}`.trimEnd();
    case 'unit':
      return ['unit', command.unit, ...Object.entries(command.set).map(settingText)].join(' ');
    case 'kernel':
      return `kernel ${command.version}${command.defaultOn ? ' default-on' : ''}`;
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
    case 'mark':
      return 'mark';
    case 'expect':
      return `expect ${command.expression}`;
    case 'measure': {
      const columns = command.columns.map(({ heading, value }) => `${heading} = ${value}`);
      return `measure ${command.row}: ${columns.join(', ')}`;
    }
    case 'experiment':
      if (command.experiment === null) return 'experiment off';
      return `experiment ${command.experiment}${command.as === 'live' ? ' live' : ''}`;
    case 'open':
      return ['open', command.view, command.device ?? [], command.address ?? []].flat().join(' ');
    case 'inspect':
      return `inspect ${command.path ?? 'off'}`;
    case 'scene':
      return `scene ${command.to}`;
    case 'demo':
      return `demo ${command.demo}`;
  }
}

/** What comes after the first word. It is shown on many screens; nothing in it may move a cursor. */
const afterName = (text: string): string =>
  text
    .replace(/^\s*\S+\s*/, '')
    .replace(CONTROL, ' ')
    .trim();
