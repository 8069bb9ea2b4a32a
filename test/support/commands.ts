/** Commands of every kind, for properties. */
import fc from 'fast-check';
import { type Command, deviceTlbStates, viewNames } from '../../source/commands/command.ts';
import { guestModels } from '../../source/machine/guests/guest.ts';
import { deviceModels } from '../../source/machine/topology.ts';

const names = deviceModels.map(({ name }) => name);
const deviceName = fc.constantFrom(...names);
const target = fc.constantFrom(
  'flip' as const,
  'passthrough' as const,
  'translated' as const,
  'blocked' as const,
  'host' as const,
  ...guestModels.map(({ name }) => `guest ${name}` as const),
);

/** Interesting places, and any place at all. Page tables and queues are left out unless asked for. */
const address = (tables: boolean) =>
  fc
    .oneof(
      fc.constantFrom(0x0100_0000n, 0x2000_0000n, 0x7b80_0000n, 0xa000_0000n, 0xfee0_0000n, 0xffff_f000n),
      fc.bigInt({ min: 0n, max: 0xffff_ffffn }),
      fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
    )
    .filter((at) => tables || at + 0x10_0000n <= 0x0400_0000n || at >= 0x1000_0000n)
    .map((at) => `0x${at.toString(16)}`);

export const dma = (tables = false) =>
  fc.record({
    name: fc.constant('dma' as const),
    device: deviceName,
    type: fc.constantFrom('read' as const, 'write' as const),
    address: fc.oneof(
      { weight: 6, arbitrary: address(tables) },
      { weight: 1, arbitrary: fc.constantFrom('buffer', 'buffers') },
    ),
    bytes: fc.oneof(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1, max: 2 ** 20 })),
  });

export const machineCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      name: fc.constant('device' as const),
      device: fc.oneof(deviceName, fc.constant('all')),
      to: target,
    }),
  },
  { weight: 3, arbitrary: dma() },
  fc.record({
    name: fc.constant('invalidation' as const),
    device: deviceName,
    to: fc.constantFrom('strict' as const, 'lazy' as const, 'flip' as const),
  }),
  fc.record({
    name: fc.constant('workload' as const),
    device: fc.oneof({ weight: 6, arbitrary: deviceName }, { weight: 1, arbitrary: fc.constant('all') }),
    to: fc.constantFrom('start' as const, 'stop' as const, 'flip' as const),
  }),
  fc.record({
    name: fc.constant('map' as const),
    device: deviceName,
    count: fc.integer({ min: 1, max: 20 }),
    bytes: fc.constantFrom(1, 2048, 4096, 2 ** 21),
  }),
  fc.record({
    name: fc.constant('unmap' as const),
    device: deviceName,
    which: fc.constantFrom('oldest' as const, 'newest' as const, 'all' as const),
  }),
  fc.record({
    name: fc.constant('device-tlb' as const),
    device: deviceName,
    to: fc.constantFrom(...deviceTlbStates),
  }),
  fc.record({
    name: fc.constant('echo' as const),
    text: fc.constantFrom('identity', 'DMA', 'DMA-FQ', '1', '0', '0000:03:00.0', ''),
    path: fc.constantFrom(
      '/sys/kernel/iommu_groups/14/type',
      '/sys/kernel/debug/iommu/intel/dmar_perf_latency',
      '/sys/bus/pci/drivers/ixgbe/unbind',
      '/sys/bus/pci/drivers/ixgbe/bind',
      '/sys',
    ),
  }),
  fc.record({
    name: fc.constant('cycle' as const),
    device: deviceName,
    count: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({
    name: fc.constant('entry' as const),
    device: deviceName,
    table: fc.constant('context' as const),
    address: fc.constant(null),
    fields: fc.constantFrom(
      [{ field: 'P', value: '0x0' }],
      [
        { field: 'P', value: '0x1' },
        { field: 'TT', value: '0x2' },
      ],
      [{ field: 'AW', value: '0x1' }],
      [{ field: 'FPD', value: '0x99' }],
    ),
  }),
);

const bootLine = fc
  .array(
    fc.constantFrom('intel_iommu=on', 'iommu=pt', 'iommu=on', 'iommu.strict=1', 'intremap=off', 'quiet'),
    { maxLength: 4 },
  )
  .map((words) => words.join(' '));

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: machineCommand },
  fc.record({ name: fc.constant('boot' as const), line: bootLine }),
  fc.constant<Command>({ name: 'pause' }),
  fc.record({
    name: fc.constant('run' as const),
    forNs: fc.option(
      fc.oneof(
        fc.nat(),
        fc.integer({ min: 0, max: 1000 }).map((us) => us * 1000),
        fc.maxSafeNat(),
      ),
    ),
  }),
  fc.record({ name: fc.constant('step' as const), count: fc.integer({ min: 1, max: 1_000_000 }) }),
  fc.record({
    name: fc.constant('speed' as const),
    factor: fc.oneof(
      fc.double({ min: 1 / 16, max: 64, noNaN: true }),
      fc.constantFrom(1, 0.5, 64, Number.POSITIVE_INFINITY),
    ),
  }),
  fc.record({
    name: fc.constant('unit' as const),
    unit: fc.constantFrom('skylake' as const, 'server' as const),
    set: fc.constantFrom({}, { 'ecap.PT': 0 }, { 'iotlb.entries': 64 }),
  }),
  fc.record({
    name: fc.constant('kernel' as const),
    version: fc.constantFrom('6.8' as const, '6.12' as const),
    defaultOn: fc.boolean(),
  }),
  fc.constant<Command>({ name: 'mark' }),
  fc.record({
    name: fc.constant('expect' as const),
    expression: fc.constantFrom('nic0.faults = 0', 'change(iommu_mrds) <= 2', 'dmesg has "DMAR"'),
  }),
  fc.record({
    name: fc.constant('measure' as const),
    row: fc.constantFrom('strict', 'pt, cold'),
    columns: fc.array(
      fc.record({
        heading: fc.constantFrom('walks', 'reads a page'),
        value: fc.constantFrom('change(page_walks)', 'iommu_mrds / 2', 'nic0.lane'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  fc.record({
    name: fc.constant('open' as const),
    view: fc.constantFrom(...viewNames),
    device: fc.constantFrom('nic0', 'tb0'),
    address: fc.constantFrom(null, 'buffer', '0x1000'),
  }),
  fc.record({
    name: fc.constant('scene' as const),
    to: fc.constantFrom('next' as const, 'back' as const, 'leave' as const, 3),
  }),
  fc.constant<Command>({ name: 'demo', demo: 'claims' }),
);

export const bootLines = bootLine;
