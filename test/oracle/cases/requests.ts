/** DMA requests of made-up cases. */
import fc from 'fast-check';
import { devices, type Step, transfers } from '../../../source/conformance/case-file.ts';
import { indices } from './tables.ts';

/** The address with these indices at the levels 4 to 1. */
export const addressOf = (path: readonly number[]): bigint =>
  path.reduce((address, index) => (address << 9n) | BigInt(index), 0n) << 12n;

const usual = fc
  .tuple(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constantFrom(...indices[4]) },
    ),
    fc.constantFrom(...indices[3]),
    fc.constantFrom(...indices[2]),
    fc.constantFrom(...indices[1]),
    fc.constantFrom(0, 8, 0x123, 0xff8, 0xffc),
  )
  .map(([four, three, two, one, offset]) => addressOf([four, three, two, one]) + BigInt(offset));

const beyond = fc
  .tuple(usual, fc.constantFrom(39, 40, 47, 48, 52, 63))
  .map(([address, bit]) => address | (1n << BigInt(bit)));

const interrupts = fc.constantFrom(0xfee0_0000n, 0xfeef_fff8n, 0xfedf_fffcn, 0xfeef_fffcn);

const length = fc.oneof(
  { weight: 4, arbitrary: fc.constant(8) },
  { weight: 1, arbitrary: fc.constantFrom(1, 4, 12, 64, 0x1000, 0x1008) },
);

export const request: fc.Arbitrary<Extract<Step, { op: 'dma' }>> = fc.record({
  op: fc.constant('dma'),
  device: fc.constantFrom(...Object.values(devices)),
  transfer: fc.constantFrom(...transfers),
  address: fc.oneof(
    { weight: 30, arbitrary: usual },
    { weight: 2, arbitrary: beyond },
    { weight: 1, arbitrary: interrupts },
  ),
  length,
});
