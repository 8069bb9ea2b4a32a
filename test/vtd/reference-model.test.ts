import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PagingCache } from '../../source/vtd/caches/paging-cache.ts';
import type { TagStore } from '../../source/vtd/caches/tag-store.ts';
import { counterNames, namedCounts } from '../../source/vtd/performance/counters.ts';
import { defaultCaches, type Translator } from '../../source/vtd/translation/translator.ts';
import { capabilities, claimsOf, type UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import { Global } from '../../source/vtd/unit/registers.ts';
import { defaultUncertain, type Uncertain } from '../../source/vtd/unit/uncertain.ts';
import { type AnyInvalidation, Bench, deviceId, type IotlbInvalidation, unitWith } from '../support/unit.ts';
import {
  contextEntry,
  covers,
  type Entry,
  knownReadings,
  pasidEntry,
  ReferenceModel,
  type Request,
  type Shape,
  structure,
  structureTag,
  translation,
  translationTag,
  type Unit,
} from './reference-model.ts';

const RAM = 0x4_0000;
const DEVICES = ['03:00.0', '03:00.1', '03:10.1', '04:00.0'];
const PASIDS = [0, 1, 1, 2, 2, 64, 64, 0x2000];
const ROOT = 0x1000;
/** Pages of each kind of structure. */
const CONTEXTS = [0x2000, 0x3000];
const DIRECTORY = 0x4000;
const PASID_TABLES = [0x5000, 0x6000];
const SECOND_STAGE = 0x10;
const FIRST_STAGE = 0x20;

// ---- A small generator of numbers, so that one seed is one machine.

type Dice = (below: number) => number;

function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

// ---- Structures: mostly right, sometimes not.

type Write = readonly [at: number, value: bigint];

const pick = <T>(roll: Dice, items: readonly T[]): T => items[roll(items.length)];
const rarely = (roll: Dice): boolean => roll(40) === 0;
const flip = (roll: Dice, value: bigint): bigint =>
  roll(150) === 0 ? value ^ (1n << BigInt(roll(64))) : value;

function rootEntries(roll: Dice, isScalable: boolean): Write[] {
  return [3, 4].flatMap((bus): Write[] => {
    const pointer = () => flip(roll, BigInt(pick(roll, CONTEXTS)) | (rarely(roll) ? 0n : 1n));
    return [
      [ROOT + 16 * bus, pointer()],
      [ROOT + 16 * bus + 8, isScalable ? pointer() : roll(40) === 0 ? 1n : 0n],
    ];
  });
}

function contextEntries(
  roll: Dice,
  isScalable: boolean,
  id = deviceId(pick(roll, DEVICES)),
  table = pick(roll, CONTEXTS),
): Write[] {
  const fpd = roll(4) === 0 ? 2n : 0n;
  const present = roll(15) === 0 ? 0n : 1n;
  if (!isScalable) {
    const type = pick(roll, [0, 0, 0, 0, 0, 0, 1, 2, rarely(roll) ? 3 : 0]);
    const at = table + 16 * (id & 0xff);
    const aw = rarely(roll) ? roll(8) : type === 2 ? 3 : pick(roll, [2, 2, 3]);
    const tableRoot = BigInt(tableOf(SECOND_STAGE, Math.min(aw + 2, 5), roll(2)));
    const did = BigInt(pick(roll, [1, 2, 5]));
    return [
      [at, flip(roll, tableRoot | (BigInt(type) << 2n) | fpd | present)],
      [at + 8, flip(roll, (did << 8n) | BigInt(aw))],
    ];
  }
  const at = table + 32 * (id & 0x7f);
  return [
    [at, flip(roll, BigInt(DIRECTORY) | (BigInt(roll(2)) << 9n) | (rarely(roll) ? 0n : 8n) | fpd | present)],
    [at + 8, flip(roll, BigInt(pick(roll, PASIDS)) | (BigInt(roll(2)) << 20n))],
    [at + 16, roll(200) === 0 ? 1n : 0n],
  ];
}

function pasidEntries(roll: Dice, pasid = pick(roll, PASIDS), table = pick(roll, PASID_TABLES)): Write[] {
  const fpd = roll(5) === 0 ? 2n : 0n;
  if (rarely(roll)) {
    return [
      [
        DIRECTORY + 8 * (pasid >> 6),
        flip(roll, BigInt(pick(roll, PASID_TABLES)) | fpd | (rarely(roll) ? 0n : 1n)),
      ],
    ];
  }
  const at = table + 64 * (pasid & 63);
  const type = BigInt(pick(roll, [1, 1, 2, 2, 3, 3, 3, 3, 4, rarely(roll) ? 5 : 3]));
  const aw = rarely(roll) ? roll(8) : pick(roll, [2, 2, 3]);
  const second = BigInt(tableOf(SECOND_STAGE, Math.min(aw + 2, 5), 0));
  const flags = (BigInt(roll(2)) << 9n) | (BigInt(roll(2)) << 5n);
  const low = second | (BigInt(aw) << 2n) | (type << 6n) | flags | fpd;
  const isFive = roll(4) === 0;
  const first = BigInt(tableOf(FIRST_STAGE, isFive ? 5 : 4, 0));
  // SRE and ERE mostly; of the others any.
  const controls =
    BigInt((roll(256) & ~0xf) | pick(roll, [3, 3, 3, 3, 3, 3, 3, 3, 1, 2])) | (isFive ? 4n : 0n);
  return [
    [at, flip(roll, low | (rarely(roll) ? 0n : 1n))],
    [at + 8, flip(roll, BigInt(pick(roll, [1, 2, 5])) | (rarely(roll) ? 0n : 1n << 23n))],
    [at + 16, flip(roll, first | controls)],
    [at + 24, roll(200) === 0 ? 1n : 0n],
  ];
}

/** Two tables of each level, one after the other. */
const tableOf = (first: number, level: number, which: number): number =>
  (first + 2 * (level - 1) + which) * 4096;

/** Indices that entries and addresses use; those of first-stage tables as guest-physical pages among them. */
const INDICES = [0, 1, 2, 0x1ff];

function secondStageEntry(
  roll: Dice,
  level = 1 + roll(5),
  which = roll(2),
  at = pick(roll, INDICES),
  page = roll(64),
): Write {
  const table = tableOf(SECOND_STAGE, level, which);
  const allows = BigInt(pick(roll, [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 3, 3, 3, 1, 2, 0, 4]));
  if (level === 1) {
    const target = rarely(roll) ? 0xfee00n + BigInt(roll(2)) : BigInt(page);
    return [table + 8 * at, flip(roll, (target << 12n) | allows | (BigInt(roll(4)) << 8n))];
  }
  const isLarge = level <= 3 && roll(8) === 0;
  const target = isLarge
    ? BigInt(roll(4)) * (1n << BigInt(12 + 9 * (level - 1)))
    : BigInt(tableOf(SECOND_STAGE, level - 1, roll(2)));
  return [table + 8 * at, flip(roll, target | allows | (isLarge ? 0x80n : 0n) | (BigInt(roll(4)) << 8n))];
}

function firstStageEntry(
  roll: Dice,
  level = 1 + roll(5),
  which = roll(2),
  index = pick(roll, INDICES),
): Write {
  const table = tableOf(FIRST_STAGE, level, which);
  const allows = BigInt(
    pick(roll, [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 5, 1, 6]) | (roll(4) << 5) | (roll(2) << 10),
  );
  const noExecute = roll(10) === 0 ? 1n << 63n : 0n;
  if (level === 1)
    return [
      table + 8 * index,
      flip(
        roll,
        (BigInt(rarely(roll) ? 0xfee00 : pick(roll, [0, 1, 2, 0x1ff, 0x30])) << 12n) | allows | noExecute,
      ),
    ];
  const isLarge = level <= 3 && roll(10) === 0;
  const target = isLarge
    ? BigInt(roll(3)) * (1n << BigInt(12 + 9 * (level - 1)))
    : BigInt(tableOf(FIRST_STAGE, level - 1, roll(2)));
  return [table + 8 * index, flip(roll, target | allows | noExecute | (isLarge ? 0x80n : 0n))];
}

/** Everything there, and mostly right. */
function anyTables(roll: Dice, isScalable: boolean): Write[] {
  const writes = rootEntries(roll, isScalable);
  for (const id of DEVICES.map(deviceId))
    for (const table of CONTEXTS) writes.push(...contextEntries(roll, isScalable, id, table));
  for (const pasid of PASIDS) {
    writes.push([DIRECTORY + 8 * (pasid >> 6), BigInt(pick(roll, PASID_TABLES)) | 1n]);
    for (const table of PASID_TABLES) writes.push(...pasidEntries(roll, pasid, table));
  }
  for (const which of [0, 1]) {
    for (let level = 1; level <= 5; level++) {
      for (const index of INDICES)
        writes.push(secondStageEntry(roll, level, which, index), firstStageEntry(roll, level, which, index));
    }
    // Tables of the first stage have guest-physical addresses like their physical ones.
    for (let page = FIRST_STAGE; page < FIRST_STAGE + 10; page++)
      writes.push(secondStageEntry(roll, 1, which, page, page));
  }
  return writes;
}

function anyEntry(roll: Dice, isScalable: boolean): Write[] {
  switch (roll(isScalable ? 10 : 6)) {
    case 0:
      return rarely(roll) ? rootEntries(roll, isScalable) : contextEntries(roll, isScalable);
    case 1:
      return contextEntries(roll, isScalable);
    case 6:
    case 7:
      return pasidEntries(roll);
    case 8:
    case 9:
      return [firstStageEntry(roll)];
    default:
      return [secondStageEntry(roll)];
  }
}

// ---- What is done: requests, invalidations, changes.

function anyRequest(roll: Dice, isScalable: boolean): Request {
  const index = () => BigInt(pick(roll, INDICES));
  let address = 0n;
  for (let level = 5; level >= 1; level--) {
    const next = roll(level === 5 ? 30 : 8) === 0 ? index() : level === 5 ? 0n : BigInt(roll(2));
    address = (address << 9n) | next;
  }
  address = (address << 12n) | BigInt(roll(4096));
  if (((address >> 47n) & 1n) === 1n && roll(4) > 0) address |= 0xffff_8000_0000_0000n;
  if (roll(30) === 0) address = 0xfee0_1000n + BigInt(roll(4096));
  const kind = pick(roll, ['read', 'read', 'write', 'write', 'atomic', 'execute'] as const);
  const pasid = isScalable ? (roll(3) > 0 ? pick(roll, PASIDS) : null) : rarely(roll) ? 1 : null;
  return {
    sid: deviceId(pick(roll, DEVICES)),
    address,
    read: kind !== 'write',
    write: kind === 'write' || kind === 'atomic',
    execute: kind === 'execute' && pasid !== null,
    pasid,
    privileged: pasid !== null && roll(2) === 0,
  };
}

function anyInvalidation(roll: Dice, isScalable: boolean): AnyInvalidation {
  const did = pick(roll, [0, 1, 2, 5]);
  const { address: at } = anyRequest(roll, isScalable);
  const am = pick(roll, [0, 0, 1, 9, 18]);
  const ih = roll(2) === 0;
  const pasid = pick(roll, PASIDS);
  const sid = pick(roll, DEVICES);
  const all: AnyInvalidation[] = [
    { context: 'global' },
    { context: 'domain', did },
    { context: 'domain', did },
    { context: 'device', did, sid, fm: roll(4) },
    { iotlb: 'global' },
    { iotlb: 'domain', did },
    { iotlb: 'page', did, at, am, ih },
    { iotlb: 'page', did, at, am, ih },
    { pasidCache: 'global' },
    { pasidCache: 'domain', did },
    { pasidCache: 'pasid', did, pasid },
    { pasidIotlb: 'all', did, pasid },
    { pasidIotlb: 'page', did, pasid, at, am, ih },
  ];
  return pick(roll, isScalable ? all : all.slice(0, 8));
}

/** Which cached things an invalidation drops: chapter 6.5.2. */
function dropsOf(what: AnyInvalidation, isScalable: boolean, readings: Uncertain): (entry: Entry) => boolean {
  if ('context' in what) {
    const { context, did = 0, sid = '', fm = 0 } = what;
    if (context === 'global') return ({ kind }) => kind === 'context';
    if (context === 'device') {
      const ignored = [0, 4, 6, 7][fm];
      return (entry) => entry.kind === 'context' && ((entry.sid! ^ deviceId(sid)) & ~ignored) === 0;
    }
    if (isScalable) return ({ kind }) => kind === 'context' && readings.contextDomainIsGlobal;
    return (entry) => entry.kind === 'context' && entry.did === did;
  }
  if ('pasidCache' in what) {
    const { pasidCache, did, pasid } = what;
    if (pasidCache === 'global') return ({ kind }) => kind === 'pasid';
    if (pasidCache === 'domain') return (entry) => entry.kind === 'pasid' && entry.did === did;
    return (entry) =>
      entry.kind === 'pasid' &&
      entry.pasid === pasid &&
      (entry.did === did || (entry.absent === true && readings.absentPasidInEveryDomain));
  }
  if ('pasidIotlb' in what) {
    const { pasidIotlb, did, pasid, at = 0n, am = 0, ih } = what;
    const address = BigInt(at) & ((1n << 57n) - 1n);
    return (entry) => {
      if ((entry.kind !== 'iotlb' && entry.kind !== 'fs') || entry.did !== did || entry.pasid !== pasid)
        return false;
      if (pasidIotlb === 'all') return true;
      return !(ih === true && entry.kind === 'fs') && covers(entry, address, am);
    };
  }
  const { iotlb, did, at = 0n, am = 0, ih } = what as IotlbInvalidation;
  const isTranslation = ({ kind }: Entry) => kind === 'iotlb' || kind === 'ss' || kind === 'fs';
  if (iotlb === 'global') return isTranslation;
  if (iotlb === 'domain') {
    return (entry) =>
      isTranslation(entry) && entry.did === did && (entry.pasid === null || readings.iotlbDomainDropsPasids);
  }
  return (entry) => {
    if (!isTranslation(entry) || entry.did !== did || (ih === true && entry.kind !== 'iotlb')) return false;
    if (entry.pasid !== null) return isScalable && readings.iotlbPageDropsPasids;
    return covers(entry, BigInt(at), am);
  };
}

// ---- What the chip's caches hold, in the words of the model.

const qwordsOf = (words: ArrayLike<number>): bigint[] =>
  Array.from({ length: words.length / 2 }, (_, i) => join64(words[2 * i + 1], words[2 * i]));
const join64 = (hi: number, lo: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
const lettersOf = (names: string, bits: number): string =>
  [...names].filter((_, i) => ((bits >> i) & 1) !== 0).join('');

function spaceOf(tag: number) {
  return tag === 0 ? { pasid: null, nested: false } : { pasid: tag & 0xf_ffff, nested: tag >> 21 !== 0 };
}

function cachedIn({
  contextCache,
  pasidCache,
  iotlb,
  pagingCache,
  firstStageCache,
}: Translator): Map<string, Entry> {
  const found = new Map<string, Entry>();
  for (const sid of DEVICES.map(deviceId)) {
    const place = contextCache.find(sid);
    if (place < 0) continue;
    const q = qwordsOf(contextCache.words.subarray(4 * place, 4 * place + 4));
    found.set(`context ${sid}`, contextEntry(sid, q, contextCache.faults[place]));
  }
  const { store } = pasidCache;
  for (let at = 0; at < store.size; at++) {
    if (!store.occupied(at)) continue;
    const words = pasidCache.words.subarray(8 * at, 8 * at + 8);
    const [sid, pasid] = [store.tagA[at], store.tagB[at]];
    found.set(
      `pasid ${sid} ${pasid}`,
      pasidEntry(sid, pasid, qwordsOf(words.subarray(0, 6)), words[6] !== 0, words[7]),
    );
  }
  const pages = (tagA: number, tagB: number) => join64(tagB & 0x1fff, tagA) << 12n;
  const { tagA, tagB, tagC } = iotlb.store;
  for (let at = 0; at < iotlb.store.size; at++) {
    if (!iotlb.store.occupied(at)) continue;
    const [did, level, base, space] = [
      iotlb.didOf(at),
      iotlb.levelOf(at),
      pages(tagA[at], tagB[at]),
      spaceOf(tagC[at]),
    ];
    const lo = iotlb.frameLo[at];
    const isAbsent = (lo & 0xc0) !== 0;
    const frame = `${join64(iotlb.frameHi[at], lo & ~0xfff)} ${lettersOf('rwxRWX', lo)}`;
    const value = isAbsent ? ((lo & 0x40) !== 0 ? 'absent' : 'malformed') : frame;
    found.set(translationTag(did, level, base, space), translation(did, level, base, space, value, isAbsent));
  }
  for (const [kind, cache] of [
    ['ss', pagingCache],
    ['fs', firstStageCache],
  ] as const) {
    for (let level = 2; level <= 5; level++) {
      const places = placesOf(cache, level);
      for (let at = 0; places !== null && at < places.size; at++) {
        if (!places.occupied(at)) continue;
        const did = (places.tagB[at] >>> 13) & 0xffff;
        const base = pages(places.tagA[at], places.tagB[at]);
        const space = spaceOf(places.tagC[at]);
        const lo = cache.tableLoAt(level, at);
        const allowed =
          kind === 'ss'
            ? lettersOf('rwx', lo)
            : lettersOf('uwx', ((lo >> 2) & 1) | (lo & 2) | ((lo >> 1) & 4));
        const table = join64(cache.tableHiAt(level, at), lo & ~0xfff);
        found.set(
          structureTag(kind, did, level, base, space),
          structure(kind, did, level, base, space, table, allowed),
        );
      }
    }
  }
  return found;
}

/** The store of a level, which only this test looks into. */
const placesOf = (cache: PagingCache, level: number) =>
  (cache as unknown as { readonly stores: readonly (TagStore | null)[] }).stores[level];

const comparable = (cached: Map<string, Entry>) =>
  [...cached].map(([tag, { value }]) => `${tag}: ${value}`).sort();

// ---- The machines.

function unitOfModel(description: UnitDescription): Unit {
  const { cap, ecap, hostAddressWidth } = claimsOf(description);
  const on = (name: string) => ({ ...cap, ...ecap })[name as keyof typeof cap] === 1;
  const names = [
    'CM',
    'SMTS',
    'PT',
    'DT',
    'SC',
    'PRS',
    'PASID',
    'RPS',
    'RPRIVS',
    'SMPWCS',
    'SSADS',
    'EAFS',
    'ERS',
    'MTS',
    'FS1GP',
    'FS5LP',
    'FSTS',
    'SSTS',
    'NEST',
    'ADMS',
  ] as const;
  return {
    haw: BigInt(hostAddressWidth),
    mgaw: BigInt(cap.MGAW + 1),
    domainBits: BigInt(4 + 2 * cap.ND),
    widths: [1n, 2n, 3n].filter((code) => ((cap.SAGAW >> Number(code)) & 1) !== 0),
    sslps: BigInt(cap.SSLPS),
    is: Object.fromEntries(names.map((name) => [name, on(name)])) as Unit['is'],
    pasidBits: ecap.PASID === 1 ? BigInt(ecap.PSS + 1) : 20n,
  };
}

function anyUnit(roll: Dice): UnitDescription {
  const words = [
    `cap.CM=${roll(2)}`,
    `cap.ND=${pick(roll, [6, 2, 0])}`,
    `cap.SSLPS=${pick(roll, [3, 3, 1, 0])}`,
    `cap.FS1GP=${roll(2)}`,
    `dmar.HAW=${pick(roll, [52, 46, 39])}`,
    `cap.ESRTPS=${roll(2)}`,
    ...['SC', 'ERS', 'EAFS', 'SSADS', 'RPRIVS', 'RPS', 'PT', 'SMPWCS', 'NEST', 'ADMS'].map(
      (name) => `ecap.${name}=${rarely(roll) ? 0 : 1}`,
    ),
    ...pick(roll, [[], [], [], [], ['cap.SAGAW=6', 'cap.MGAW=47'], ['cap.SAGAW=14', 'cap.MGAW=38']]),
    ...pick(roll, [[], ['ecap.PSS=13']]),
  ];
  return unitWith('server', words.join(' '));
}

function anyReadings(roll: Dice): Uncertain {
  const flipped = knownReadings
    .filter(() => roll(5) === 0)
    .map((name) => [name, defaultUncertain[name] !== true]);
  return { ...defaultUncertain, faultCompression: 'none', ...Object.fromEntries(flipped) };
}

const roomy: Shape = {
  iotlb: { sets: 1, ways: 512 },
  pasidCache: { sets: 1, ways: 64 },
  contextCacheEntries: 8,
  pagingCache: { 5: 64, 4: 64, 3: 64, 2: 64 },
};

function anyShape(roll: Dice): Shape {
  if (roll(3) === 0) return roomy;
  const few = () => pick(roll, [0, 1, 1, 2, 3]);
  return {
    iotlb: { sets: pick(roll, [1, 2, 4]), ways: pick(roll, [1, 2, 3]) },
    pasidCache: { sets: pick(roll, [1, 2]), ways: pick(roll, [1, 2]) },
    contextCacheEntries: pick(roll, [1, 2, 3]),
    pagingCache: { 5: few(), 4: few(), 3: few(), 2: few() },
  };
}

/** A chip and the model, put into the same state by everything that is done to them. */
class Pair {
  readonly bench: Bench;
  readonly model: ReferenceModel;
  readonly roll: Dice;
  readonly isScalable: boolean;
  readonly readings: Uncertain;
  readonly faults: Record<number, number> = {};
  readonly outcomes: Record<string, number> = {};

  constructor(seed: number) {
    this.roll = dice(seed);
    const { roll } = this;
    this.isScalable = roll(5) > 1;
    const unit = anyUnit(roll);
    this.readings = anyReadings(roll);
    const shape = anyShape(roll);
    this.bench = new Bench({
      unit,
      ram: RAM,
      caches: { ...defaultCaches, ...shape },
      uncertain: this.readings,
    });
    this.model = new ReferenceModel(unitOfModel(unit), BigInt(RAM), this.readings, shape);
    for (const [at, value] of anyTables(roll, this.isScalable)) this.poke(at, value);
    const rtaddr =
      BigInt(ROOT) | (this.isScalable ? 0x400n : roll(30) === 0 ? 0xc00n : roll(30) === 0 ? 0x800n : 0n);
    this.bench.enableQueue(RAM - 0x1000, 0, true);
    this.bench.setRoot(rtaddr);
    this.bench.command(Global.TE);
    this.model.rtaddr = rtaddr;
    this.model.enabled = true;
  }

  step(): void {
    const { roll } = this;
    if (!this.model.enabled && roll(4) === 0) this.toggle();
    const what = roll(60);
    if (what < 42) this.request(anyRequest(roll, this.isScalable));
    else if (what < 50) for (const [at, value] of anyEntry(roll, this.isScalable)) this.poke(at, value);
    else if (what < 59) this.invalidate(anyInvalidation(roll, this.isScalable));
    else if (roll(2) === 0) this.setRoot();
    else this.toggle();
    expect(comparable(cachedIn(this.bench.iommu.translator))).toEqual(comparable(this.model.cached));
  }

  request(request: Request): void {
    const { bench, model } = this;
    const { translator } = bench.iommu;
    const before = namedCounts(translator.counts);
    const access = request.execute ? 'execute' : request.read ? (request.write ? 'atomic' : 'read') : 'write';
    const answer = bench.dma(request.sid, access, request.address, request.pasid ?? -1, request.privileged);
    const expected = model.request(request);
    const { outcome, output, fault } = answer;
    const { fpd, ...result } = expected;
    expect({ outcome, output, fault }, 'the answer').toEqual(result);
    const isRecorded = result.fault !== 0 && !fpd;
    const counted = Object.fromEntries(
      counterNames
        .map((name) => [name, namedCounts(translator.counts)[name] - before[name]])
        .filter(([, count]) => count !== 0),
    );
    expect(counted, 'the counters').toEqual({
      ...model.counts,
      ...(isRecorded ? { faults_recorded: 1 } : {}),
    });
    const records = bench.records().filter(([, hi]) => hi >> 63n === 1n);
    expect(records, 'the fault records').toEqual(isRecorded ? [recordOf(request, result.fault)] : []);
    bench.clearFaults();
    for (const [at, value] of model.memory) {
      const read = bench.peek(at);
      if (read !== value) expect([at, read], 'memory').toEqual([at, value]);
    }
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    if (fault !== 0) this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  invalidate(what: AnyInvalidation): void {
    this.bench.invalidate(what);
    this.model.invalidate(dropsOf(what, this.isScalable && this.model.unit.is.SMTS, this.readings));
  }

  /** The same table again; a unit with ESRTPS then forgets everything. */
  private setRoot(): void {
    this.bench.setRoot(this.model.rtaddr);
    if (capabilities(this.unit).setRootInvalidates) this.model.invalidate(() => true);
  }

  /** Off, which drops everything on a unit with scalable mode; and on again some day. */
  private toggle(): void {
    this.model.enabled = !this.model.enabled;
    this.bench.command(this.model.enabled ? Global.TE : 0, this.model.enabled ? 0 : Global.TE);
    if (!this.model.enabled) this.model.invalidate(() => true);
  }

  private get unit(): UnitDescription {
    const { cap, ecap, version, hostAddressWidth } = this.bench.iommu.capabilities;
    return { name: '', cap, ecap, version, hostAddressWidth };
  }

  private poke(at: number, value: bigint): void {
    this.bench.poke(at, value);
    this.model.memory.set(BigInt(at), value & ((1n << 64n) - 1n));
  }
}

function recordOf(
  { sid, address, read, write, execute, pasid, privileged }: Request,
  fault: number,
): [bigint, bigint] {
  const bit = (is: boolean, at: number) => (is ? 1n << BigInt(at) : 0n);
  const isTagged = pasid !== null;
  const hi =
    bit(true, 63) |
    bit(read, 62) |
    bit(read && write, 28) |
    (BigInt(fault) << 32n) |
    BigInt(sid) |
    bit(isTagged, 31) |
    (BigInt(pasid ?? 0) << 40n) |
    bit(isTagged && execute, 30) |
    bit(isTagged && privileged, 29);
  return [address & ~0xfffn, hi];
}

describe('the chip and a second model of it', () => {
  test('agree on every answer, record, counter, flag and cached entry, for any tables, requests and invalidations', () => {
    const faults: Record<string, number> = {};
    const outcomes: Record<string, number> = {};
    const add = (to: Record<string, number>, from: Record<string, number>) => {
      for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + count;
    };
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 120 }), (seed, steps) => {
        const pair = new Pair(seed);
        for (let i = 0; i < steps; i++) pair.step();
        add(faults, pair.faults);
        add(outcomes, pair.outcomes);
      }),
      { numRuns: Number(process.env.DMASCOPE_MODEL_RUNS ?? 100) },
    );
    if (process.env.DMASCOPE_MODEL_REPORT !== undefined) {
      const named = Object.entries(faults).map(([code, count]) => `0x${Number(code).toString(16)} ${count}`);
      console.log(outcomes, named.join(', '));
    }
    expect(Object.keys(outcomes).sort()).toEqual([
      'blocked',
      'hit',
      'interrupt',
      'passed',
      'untranslated',
      'walked',
    ]);
    // Most reasons of both modes are met in one run.
    expect(Object.keys(faults).length).toBeGreaterThan(25);
    // Longer than others, where many processes share the machine.
  }, 120_000);
});
