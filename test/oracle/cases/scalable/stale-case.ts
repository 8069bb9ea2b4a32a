/**
 * Made-up cases about what stays cached in scalable mode: paging tables change while in use, with any invalidation or
 * none. PASID structures stay, as QEMU has no cache for them; each device has a domain of its own, as QEMU keeps
 * translations by device; and A and D are set from the start, as a unit may or may not walk again to set them.
 */
import fc from 'fast-check';
import { type Case, devices, type Step, type UnitWords } from '../../../../source/conformance/case-file.ts';
import { registerSteps } from '../changes.ts';
import { contextGlobal, iotlbDomain, iotlbGlobal, iotlbPages } from '../descriptors.ts';
import { dataBlocks } from '../memory.ts';
import { addressOf } from '../requests.ts';
import { DOMAINS, ROOT, watched } from '../tables.ts';
import { usualWidth } from '../translation-case.ts';
import {
  pasidCacheDomain,
  pasidCacheGlobal,
  pasidCacheSelective,
  pasidIotlbAll,
  pasidIotlbPages,
  type Wide,
  widened,
} from './descriptors.ts';
import { entriesOf, request, slots } from './scalable-case.ts';
import { domainId, structures, structuresIn } from './structures.ts';
import { firstStage, secondStage, type TableKind } from './table-kind.ts';

const users = Object.values(devices).slice(0, DOMAINS);
const FLAGS = 0x60n;
/** Permission bits to leave out of an entry, of either stage: mostly none. */
const missing = fc.constantFrom(0n, 0n, 0n, 0n, 1n, 2n, 3n);

/** Of the domains in use and of others; pages in use, and their neighbours. */
function invalidation<Entry>(kind: TableKind<Entry>, ids: readonly number[]): fc.Arbitrary<Wide> {
  const did = fc.constantFrom(...ids, ...ids, 0x7);
  const pasid = fc.constantFrom(0, 0, 0, 1);
  const page = fc
    .tuple(
      fc.constantFrom(...kind.indices[4]),
      fc.constantFrom(...kind.indices[3]),
      fc.constantFrom(...kind.indices[2], 5),
      fc.constantFrom(...kind.indices[1], 511),
    )
    .map((path) => kind.canonical(addressOf(path)));
  const mask = fc.constantFrom(0, 1, 3, 8, 9, 12, 18);
  const byDomain = fc
    .tuple(did, page, mask, fc.boolean())
    .map(([id, at, of, leafOnly]) => widened(iotlbPages(id, at, of, leafOnly)));
  const byPasid = fc
    .tuple(did, pasid, page, mask, fc.boolean())
    .map(([id, of, at, am, leafOnly]) => pasidIotlbPages(id, of, at, am, leafOnly));
  const allOfPasid = fc.tuple(did, pasid).map(([id, of]) => pasidIotlbAll(id, of));
  return fc.oneof(
    // What they do to entries of the other stage, a unit may choose.
    ...(kind.isFirstStage
      ? [
          { weight: 6, arbitrary: byPasid },
          { weight: 2, arbitrary: allOfPasid },
          { weight: 1, arbitrary: byDomain },
        ]
      : [{ weight: 6, arbitrary: byDomain }]),
    { weight: 2, arbitrary: did.map((id) => widened(iotlbDomain(id))) },
    { weight: 1, arbitrary: fc.constantFrom(widened(iotlbGlobal), widened(contextGlobal)) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        fc.constant(pasidCacheGlobal),
        did.map(pasidCacheDomain),
        fc.tuple(did, pasid).map(([id, of]) => pasidCacheSelective(id, of)),
      ),
    },
  );
}

function caseOf<Entry>(unit: UnitWords, kind: TableKind<Entry>): fc.Arbitrary<Case> {
  const places = slots(kind);
  const qwordOf = (entry: Entry, { domain, level }: (typeof places)[number]) =>
    kind.value(entry, domain, level) | (kind.isFirstStage ? FLAGS : 0n);
  const poke = fc.constantFrom(...places).chain((place) =>
    fc.tuple(kind.entry(place.level, true), missing).map(
      ([entry, bits]): Step => ({
        op: 'poke',
        address: place.address,
        qwords: [qwordOf(entry, place) & ~bits],
      }),
    ),
  );
  const requests = fc.array(request(kind), { minLength: 1, maxLength: 2 });
  const width = usualWidth(unit);
  const built = structures(kind.type, width, null).map((found) => ({
    ...found,
    pasids: found.pasids.map((entry, index) => ({ ...entry, type: kind.type, domain: index % DOMAINS })),
  }));
  return fc.tuple(built, requests).chain(([found, few]) => {
    const dma = fc
      .tuple(fc.constantFrom(...few), fc.constantFrom(...users))
      .map(([one, device]): Step => ({ ...one, device }));
    const ids = found.pasids.slice(0, DOMAINS).map(domainId);
    const step = fc.oneof(
      { weight: 8, arbitrary: dma },
      { weight: 5, arbitrary: poke },
      {
        weight: 4,
        arbitrary: invalidation(kind, ids).map((one): Step => ({ op: 'qi256', descriptors: [one] })),
      },
      { weight: 2, arbitrary: fc.constant<Step>({ op: 'clearFaults' }) },
    );
    return fc
      .record({
        entries: entriesOf(kind, true),
        list: fc.array(step, { minLength: 2, maxLength: 16 }),
        queued: fc.boolean(),
      })
      .map(({ entries, list, queued }) => ({
        name: 'stale',
        scalable: true,
        rtaddr: BigInt(ROOT),
        mem: [
          ...structuresIn(found),
          ...places.map((place) => ({
            address: place.address,
            qwords: [qwordOf(entries[place.domain][place.level][place.slot], place)],
          })),
          ...dataBlocks,
        ],
        watch: watched,
        steps: [{ op: 'enable' }, ...list.flatMap((one) => (queued ? [one] : throughRegisters(one)))],
        expect: null,
      }));
  });
}

/** The registers know nothing of PASIDs. */
function throughRegisters(step: Step): Step[] {
  if (step.op !== 'qi256') return [step];
  return step.descriptors.flatMap(([lo, hi]) => ((lo & 0xfn) <= 2n ? registerSteps([lo, hi]) : []));
}

/** What stays cached of tables that change. */
export const scalableStaleCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  unit.firstStage ? caseOf(unit, firstStage) : caseOf(unit, secondStage);
