/** Commands of every kind, for properties. */
import fc from 'fast-check';
import type { Command } from '../../source/commands/command.ts';
import { guestModels } from '../../source/machine/guest.ts';
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
    address: address(tables),
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
    device: deviceName,
    to: fc.constantFrom('start' as const, 'stop' as const, 'flip' as const),
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
);

export const bootLines = bootLine;
