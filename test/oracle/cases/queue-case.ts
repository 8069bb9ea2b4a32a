/** Made-up cases about invalidation: tables stay as they are while registers and descriptors get anything. */
import fc from 'fast-check';
import type { Case, Step, UnitWords } from '../../../source/conformance/case-file.ts';
import { descriptor } from './descriptors.ts';
import { memoryOf, tables } from './memory.ts';
import { request } from './requests.ts';
import { ROOT, watched } from './tables.ts';
import { usualWidth } from './translation-case.ts';

const step = <S extends Step>(arbitrary: fc.Arbitrary<S>): fc.Arbitrary<Step> => arbitrary;

const START = 1n << 63n;
const anything = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

const write = fc.oneof(
  fc.record({ register: fc.constant('IVA'), value: anything }),
  // What is left of a command of an earlier case would show without a start bit.
  fc.record({ register: fc.constant('IOTLB'), value: anything.map((value) => value | START) }),
  fc.record({ register: fc.constant('CCMD'), value: anything.map((value) => value | START) }),
  fc.record({
    register: fc.constant('FSTS'),
    value: fc.constantFrom(0x1n, 0x10n, 0x11n, 0x2n, 0xffn),
  }),
  fc.record({ register: fc.constant('ICS'), value: fc.constantFrom(0n, 1n) }),
  fc.record({ register: fc.constant('FRCDHI'), value: fc.constantFrom(0n, 1n << 63n) }),
);

const tail = fc
  .constantFrom(0n, 0x10n, 0x20n, 0x28n, 0xff0n, 0x1000n, 0x7fff0n)
  .map((value): Step => ({ op: 'reg', register: 'IQT', value }));

const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(descriptor, { maxLength: 4 }).map((descriptors): Step => ({ op: 'qi', descriptors })),
  },
  { weight: 6, arbitrary: step(request) },
  { weight: 3, arbitrary: write.map((found): Step => ({ op: 'reg', ...found })) },
  { weight: 1, arbitrary: tail },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('IQH', 'IQT', 'ICS', 'FSTS', 'GSTS', 'CCMD', 'IOTLB', 'FECTL', 'IVA')
      .map((register): Step => ({ op: 'rdreg', register })),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ op: 'clearFaults' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'faults' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'enable' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'peek', address: 0x18_4000 }) },
);

export const queueCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  fc
    .record({ tables: tables(usualWidth(unit)), found: fc.array(steps, { minLength: 1, maxLength: 12 }) })
    .map(({ tables: found, found: list }) => ({
      name: 'queue',
      scalable: false,
      rtaddr: BigInt(ROOT),
      mem: memoryOf(found),
      watch: watched,
      steps: [{ op: 'enable' }, ...list],
      expect: null,
    }));
