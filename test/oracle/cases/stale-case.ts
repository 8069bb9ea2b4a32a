/**
 * Made-up cases about what stays cached: tables change while in use, with any invalidation or none. What a unit may
 * answer then depends on its caches, so each device has a domain of its own, as QEMU keeps translations by device.
 */
import fc from 'fast-check';
import { type Case, devices, type Step, type UnitWords } from '../../../source/conformance/case-file.ts';
import { registerSteps } from './changes.ts';
import { domainId } from './context.ts';
import { contextGlobal, type Descriptor, iotlbDomain, iotlbGlobal, iotlbPages } from './descriptors.ts';
import { LEVELS, memoryOf, soundContext, soundEntry, soundTables } from './memory.ts';
import { addressOf, request } from './requests.ts';
import { DOMAINS, entryValue, indices, ROOT, table, watched } from './tables.ts';
import { usualWidth } from './translation-case.ts';

const users = Object.values(devices).slice(0, DOMAINS);

const poke: fc.Arbitrary<Step> = fc.constantFrom(...LEVELS).chain((level) =>
  fc
    .record({
      domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
      slot: fc.integer({ min: 0, max: indices[level].length - 1 }),
      entry: soundEntry(level),
      access: fc.constantFrom(3, 3, 3, 1, 2, 0) as fc.Arbitrary<0 | 1 | 2 | 3>,
    })
    .map(({ domain, slot, entry, access }) => ({
      op: 'poke',
      address: table(domain, level) + 8 * indices[level][slot],
      qwords: [entryValue({ ...entry, access }, domain, level)],
    })),
);

/** Of the domains in use and of others; pages in use, and their neighbours. */
const invalidation = (width: number): fc.Arbitrary<Descriptor> => {
  const ids = Array.from({ length: DOMAINS }, (_, domain) =>
    domainId({ present: true, fpd: false, type: 0, width, domain, root: 'own', bits: [] }),
  );
  const did = fc.constantFrom(...ids, ...ids, 0x7);
  const page = fc
    .tuple(
      fc.constantFrom(...indices[4]),
      fc.constantFrom(...indices[3]),
      fc.constantFrom(...indices[2], 5),
      fc.constantFrom(...indices[1], 511),
    )
    .map(addressOf);
  const pages = fc
    .tuple(did, page, fc.constantFrom(0, 1, 3, 8, 9, 12, 18), fc.boolean())
    .map(([id, at, mask, leafOnly]) => iotlbPages(id, at, mask, leafOnly));
  return fc.oneof(
    { weight: 6, arbitrary: pages },
    { weight: 2, arbitrary: did.map(iotlbDomain) },
    { weight: 1, arbitrary: fc.constantFrom(iotlbGlobal, contextGlobal) },
  );
};

export function staleCase(unit: UnitWords): fc.Arbitrary<Case> {
  const width = usualWidth(unit);
  const dma = fc
    .tuple(request, fc.constantFrom(...users))
    .map(([found, device]): Step => ({ ...found, device }));
  const steps = fc.oneof(
    { weight: 8, arbitrary: dma },
    { weight: 5, arbitrary: poke },
    {
      weight: 4,
      arbitrary: invalidation(width).map((found): Step => ({ op: 'qi', descriptors: [found] })),
    },
    { weight: 2, arbitrary: fc.constant<Step>({ op: 'clearFaults' }) },
  );
  return fc
    .record({
      tables: soundTables(width),
      contexts: fc.tuple(...Object.values(devices).map(() => soundContext(width))),
      list: fc.array(steps, { minLength: 2, maxLength: 16 }),
      queued: fc.boolean(),
    })
    .map(({ tables, contexts, list, queued }) => ({
      name: 'stale',
      scalable: false,
      rtaddr: BigInt(ROOT),
      mem: memoryOf({
        ...tables,
        contexts: contexts.map((found, index) => ({ ...found, domain: index % DOMAINS })),
      }),
      watch: watched,
      steps: [
        { op: 'enable' },
        ...list.flatMap((step): Step[] => {
          if (step.op !== 'qi' || queued) return [step];
          return step.descriptors.flatMap(([lo, hi]) => registerSteps([lo, hi]));
        }),
      ],
      expect: null,
    }));
}
