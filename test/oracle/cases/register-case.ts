/** Made-up cases about registers: anything is written to any of them, also before the unit is on. */
import fc from 'fast-check';
import {
  type Case,
  QUEUE_ADDRESS,
  type Step,
  type UnitWords,
} from '../../../source/conformance/case-file.ts';
import { memoryOf, soundTables } from './memory.ts';
import { request } from './requests.ts';
import { ROOT, watched } from './tables.ts';
import { usualWidth } from './translation-case.ts';

const bits = (...at: number[]) =>
  fc.subarray(at).map((chosen) => chosen.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n));
const anything = (size: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(size)) - 1n });

/** TE, SRTP, QIE and reserved bits. The queue is never off with work in it, as QEMU then waits for ever. */
const written: Readonly<Record<string, fc.Arbitrary<bigint>>> = {
  GCMD: bits(31, 30, 27, 3),
  RTADDR: fc.constantFrom(BigInt(ROOT), BigInt(ROOT) | 0x3ffn, 0x3000_0000n, 1n << 52n),
  IQA: fc.constantFrom(BigInt(QUEUE_ADDRESS), BigInt(QUEUE_ADDRESS) | 7n),
  FECTL: anything(32),
  FSTS: anything(32),
  ICS: anything(32),
  IVA: anything(64),
  IOTLB: anything(63).map((value) => value | (1n << 63n)),
  CCMD: anything(63).map((value) => value | (1n << 63n)),
  FRCDLO: anything(64),
  FRCDHI: anything(64),
  VER: anything(32),
  CAP: anything(64),
  ECAP: anything(64),
  GSTS: anything(32),
  IQH: anything(64),
};

const write = fc
  .constantFrom(...Object.keys(written))
  .chain((register) => written[register].map((value): Step => ({ op: 'reg', register, value })));
const read = fc
  .constantFrom(...Object.keys(written), 'IQT')
  .map((register): Step => ({ op: 'rdreg', register }));

export const registerCase = (unit: UnitWords): fc.Arbitrary<Case> => {
  const dma: fc.Arbitrary<Step> = request;
  const step = fc.oneof(
    { weight: 4, arbitrary: write },
    { weight: 4, arbitrary: read },
    { weight: 3, arbitrary: dma },
    { weight: 1, arbitrary: fc.constant<Step>({ op: 'enable' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ op: 'clearFaults' }) },
  );
  return fc
    .record({
      tables: soundTables(usualWidth(unit)),
      steps: fc.array(step, { minLength: 1, maxLength: 12 }),
    })
    .map(({ tables, steps }) => ({
      name: 'registers',
      scalable: false,
      rtaddr: BigInt(ROOT),
      mem: memoryOf(tables),
      watch: watched,
      steps,
      expect: null,
    }));
};
