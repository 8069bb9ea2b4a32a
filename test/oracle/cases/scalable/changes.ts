/** Changes of what is in use in scalable mode, each with invalidations that cover it. */
import fc from 'fast-check';
import type { Step } from '../../../../source/conformance/case-file.ts';
import { registerSteps } from '../changes.ts';
import {
  contextDevice,
  contextDomain,
  contextGlobal,
  iotlbDomain,
  iotlbGlobal,
  iotlbPages,
} from '../descriptors.ts';
import { addressOf } from '../requests.ts';
import { DOMAINS, table } from '../tables.ts';
import {
  pasidCacheDomain,
  pasidCacheGlobal,
  pasidCacheSelective,
  pasidIotlbAll,
  pasidIotlbPages,
  type Wide,
  widened,
} from './descriptors.ts';
import {
  type Context,
  contextValue,
  type Directory,
  deviceIds,
  directoryValue,
  domainId,
  FIRST,
  type Pasid,
  pasidValue,
  placeOf,
  type Root,
  rootValue,
} from './structures.ts';
import type { TableKind } from './table-kind.ts';

/** How to invalidate: as little as covers the change, a domain, or everything. */
type Reach = 'least' | 'domain' | 'all';

type How = {
  readonly reach: Reach;
  readonly queued: boolean;
  readonly hint: boolean;
  readonly wider: number;
};

export type Change<Entry> = How &
  (
    | {
        readonly what: 'entry';
        readonly domain: number;
        readonly level: number;
        readonly slot: number;
        readonly entry: Entry;
      }
    | { readonly what: 'root'; readonly device: number; readonly root: Root }
    | { readonly what: 'context'; readonly device: number; readonly context: Context }
    | { readonly what: 'directory'; readonly device: number; readonly directory: Directory }
    | { readonly what: 'pasid'; readonly device: number; readonly pasid: Pasid }
  );

export type Parts<Entry> = {
  readonly entry: (level: number) => fc.Arbitrary<Entry>;
  readonly root: fc.Arbitrary<Root>;
  readonly context: fc.Arbitrary<Context>;
  readonly directory: fc.Arbitrary<Directory>;
  readonly pasid: fc.Arbitrary<Pasid>;
};

const how = {
  reach: fc.constantFrom<Reach>('least', 'least', 'domain', 'all'),
  queued: fc.boolean(),
  hint: fc.boolean(),
  wider: fc.integer({ min: 0, max: 3 }),
};
const device = fc.constantFrom(...deviceIds);

export const change = <Entry>(kind: TableKind<Entry>, parts: Parts<Entry>): fc.Arbitrary<Change<Entry>> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(1, 1, 2, 3, 4).chain((level) =>
        fc.record({
          ...how,
          what: fc.constant('entry' as const),
          domain: fc.integer({ min: 0, max: DOMAINS - 1 }),
          level: fc.constant(level),
          slot: fc.integer({ min: 0, max: kind.indices[level].length - 1 }),
          entry: parts.entry(level),
        }),
      ),
    },
    {
      weight: 4,
      arbitrary: fc.record({ ...how, what: fc.constant('pasid' as const), device, pasid: parts.pasid }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ ...how, what: fc.constant('context' as const), device, context: parts.context }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...how,
        what: fc.constant('directory' as const),
        device,
        directory: parts.directory,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ ...how, what: fc.constant('root' as const), device, root: parts.root }),
    },
  );

const LARGEST_SECOND_STAGE_MASK = 18;
const LAST_INDEX = 511;

/** Keeps what the tables hold, as the right invalidation depends on it. */
export class Software<Entry> {
  private readonly kind: TableKind<Entry>;
  private readonly entries: Record<number, Entry[]>[];
  private readonly pasids: Pasid[];
  private queueIsOn = false;

  constructor(
    kind: TableKind<Entry>,
    entries: readonly Readonly<Record<number, readonly Entry[]>>[],
    pasids: readonly Pasid[],
  ) {
    this.kind = kind;
    this.entries = entries.map((levels) =>
      Object.fromEntries(Object.entries(levels).map(([level, list]) => [level, [...list]])),
    );
    this.pasids = [...pasids];
  }

  /** A device that uses the tables of a domain, if there is one. */
  userOf(domain: number): number {
    const index = this.pasids.findIndex((entry) => entry.domain === domain);
    return deviceIds[Math.max(index, 0)];
  }

  apply(found: Change<Entry>): Step[] {
    if (found.what === 'entry') return this.changeEntry(found);
    const { device } = found;
    const index = deviceIds.indexOf(device);
    const before = this.pasids[index];
    const poke = (qwords: readonly bigint[]): Step => ({
      op: 'poke',
      address: placeOf[found.what](device),
      qwords,
    });
    switch (found.what) {
      case 'root':
        return [
          poke(rootValue(found.root, device >> 8)),
          ...this.post([widened(contextGlobal), pasidCacheGlobal, widened(iotlbGlobal)]),
        ];
      case 'context':
        return [
          poke(contextValue(found.context, device)),
          ...this.post([
            widened(this.contextInvalidation(found, device)),
            ...this.structureInvalidations(found, before),
          ]),
        ];
      case 'directory':
        return [
          poke(directoryValue(found.directory, device)),
          ...this.post(this.structureInvalidations(found, before)),
        ];
      case 'pasid':
        this.pasids[index] = found.pasid;
        return [poke(pasidValue(found.pasid)), ...this.post(this.structureInvalidations(found, before))];
    }
  }

  private contextInvalidation({ reach, wider }: How, device: number) {
    if (reach === 'all') return contextGlobal;
    // A domain-selective one is global in scalable mode, where context entries have no domain.
    if (reach === 'domain') return contextDomain(0x200);
    const other = device | (wider === 3 ? 7 : wider === 2 ? 6 : wider === 1 ? 4 : 0);
    return contextDevice(0, other, wider);
  }

  /** What a changed PASID table entry, or the way to it, may have been cached for. */
  private structureInvalidations({ reach }: How, before: Pasid): Wide[] {
    const did = domainId(before);
    if (reach === 'all') return [pasidCacheGlobal, widened(iotlbGlobal)];
    if (reach === 'domain') return [pasidCacheDomain(did), widened(iotlbDomain(did))];
    return [
      pasidCacheSelective(did, 0),
      before.type === FIRST ? pasidIotlbAll(did, 0) : widened(iotlbDomain(did)),
    ];
  }

  private changeEntry(found: Extract<Change<Entry>, { what: 'entry' }>): Step[] {
    const { domain, level, slot, entry, queued } = found;
    const before = this.entries[domain][level][slot];
    this.entries[domain][level][slot] = entry;
    const { kind } = this;
    const address = table(domain, level) + 8 * kind.indices[level][slot];
    const poke: Step = { op: 'poke', address, qwords: [kind.value(entry, domain, level)] };
    const descriptors = this.entryInvalidations(found, kind.isPage(before, level));
    // Registers know nothing of PASIDs, and do nothing once the queue is on.
    const byRegister = !queued && !this.queueIsOn && !kind.isFirstStage;
    return [
      poke,
      ...(byRegister ? descriptors.flatMap(([lo, hi]) => registerSteps([lo, hi])) : this.post(descriptors)),
    ];
  }

  private entryInvalidations(found: Extract<Change<Entry>, { what: 'entry' }>, wasPage: boolean): Wide[] {
    const { domain, level, slot, hint, wider, reach } = found;
    const { kind } = this;
    if (reach === 'all') return [widened(iotlbGlobal)];
    const ids = kind.domainIds(domain);
    if (reach === 'domain' || level === 4) {
      return ids.map((id) => (kind.isFirstStage ? pasidIotlbAll(id, 0) : widened(iotlbDomain(id))));
    }
    // Of a large page, any address does.
    const inside = wasPage && level > 1 && hint;
    const needed = inside ? wider : 9 * (level - 1) + wider;
    const mask = kind.isFirstStage ? needed : Math.min(LARGEST_SECOND_STAGE_MASK, needed);
    const below = [4, 3, 2, 1].map((at) =>
      at > level ? kind.indices[at] : [at === level ? kind.indices[level][slot] : inside ? LAST_INDEX : 0],
    );
    const paths = below.reduce<number[][]>(
      (sofar, choices) => sofar.flatMap((path) => choices.map((index) => [...path, index])),
      [[]],
    );
    const leafOnly = level === 1 && hint;
    return ids.flatMap((id) =>
      paths.map((path) =>
        kind.isFirstStage
          ? pasidIotlbPages(id, 0, kind.canonical(addressOf(path)), mask, leafOnly)
          : widened(iotlbPages(id, addressOf(path), mask, leafOnly)),
      ),
    );
  }

  private post(descriptors: readonly Wide[]): Step[] {
    this.queueIsOn = true;
    return [{ op: 'qi256', descriptors }];
  }
}
