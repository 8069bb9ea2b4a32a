import { describe, expect, test } from 'vitest';
import type { Parameter } from '../../source/parameters/declaration.ts';
import {
  type Overrides,
  type ParameterName,
  parameterGroups,
  parameters,
} from '../../source/parameters/registry.ts';
import { jsonOf, LAZY, STRICT, session, type } from '../support/session.ts';

/** So little of everything that all of it is contended. */
const scarce: Overrides = {
  'iotlb.entries': 16,
  'iotlb.ways': 'full',
  'pagingCache.l3.entries': 4,
  walkers: 2,
  'link.lanes': 1,
  'read.outstanding': 4,
  'write.bufferLines': 32,
};

/** Values on both sides of the one that it has, or the other words. */
function others(name: ParameterName, { parameters: base }: Machine): readonly (number | string)[] {
  const parameter: Parameter = parameters[name];
  const now = base[name] ?? parameter.default;
  if (parameter.kind === 'choice') return parameter.choices.filter((word) => word !== now);
  if (parameter.kind === 'field') throw new TypeError(`${name} is a field of a register`);
  const { least, most } = parameter;
  const value = Number(now);
  // Of nothing there is no double: of no limit a low one, and so of the rest.
  const values = value === 0 ? [1] : [2, 1 / 2, 16, 1 / 16].map((factor) => Math.floor(factor * value));
  return values.filter((each) => each >= least && each <= most);
}

/** What came of it, without the parameters themselves. */
function figures({ boot, parameters: base, commands = '', ns = 1e6 }: Machine, changed: Overrides): string {
  const run = session(boot, { parameters: { ...base, ...changed } });
  type(run, commands);
  run.simulation.advance(ns);
  return jsonOf(run).replace(/"parameters": \{[^}]*\},/, '');
}

/** `ns`: how long it runs, if 1 ms does not show it. */
type Machine = {
  readonly boot: string;
  readonly parameters: Overrides;
  readonly ns?: number;
  readonly commands?: string;
};

/** Where a parameter matters only in some machine. */
const machines: Partial<Record<ParameterName, Machine>> = {
  // Who walks for himself fills again what another has filled meanwhile.
  'iotlb.fill': { boot: STRICT, parameters: { ...scarce, 'iotlb.entries': 2, 'iotlb.merge': 'off' } },
  // The way back of the data is the longer one, unless requests have large headers.
  'link.readRequestBytes': { boot: STRICT, parameters: { ...scarce, 'link.readOverheadBytes': 256 } },
  // It takes one that has the queue, one that waits, and one that comes.
  'invalidation.waiterNs': {
    boot: STRICT,
    parameters: { 'invalidation.queueNs': 5000 },
    commands: 'device hba1 host; device gpu0 host',
  },
  'cpu.deferCycles': { boot: LAZY, parameters: { 'cpu.packetCycles': 3000 } },
  'cpu.timerHz': { boot: LAZY, parameters: {}, ns: 11e6 },
  'cpu.copyByteCycles': { boot: `${LAZY} swiotlb=force iommu=pt`, parameters: { 'cpu.packetCycles': 3000 } },
};

test('a device that is stopped or moved while its DMA is under way faults no more than one that stands still', () => {
  const run = session(STRICT, { parameters: scarce });
  for (let i = 0; i < 40; i++) {
    run.simulation.advance(run.simulation.now + 7_000 + 31 * i);
    type(run, i % 2 === 0 ? 'workload nic0 flip; device nvme0 flip' : 'workload nic0 flip; device hba1 host');
    if (i % 4 === 3) type(run, 'device hba1 guest B');
  }
  const { devices } = run.snapshot();
  const faults = devices.filter(({ untrusted }) => !untrusted).map(({ counts }) => counts.faults);
  expect(faults).toEqual(faults.map(() => 0));
});

describe('every parameter of time has its effect in the live machine', () => {
  const { Time, 'The CPU': cpu } = parameterGroups;
  const chip = ['iotlb.entries', 'iotlb.replacement', 'iotlb.hitNs', 'pagingCache.l3.entries'] as const;

  test.each([...(Object.keys(Time) as ParameterName[]), ...chip])('%s', (name) => {
    holds(name, { boot: STRICT, parameters: scarce });
  });

  test.each(Object.keys(cpu) as ParameterName[])('%s', (name) => {
    holds(name, { boot: STRICT, parameters: {} });
  });

  function holds(name: ParameterName, usual: Machine): void {
    const machine = machines[name] ?? usual;
    const before = figures(machine, {});

    expect(others(name, machine).some((value) => figures(machine, { [name]: value }) !== before)).toBe(true);
  }
});
