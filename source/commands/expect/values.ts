/**
 * What an expectation may ask of a machine: one table of names, by which it is checked, answered and documented.
 * Counters go by the names of Linux's perf events, fields of entries and registers by those of the specification.
 */
import type { Device } from '../../machine/devices/device.ts';
import { outcomeNames } from '../../machine/devices/dma.ts';
import { knownDevices } from '../../machine/topology.ts';
import { reachOf } from '../../simulation/reach.ts';
import type { Simulation } from '../../simulation/simulation.ts';
import type { Transaction } from '../../simulation/snapshot.ts';
import { deviceIdentity } from '../../simulation/state.ts';
import { hexOf, join, parseHalves } from '../../vtd/bits.ts';
import { codeText, type Field } from '../../vtd/formats/layout.ts';
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import type { InvalidationCounts } from '../../vtd/invalidation/invalidator.ts';
import { counterMeanings, counterNames, namedCounts } from '../../vtd/performance/counters.ts';
import { Offset, registerLayouts } from '../../vtd/unit/registers.ts';
import { addressFor } from '../buffers.ts';
import { type EntryTable, entryTables } from '../command.ts';
import { fieldNames, fieldsOfTable, findEntry } from '../entry.ts';
import { noDevice, Refused } from '../result.ts';

/** Numbers; words and texts; lines of text. */
export type Value = number | bigint | string | readonly string[];

/** A value in its usual form, or null where it has none of its own. */
export type ValueText = (value: bigint) => string | null;

const codeOf =
  (field: Field): ValueText =>
  (value) =>
    codeText(field, value);

/** `0x05`, as the specification and Linux write it. */
const reasonText: ValueText = (value) => (value === 0n ? null : `0x${value.toString(16).padStart(2, '0')}`);

/** What a name stands for. */
export type Name = {
  readonly meaning: string;
  /** Words that the value may be, where it is one of a few. */
  readonly words?: readonly string[];
  /** A count that only grows, so that `change(…)` of it makes sense. */
  readonly counts?: boolean;
  /** How its value is written, where that is not plain decimal or hexadecimal; null for values that are. */
  readonly text?: ValueText;
  read(simulation: Simulation): Value;
};

type DeviceName = {
  readonly meaning: string;
  readonly words?: readonly string[];
  readonly counts?: boolean;
  readonly text?: ValueText;
  read(simulation: Simulation, device: Device): Value;
};

export const lanes = ['off', 'passthrough', 'translated', 'guest', 'blocked'] as const;
export const domains = ['identity', 'DMA', 'DMA-FQ', 'unmanaged', 'blocked', 'none'] as const;

const invalidationKinds: Readonly<Record<keyof InvalidationCounts, string>> = {
  context: 'context-cache invalidations',
  pasid_cache: 'PASID-cache invalidations',
  iotlb_page: 'page-selective IOTLB invalidations',
  iotlb_domain: 'domain-selective IOTLB invalidations',
  iotlb_global: 'global IOTLB invalidations',
  pasid_iotlb_page: 'page-selective IOTLB invalidations of a PASID',
  pasid_iotlb_all: 'IOTLB invalidations of a whole PASID',
  interrupt_entry: 'interrupt-entry invalidations',
  device_tlb: 'device-TLB invalidations',
  wait: 'waits: the CPU stood still until the queue came to them',
};

/** Registers whose fields can be asked for. */
const registers = ['CAP', 'ECAP', 'GSTS', 'FSTS', 'RTADDR'] as const;

const unitNames: Readonly<Record<string, Name>> = {
  ...Object.fromEntries(
    counterNames.map((name) => [
      name,
      {
        meaning: counterMeanings[name],
        counts: true,
        read: ({ machine }: Simulation) => namedCounts(machine.unit.translator.counts)[name],
      },
    ]),
  ),
  ...Object.fromEntries(
    (Object.keys(invalidationKinds) as (keyof InvalidationCounts)[]).map((kind) => [
      `invalidations.${kind}`,
      {
        meaning: invalidationKinds[kind],
        counts: true,
        read: ({ machine }: Simulation) => machine.unit.invalidator.counts[kind],
      },
    ]),
  ),
  invalidations: {
    meaning: 'all descriptors of invalidation, waits included',
    counts: true,
    read: ({ machine }) =>
      Object.values(machine.unit.invalidator.counts).reduce((sum, count) => sum + count, 0),
  },
  iotlb_entries: {
    meaning: 'translations that the IOTLB holds now',
    read: ({ machine }) => machine.unit.translator.iotlb.entries().length,
  },
  cpu_cycles: {
    meaning: 'CPU cycles that the IOMMU code of the kernel took',
    counts: true,
    read: ({ machine }) => machine.kernel.cycles,
  },
  time_ns: { meaning: 'simulated nanoseconds since boot', counts: true, read: ({ now }) => now },
  fault_interrupts: {
    meaning: 'fault interrupts that the kernel took',
    counts: true,
    read: ({ machine }) => machine.kernel.faultInterrupts,
  },
  corrupted_pages: {
    meaning: 'pages written by a device that had no business there',
    counts: true,
    read: ({ journal }) => journal.corruptedPages.size,
  },
  groups: {
    meaning: 'IOMMU groups',
    read: ({ machine }) => {
      const groups = machine.devices.map(({ model }) => machine.kernel.device(model.sourceId).group);
      return new Set(groups.filter((group) => group !== null)).size;
    },
  },
  ignored_words: {
    meaning: 'words of the boot line that Linux does not know',
    read: ({ machine }) =>
      machine.kernel.settings.words.filter(({ known }) => !known).map(({ text }) => text),
  },
  dmesg: { meaning: 'lines of the kernel log', read: ({ machine }) => machine.kernel.log.lines },
  events: {
    meaning: 'lines of the event list',
    read: ({ journal }) =>
      journal.events.map(({ actor, verb, object, how, result }) =>
        [actor, verb, object, how, result].filter((word) => word !== '').join(' '),
      ),
  },
};

const lastDma = ({ journal }: Simulation, { model }: Device): Transaction => {
  const last = journal.sent.get(model.name);
  if (last === undefined) throw new Refused(`no DMA of ${model.name} was sent by command`);
  return last;
};

/** What can be asked of a request, made or imagined. */
type Met = Pick<Transaction, 'outcome' | 'output' | 'fault' | 'landed'> & {
  readonly steps: Transaction['steps'];
};

const ofRequest: Readonly<Record<string, Omit<DeviceName, 'read'> & { of(met: Met): Value }>> = {
  outcome: { meaning: 'how it ended', words: outcomeNames, of: ({ outcome }) => outcome },
  output: {
    meaning: 'the physical address it reached; 0 if none',
    of: ({ output }) => BigInt(output ?? 0),
  },
  fault: { meaning: 'the fault reason; 0 if none', text: reasonText, of: ({ fault }) => BigInt(fault) },
  landed: { meaning: 'whose memory it reached, in words', of: ({ landed }) => landed ?? 'nowhere' },
  reads: { meaning: 'memory reads for tables', of: ({ steps }) => steps.at(-1)?.reads ?? 0 },
  steps: { meaning: 'the steps it took, in words', of: ({ steps }) => steps.map(({ stage }) => stage) },
};

const deviceNames: Readonly<Record<string, DeviceName>> = {
  ...Object.fromEntries(
    counterNames.map((name) => [
      name,
      {
        meaning: counterMeanings[name],
        counts: true,
        read: (_: Simulation, { counts }: Device) => namedCounts(counts)[name],
      },
    ]),
  ),
  requests: { meaning: 'DMA requests', counts: true, read: (_, { requests }) => requests },
  bytes: { meaning: 'bytes moved', counts: true, read: (_, { bytes }) => bytes },
  lane: { meaning: 'which way its DMA goes', words: lanes, read: (at, of) => deviceIdentity(at, of).lane },
  domain: {
    meaning: 'the domain it is attached to',
    words: domains,
    read: (at, of) => deviceIdentity(at, of).attachedDomain,
  },
  type: {
    meaning: 'its default domain: what the group’s type file shows',
    words: domains,
    read: (at, of) => deviceIdentity(at, of).defaultDomain,
  },
  owner: {
    meaning: 'who drives it: `"host"`, `"guest A"`, `"process"`, `"none"`',
    read: (at, of) => deviceIdentity(at, of).owner,
  },
  did: { meaning: 'its domain id; 0 if none', read: (at, of) => deviceIdentity(at, of).did ?? 0 },
  iotlb_entries: {
    meaning: 'translations of its domain in the IOTLB',
    read: (at, of) => {
      const { did } = deviceIdentity(at, of);
      return at.machine.unit.translator.iotlb.entries().filter((entry) => entry.did === did).length;
    },
  },
  reachable_pages: {
    meaning: 'pages of 4 KiB that it can reach now: mapped, or still in the IOTLB',
    read: (at, of) => {
      const { mapped, stale } = reachOf(at, of);
      return mapped + stale;
    },
  },
  buffer: {
    meaning: 'address of the buffer that `map` or `unmap` had last',
    read: (_, of) => BigInt(addressFor(of, 'buffer')),
  },
  ...Object.fromEntries(
    Object.entries(ofRequest).map(([name, { of, ...rest }]) => [
      `dma.${name}`,
      {
        ...rest,
        meaning: `of the last DMA that a command sent: ${rest.meaning}`,
        read: (at: Simulation, device: Device) => of(lastDma(at, device)),
      },
    ]),
  ),
  ...fieldsOf('root', () => '0x0'),
  ...fieldsOf('context', () => '0x0'),
  ...fieldsOf('pasid', () => '0x0'),
};

/** Names with an address: `nic0.write(0x1000).outcome`. */
const questions = ['read', 'write', 'page'] as const;
type Question = (typeof questions)[number];

function fieldsOf(table: EntryTable, address: (device: Device) => string): Record<string, DeviceName> {
  return Object.fromEntries(
    Object.entries(fieldsOfTable(table)).map(([field, declared]) => [
      `${table}.${field}`,
      {
        meaning: `field ${field} of its ${table} entry`,
        text: codeOf(declared),
        read: ({ machine }: Simulation, device: Device) => {
          const entry = findEntry(machine, device, table, address(device));
          if (entry === null)
            throw new Refused(`the tables of ${device.model.name} have no ${table} entry for that`);
          const values: Readonly<Record<string, bigint>> = entry.layout.decode(entry.words);
          const value = values[field];
          if (value === undefined) throw new Refused(`a ${entry.layout.name} has no field ${field}`);
          return value;
        },
      },
    ]),
  );
}

/** What a request would meet now; the machine stays as it is. */
function imagined({ machine }: Simulation, device: Device, address: string, access: number): Met {
  const halves = parseHalves(addressFor(device, address)) ?? { hi: 0, lo: 0 };
  if (machine.dma.isPeerToPeer(device, halves.hi, halves.lo)) {
    const landed = machine.map.nameAt(join(halves.hi, halves.lo));
    return { outcome: 'peer-to-peer', output: hexOf(halves.hi, halves.lo), fault: 0, landed, steps: [] };
  }
  const met = machine.unit.explain(device.requesterId, halves.hi, halves.lo, access);
  const outcome = outcomeNames[met.outcome];
  const output = outcome === 'blocked' || outcome === 'interrupt' ? null : hexOf(met.hi, met.lo);
  const landed = output === null ? null : machine.map.nameAt(Number(output));
  return { outcome, output, fault: met.fault, landed, steps: met.steps };
}

/** All names that stand alone. */
export const plainNames: readonly string[] = [
  ...Object.keys(unitNames),
  ...registers.flatMap((register) =>
    Object.keys(registerLayouts[register].fields).map((field) => `${register.toLowerCase()}.${field}`),
  ),
];

/** Names behind that of a device. */
export const namesOfDevices: readonly string[] = Object.keys(deviceNames);

/** Names behind `read(…)`, `write(…)` and `page(…)`. */
export const namesOfRequests: readonly string[] = Object.keys(ofRequest);

/** For the documentation: each name with its meaning, besides those of counters; `<device>.` is a device. */
export const nameMeanings: readonly { readonly name: string; readonly meaning: string }[] = [
  ...Object.entries(unitNames)
    .filter(([name]) => !Object.hasOwn(counterMeanings, name))
    .map(([name, { meaning }]) => ({ name, meaning })),
  { name: 'refused', meaning: 'why the last command was refused, in words; empty if it was not' },
  { name: 'change(<count>)', meaning: 'how much a count has grown since the scene began, or since `mark`' },
  ...registers.map((register) => ({
    name: `${register.toLowerCase()}.<FIELD>`,
    meaning: `a field of the ${registerLayouts[register].name}`,
  })),
  ...Object.entries(deviceNames)
    .filter(([name]) => !(name in unitNames) && !entryTables.some((table) => name.startsWith(`${table}.`)))
    .map(([name, { meaning }]) => ({ name: `<device>.${name}`, meaning })),
];

/** The meaning of a name without an address, or null if there is no such name. */
export function plainName(text: string): Name | null {
  const own = Object.hasOwn(unitNames, text) ? unitNames[text] : undefined;
  if (own !== undefined) return own;
  const [first, ...rest] = text.split('.');
  if (rest.length === 0) return null;
  const register = registers.find((name) => name.toLowerCase() === first.toLowerCase());
  if (register !== undefined) return registerField(register, rest.join('.'));
  const tail = rest.join('.');
  if (!isDevice(first) || !Object.hasOwn(deviceNames, tail)) return null;
  const { read, ...name } = deviceNames[tail];
  return { ...name, read: (simulation) => read(simulation, deviceOf(simulation, first)) };
}

/** `nic0.write(0x1000).outcome` as its parts, or null if there is no such name. */
export function askedName(device: string, question: string, address: string, tail: string): Name | null {
  if (!isDevice(device) || !questions.some((each) => each === question)) return null;
  if ((question as Question) === 'page') {
    const field = fieldsOf('page', (of) => addressFor(of, address))[`page.${tail.toUpperCase()}`];
    return field === undefined
      ? null
      : { meaning: field.meaning, text: field.text, read: (at) => field.read(at, deviceOf(at, device)) };
  }
  if (!Object.hasOwn(ofRequest, tail)) return null;
  const { of, ...name } = ofRequest[tail];
  const access = question === 'read' ? READ : WRITE;
  return { ...name, read: (at) => of(imagined(at, deviceOf(at, device), address, access)) };
}

export const questionNames: readonly string[] = questions;
export const pageFields = (): readonly string[] => fieldNames('page');

export const isDevice = (name: string): boolean => knownDevices.some((model) => model.name === name);

function registerField(register: (typeof registers)[number], field: string): Name | null {
  const layout = registerLayouts[register];
  if (!Object.hasOwn(layout.fields, field)) return null;
  return {
    meaning: layout.fields[field].meaning,
    text: codeOf(layout.fields[field]),
    read: ({ machine }) => {
      const words =
        layout.bits === 64 ? machine.unit.read64(Offset[register]) : [machine.unit.read32(Offset[register])];
      return (layout.decode(words) as Record<string, bigint>)[field];
    },
  };
}

function deviceOf({ machine }: Simulation, name: string): Device {
  const device = machine.find(name);
  if (device === undefined) throw new Refused(noDevice(name));
  return device;
}

/** A value as people read it: codes as the specification writes them, counts in decimal, addresses and the like in hexadecimal. */
export function valueText(value: Value, text?: ValueText): string {
  const own = typeof value === 'bigint' ? (text?.(value) ?? null) : null;
  if (own !== null) return own;
  if (typeof value === 'bigint') return value < 10n ? String(value) : `0x${value.toString(16)}`;
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(3);
  return typeof value === 'string' ? value : `${value.length} lines`;
}

/** All counts of a moment, so that `change(…)` can tell what came since. */
export function countsOf(simulation: Simulation): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [name, { counts: isCount, read }] of Object.entries(unitNames)) {
    if (isCount === true) counts.set(name, Number(read(simulation)));
  }
  for (const device of simulation.machine.devices) {
    for (const [name, { counts: isCount, read }] of Object.entries(deviceNames)) {
      if (isCount === true) counts.set(`${device.model.name}.${name}`, Number(read(simulation, device)));
    }
  }
  return counts;
}
