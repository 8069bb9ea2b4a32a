/**
 * A second model of the chip, to hold the first one to: written from the chapters of the specification with big
 * integers, plain maps and no regard for speed, and with no code of the first one. It knows one request at a time.
 *
 * Its caches are lists in the order of use. A tag is a text that says whose an entry is.
 */
export type Unit = {
  readonly haw: bigint;
  readonly mgaw: bigint;
  readonly domainBits: bigint;
  /** AW codes. */
  readonly widths: readonly bigint[];
  readonly sslps: bigint;
  readonly is: Readonly<
    Record<
      | 'CM'
      | 'SMTS'
      | 'PT'
      | 'DT'
      | 'SC'
      | 'PRS'
      | 'PASID'
      | 'RPS'
      | 'RPRIVS'
      | 'SMPWCS'
      | 'SSADS'
      | 'EAFS'
      | 'ERS'
      | 'MTS'
      | 'FS1GP'
      | 'FS5LP'
      | 'FSTS'
      | 'SSTS'
      | 'NEST'
      | 'ADMS',
      boolean
    >
  >;
  readonly pasidBits: bigint;
};

export type Readings = {
  readonly contextReservedIsQualified: boolean;
  readonly interruptRangeByPage: boolean;
  readonly interruptRangeReadFaults: boolean;
  readonly nestedInterruptRange: boolean;
  readonly nestedAbsentIsDenied: boolean;
  readonly legacySecondStageFaults: boolean;
  readonly flagsNeedSnoop: boolean;
  readonly flagsNeedCoherence: boolean;
  readonly contextBits65Reserved: boolean;
  readonly contextDomainIsGlobal: boolean;
  readonly iotlbDomainDropsPasids: boolean;
  readonly iotlbPageDropsPasids: boolean;
  readonly cachesNotPresent: boolean;
  readonly absentPasidInEveryDomain: boolean;
  readonly faultCompression: string;
};

/** The switches that the model knows; of others it has the default. */
export const knownReadings: readonly (keyof Readings)[] = [
  'contextReservedIsQualified',
  'interruptRangeByPage',
  'interruptRangeReadFaults',
  'nestedInterruptRange',
  'nestedAbsentIsDenied',
  'legacySecondStageFaults',
  'flagsNeedSnoop',
  'flagsNeedCoherence',
  'contextBits65Reserved',
  'contextDomainIsGlobal',
  'iotlbDomainDropsPasids',
  'iotlbPageDropsPasids',
  'cachesNotPresent',
  'absentPasidInEveryDomain',
];

export type Request = {
  readonly sid: number;
  readonly address: bigint;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly pasid: number | null;
  readonly privileged: boolean;
};

export type Result = {
  readonly outcome: 'untranslated' | 'passed' | 'hit' | 'walked' | 'interrupt' | 'blocked';
  readonly output: bigint | null;
  readonly fault: number;
  readonly fpd: boolean;
};

/** Places of each cache; the IOTLB and the PASID cache have sets. */
export type Shape = {
  readonly iotlb: { readonly sets: number; readonly ways: number };
  readonly pasidCache: { readonly sets: number; readonly ways: number };
  readonly contextCacheEntries: number;
  /** Of both stages, by level. */
  readonly pagingCache: Readonly<Record<2 | 3 | 4 | 5, number>>;
};

/** One cached thing; the value is everything that an answer depends on. */
export type Entry = {
  readonly kind: 'context' | 'pasid' | 'iotlb' | 'ss' | 'fs';
  readonly did: number;
  readonly sid?: number;
  /** Of first-stage and nested entries; null for second stage. */
  readonly pasid?: number | null;
  readonly nested?: boolean;
  readonly absent?: boolean;
  readonly level?: number;
  /** First address and bytes that it covers. */
  readonly base?: bigint;
  readonly value: string;
};

const bits = (value: bigint, high: number, low: number) =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ones = (high: bigint | number, low: bigint | number) =>
  BigInt(high) < BigInt(low) ? 0n : ((1n << (BigInt(high) - BigInt(low) + 1n)) - 1n) << BigInt(low);
const bytesOf = (level: number) => 1n << BigInt(12 + 9 * (level - 1));
const indexOf = (address: bigint, level: number) => (address >> BigInt(12 + 9 * (level - 1))) & 0x1ffn;
const inInterruptRange = (address: bigint) => address >= 0xfee0_0000n && address <= 0xfeef_ffffn;

/** Permissions by letter: r, w, x for users (or second stage), R, W, X for supervisors. */
const letters = (...allowed: [string, boolean][]) =>
  allowed.map(([letter, is]) => (is ? letter : '')).join('');
const both = (a: string, b: string) => [...a].filter((letter) => b.includes(letter)).join('');

class Stop extends Error {
  constructor(readonly fault: number) {
    super();
  }
}

type Space = { readonly pasid: number | null; readonly nested: boolean };
const SECOND: Space = { pasid: null, nested: false };
const spaceName = ({ pasid, nested }: Space) =>
  pasid === null ? 'second stage' : `${nested ? 'nested' : 'first stage'} ${pasid}`;

type PasidEntry = { readonly q: readonly bigint[]; readonly fpd: boolean };
type Leaf = { level: number; frame: bigint; allowed: string; isDirty: boolean; entryAt: bigint };

export class ReferenceModel {
  readonly memory = new Map<bigint, bigint>();
  /** What all caches hold, least recently used first. */
  cached = new Map<string, Entry>();
  counts: Record<string, number> = {};
  rtaddr = 0n;
  enabled = false;
  private fpd = false;

  constructor(
    readonly unit: Unit,
    readonly ram: bigint,
    readonly readings: Readings,
    readonly shape: Shape,
  ) {}

  request(request: Request): Result {
    this.counts = {};
    this.fpd = false;
    let result: Result;
    try {
      result = this.decide(request);
    } catch (stop) {
      if (!(stop instanceof Stop)) throw stop;
      this.count('faults');
      const unqualified = [
        1,
        8,
        9,
        0xa,
        0x30,
        0x31,
        0x38,
        0x39,
        0x3a,
        0x40,
        0x50,
        0x58,
        ...(this.readings.contextReservedIsQualified ? [] : [0xb]),
      ];
      const hidden = this.fpd && !unqualified.includes(stop.fault);
      result = { outcome: 'blocked', output: null, fault: stop.fault, fpd: hidden };
    }
    return result;
  }

  private decide(request: Request): Result {
    const { address, pasid, write, read, execute } = request;
    const done = (outcome: Result['outcome'], output: bigint | null): Result => ({
      outcome,
      output,
      fault: 0,
      fpd: false,
    });
    const mode = bits(this.rtaddr, 11, 10);
    if (pasid === null && inInterruptRange(address)) {
      if (write && !read && !execute) {
        this.count('interrupt_requests');
        return done('interrupt', null);
      }
      if (!this.enabled || !this.readings.interruptRangeReadFaults) return done('blocked', null);
      this.count('iommu_requests');
      throw new Stop(mode === 1n && this.unit.is.SMTS ? 0x86 : 6);
    }
    if (!this.enabled) return done('untranslated', address);
    this.count('iommu_requests');
    if (mode === 3n && this.unit.is.ADMS) {
      this.count('faults');
      return done('blocked', null);
    }
    if (mode === 1n && this.unit.is.SMTS) return this.scalable(request);
    if (mode !== 0n) throw new Stop(0x30);
    if (pasid !== null) throw new Stop(0x31);
    return this.legacy(request);
  }

  // Legacy mode, chapter 3.4 and 9.

  private legacy(request: Request): Result {
    const { haw, mgaw, widths, is } = this.unit;
    const [low, high] = this.cachedContext(
      request.sid,
      () => {
        const rootAt = (this.rtaddr & ~0xfffn) + 16n * BigInt(request.sid >> 8);
        const root = this.structure(rootAt, 2, 8);
        if (bits(root[0], 0, 0) === 0n) throw new Stop(1);
        if ((root[0] & (ones(11, 1) | ones(63, haw))) !== 0n || root[1] !== 0n) throw new Stop(0xa);
        const at = (root[0] & ones(haw - 1n, 12)) + 16n * BigInt(request.sid & 0xff);
        return this.structure(at, 2, 9);
      },
      ([low, high]) => {
        if (bits(low, 0, 0) === 0n) return 2;
        const reserved =
          (low & (ones(11, 4) | ones(63, haw))) | (high & (ones(7, 7) | ones(63, 8n + this.unit.domainBits)));
        if (reserved !== 0n) return 0xb;
        const type = bits(low, 3, 2);
        const aw = bits(high, 2, 0);
        if (type === 3n || (type === 1n && !is.DT) || (type === 2n && !is.PT)) return 3;
        const largest = widths[widths.length - 1];
        if (type === 2n ? aw !== largest : !widths.includes(aw)) return 3;
        return 0;
      },
    );
    const type = bits(low, 3, 2);
    const aw = bits(high, 2, 0);
    const agaw = 30n + 9n * aw;
    const width = mgaw < agaw ? mgaw : agaw;
    const limit = type === 2n && haw < width ? haw : width;
    if (request.address >> limit !== 0n) throw new Stop(4);
    if (type === 2n) return { outcome: 'passed', output: request.address, fault: 0, fpd: false };
    const did = Number(bits(high, 23, 8));
    const needed = letters(['r', request.read], ['w', request.write]);
    const hit = this.cachedTranslation(did, request.address, SECOND, needed, 0xe);
    if (hit !== null) return hit;
    this.count('page_walks');
    const root = low & ~0xfffn;
    const leaf = this.secondStage(
      did,
      request.address,
      needed,
      Number(aw) + 2,
      root,
      'rw',
      null,
      this.legacyCodes,
    );
    return this.finish(did, request.address, leaf.level, leaf.frame, leaf.allowed, SECOND, 0xe);
  }

  // Scalable mode, chapters 3.4 to 3.8.

  private scalable(request: Request): Result {
    const { haw, is } = this.unit;
    const [c0, c1] = this.cachedContext(
      request.sid,
      () => {
        const upper = (request.sid >> 7) & 1;
        const rootAt = (this.rtaddr & ~0xfffn) + 16n * BigInt(request.sid >> 8) + 8n * BigInt(upper);
        const [root] = this.structure(rootAt, 1, 0x38);
        if (bits(root, 0, 0) === 0n) throw new Stop(0x39);
        if ((root & (ones(11, 1) | ones(63, haw))) !== 0n) throw new Stop(0x3a);
        return this.structure((root & ones(haw - 1n, 12)) + 32n * BigInt(request.sid & 0x7f), 4, 0x40);
      },
      (q) => {
        if (bits(q[0], 0, 0) === 0n) return 0x41;
        let reserved = q[0] & (ones(8, 7) | ones(63, haw));
        if (this.readings.contextBits65Reserved) reserved |= q[0] & ones(6, 5);
        if (!is.DT) reserved |= q[0] & ones(2, 2);
        if (!is.PASID) reserved |= q[0] & ones(3, 3);
        if (!is.PRS) reserved |= q[0] & ones(4, 4);
        reserved |= (q[1] & (is.RPRIVS ? ones(63, 21) : ones(63, 20))) | q[2] | q[3];
        if (reserved !== 0n) return 0x42;
        const size = bits(q[0], 11, 9) + 13n;
        return size > 13n && size > this.unit.pasidBits ? 0x43 : 0;
      },
    );
    const size = bits(c0, 11, 9) + 13n;
    const pasid = request.pasid ?? Number(is.RPS ? bits(c1, 19, 0) : 0n);
    const isBeyond = BigInt(pasid) >> size !== 0n;
    if (request.pasid === null) {
      if (isBeyond) throw new Stop(0x48);
    } else if (bits(c0, 3, 3) === 0n) throw new Stop(0x45);
    else if (isBeyond) throw new Stop(0x46);

    const isSupervisor = request.pasid === null ? bits(c1, 20, 20) === 1n : request.privileged;
    const { q, fpd } = this.cachedPasid(request.sid, pasid, c0 & ~0xfffn);
    this.fpd ||= fpd;
    if (request.execute && bits(q[2], 1, 1) === 0n) throw new Stop(0x5c);
    if (isSupervisor && bits(q[2], 0, 0) === 0n) throw new Stop(0x5d);
    const did = Number(bits(q[1], 15, 0));
    const type = bits(q[0], 8, 6);
    const { address } = request;
    if (type === 4n) {
      if (address >> haw !== 0n) throw new Stop(0x83);
      if (inInterruptRange(address)) throw new Stop(0x87);
      return { outcome: 'passed', output: address, fault: 0, fpd: false };
    }
    const executes = bits(q[0], 5, 5) === 1n && is.ERS;
    const honoured = executes ? 'rwx' : 'rw';
    const asked = letters(['r', request.read], ['w', request.write], ['x', request.execute]);
    const codes = this.scalableCodes;
    if (type === 2n) {
      if (this.isBeyondSecondStage(q, address)) throw new Stop(codes.beyond);
      const needed = both(asked, honoured);
      const hit = this.cachedTranslation(did, address, SECOND, needed, 0x87);
      if (hit !== null) return hit;
      this.count('page_walks');
      const leaf = this.secondStageOf(q, did, address, needed, honoured);
      const allowed = leaf.isDirty ? leaf.allowed : leaf.allowed.replace('w', '');
      return this.finish(did, address, leaf.level, leaf.frame, allowed, SECOND, 0x87);
    }
    const signAt = bits(q[2], 3, 2) === 1n ? 56 : 47;
    const sign = address >> BigInt(signAt);
    if (sign !== 0n && sign !== ones(63 - signAt, 0)) throw new Stop(0x80);
    const space = { pasid, nested: type === 3n };
    const needed = isSupervisor ? asked.toUpperCase() : asked;
    // Upper bits repeat the sign.
    const tag = address & ones(56, 0);
    const hit = this.cachedTranslation(did, tag, space, needed, 0x87);
    if (hit !== null) return hit;
    this.count('page_walks');
    return this.firstStage(q, did, address, asked, isSupervisor, space);
  }

  private cachedPasid(sid: number, pasid: number, directory: bigint): PasidEntry {
    const { haw } = this.unit;
    const tag = `pasid ${sid} ${pasid}`;
    this.count('pasid_cache_lookup');
    const held = this.use(tag);
    if (held !== undefined) {
      this.count('pasid_cache_hit');
      const { q, fpd, fault } = JSON.parse(held.value) as { q: string[]; fpd: boolean; fault: number };
      this.fpd ||= fpd;
      if (fault !== 0) throw new Stop(fault);
      return { q: q.map(BigInt), fpd };
    }
    const keepEntry = (q: readonly bigint[], fpd: boolean, fault: number) => {
      if (fault !== 0 && !this.keepsAbsent) return;
      this.keep(tag, pasidEntry(sid, pasid, q, fpd, fault));
    };
    const [entry] = this.structure(directory + 8n * BigInt(pasid >> 6), 1, 0x50);
    const directoryFpd = bits(entry, 1, 1) === 1n;
    this.fpd ||= directoryFpd;
    let fault = 0;
    if (bits(entry, 0, 0) === 0n) fault = 0x51;
    else if ((entry & (ones(11, 2) | ones(63, haw))) !== 0n) fault = 0x52;
    if (fault !== 0) {
      keepEntry([0n, 0n, 0n], directoryFpd, fault);
      throw new Stop(fault);
    }
    const q = this.structure((entry & ones(haw - 1n, 12)) + 64n * BigInt(pasid & 63), 8, 0x58);
    const fpd = directoryFpd || bits(q[0], 1, 1) === 1n;
    this.fpd ||= fpd;
    fault = this.pasidFault(q);
    keepEntry(q.slice(0, 3), fpd, fault);
    if (fault !== 0) throw new Stop(fault);
    return { q, fpd };
  }

  private pasidFault(q: readonly bigint[]): number {
    const { haw, is, widths } = this.unit;
    if (bits(q[0], 0, 0) === 0n) return 0x59;
    let reserved = (q[0] & (ones(11, 10) | ones(63, haw))) | (q[1] & ones(22, 16)) | (q[2] & ones(11, 8));
    if (!is.SSADS) reserved |= q[0] & ones(9, 9);
    reserved |= q[1] & ones(15, this.unit.domainBits);
    if (!is.SMPWCS) reserved |= q[1] & ones(23, 23);
    if (!is.SC) reserved |= q[1] & ones(24, 24);
    if (!is.MTS) reserved |= q[1] & ones(26, 26);
    if (!is.EAFS) reserved |= q[2] & ones(7, 7);
    if ((reserved | q[3] | q[4] | q[5] | q[6] | q[7]) !== 0n) return 0x5a;
    const mode = bits(q[2], 3, 2);
    const hasMode = mode === 0n || (mode === 1n && is.FS5LP);
    const hasWidth = widths.includes(bits(q[0], 4, 2));
    switch (bits(q[0], 8, 6)) {
      case 1n:
        return is.FSTS && hasMode ? 0 : 0x5b;
      case 2n:
        return is.SSTS && hasWidth ? 0 : 0x5b;
      case 3n:
        return is.NEST && hasMode && hasWidth ? 0 : 0x5b;
      case 4n:
        return is.PT ? 0 : 0x5b;
    }
    return 0x5b;
  }

  private isBeyondSecondStage(q: readonly bigint[], address: bigint): boolean {
    const agaw = 30n + 9n * bits(q[0], 4, 2);
    return address >> (this.unit.mgaw < agaw ? this.unit.mgaw : agaw) !== 0n;
  }

  private maySetFlags(q: readonly bigint[]): boolean {
    return this.readings.flagsNeedSnoop ? bits(q[1], 23, 23) === 1n : this.unit.is.SMPWCS;
  }

  private secondStageOf(
    q: readonly bigint[],
    did: number,
    address: bigint,
    needed: string,
    honoured: string,
  ): Leaf {
    const flags = bits(q[0], 9, 9) === 0n ? null : this.maySetFlags(q);
    const top = Number(bits(q[0], 4, 2)) + 2;
    return this.secondStage(did, address, needed, top, q[0] & ~0xfffn, honoured, flags, this.scalableCodes);
  }

  // Second stage, chapters 3.7 and 9.8.

  private readonly legacyCodes = {
    beyond: 4,
    root: 3,
    error: 7,
    absent: 0,
    write: 5,
    read: 6,
    execute: 0x82,
    reserved: 0xc,
    flags: 0x7c,
  };
  private get scalableCodes() {
    if (this.readings.legacySecondStageFaults) return this.legacyCodes;
    return {
      beyond: 0x84,
      root: 0x7b,
      error: 0x78,
      absent: 0x79,
      write: 0x85,
      read: 0x86,
      execute: 0x82,
      reserved: 0x7a,
      flags: 0x7c,
    };
  }

  /** @param flags null: the tables have no flags; otherwise whether they may be set */
  private secondStage(
    did: number,
    address: bigint,
    needed: string,
    top: number,
    root: bigint,
    honoured: string,
    flags: boolean | null,
    codes: typeof this.legacyCodes,
  ): Leaf {
    const denied = (missing: string) =>
      missing.includes('w') ? codes.write : missing.includes('r') ? codes.read : codes.execute;
    const absent = codes.absent !== 0 ? codes.absent : denied(needed);
    if (this.keepsAbsent) {
      const held = this.heldTranslation(did, address, SECOND);
      if (held?.absent === true) {
        this.use(translationTag(did, held.level ?? 1, address, SECOND));
        throw new Stop(held.value === 'malformed' ? codes.reserved : absent);
      }
    }
    this.count('ss_nonleaf_lookup');
    let [table, level, path] = [root, top, honoured];
    for (let cached = 2; cached <= top; cached++) {
      const held = this.use(structureTag('ss', did, cached, address, SECOND));
      if (held === undefined) continue;
      const [at, allowed] = held.value.split(' ');
      if (both(needed, allowed ?? '') !== needed) continue;
      [table, level, path] = [BigInt(at), cached - 1, both(allowed ?? '', honoured)];
      this.count('ss_nonleaf_hit');
      break;
    }
    for (; ; level--) {
      const at = table + 8n * indexOf(address, level);
      const entry = this.read(at);
      if (entry === null) throw new Stop(level === top ? codes.root : codes.error);
      const isLeaf = level === 1 || (level <= 3 && bits(entry, 7, 7) === 1n);
      const allows = letters(
        ['r', bits(entry, 0, 0) === 1n],
        ['w', bits(entry, 1, 1) === 1n],
        ['x', bits(entry, 2, 2) === 1n],
      );
      const keepAs = (value: 'absent' | 'malformed') => {
        if (!this.keepsAbsent) return;
        const kept = Math.min(level, 3);
        this.keep(
          translationTag(did, kept, address, SECOND),
          translation(did, kept, address, SECOND, value, true),
        );
      };
      if (both(needed, allows) !== needed) {
        if (both(honoured, allows) !== '')
          throw new Stop(denied([...needed].filter((letter) => !allows.includes(letter)).join('')));
        keepAs('absent');
        throw new Stop(absent);
      }
      if ((entry & this.secondStageReserved(level, isLeaf)) !== 0n) {
        keepAs('malformed');
        throw new Stop(codes.reserved);
      }
      let flagged = entry;
      if (flags !== null) {
        flagged |= 0x100n;
        if (isLeaf && needed.includes('w')) flagged |= 0x200n;
        if (flagged !== entry && !flags) throw new Stop(codes.flags);
        if (flagged !== entry) this.memory.set(at, flagged);
      }
      path = both(path, allows);
      const next = entry & ones(51, 12);
      if (isLeaf) {
        return {
          level,
          frame: next & ~(bytesOf(level) - 1n),
          allowed: path,
          isDirty: flags === null || bits(flagged, 9, 9) === 1n,
          entryAt: at,
        };
      }
      const tag = structureTag('ss', did, level, address, SECOND);
      this.keep(tag, structure('ss', did, level, address, SECOND, next, path));
      table = next;
    }
  }

  private secondStageReserved(level: number, isLeaf: boolean): bigint {
    const { haw, sslps, is } = this.unit;
    let reserved = ones(51, haw);
    if (!isLeaf) reserved |= ones(11, 11);
    else if (!is.SC) reserved |= ones(11, 11);
    if (level >= 4) reserved |= ones(7, 7);
    if (isLeaf && level === 2) reserved |= ones(20, 12) | ((sslps & 1n) === 0n ? ones(7, 7) : 0n);
    if (isLeaf && level === 3) reserved |= ones(29, 12) | ((sslps & 2n) === 0n ? ones(7, 7) : 0n);
    return reserved;
  }

  // First stage, alone or nested, chapters 3.6, 3.8 and 9.7.

  private firstStage(
    q: readonly bigint[],
    did: number,
    address: bigint,
    asked: string,
    isSupervisor: boolean,
    space: Space,
  ): Result {
    const { is } = this.unit;
    const [wpe, nxe, smep, eafe] = [4, 5, 6, 7].map((at) => bits(q[2], at, at) === 1n);
    const executes = bits(q[0], 5, 5) === 1n && is.ERS;
    const honoured = executes ? 'rwx' : 'rw';
    const tagged = address & ones(56, 0);
    const top = bits(q[2], 3, 2) === 1n ? 5 : 4;
    /** u user, w writable, x executable. */
    const refusal = (allows: string): number => {
      if (!isSupervisor && !allows.includes('u')) return 0x81;
      if (asked.includes('w') && !allows.includes('w') && (!isSupervisor || wpe)) return 0x85;
      return asked.includes('x') && !allows.includes('x') ? 0x82 : 0;
    };
    this.count('fs_nonleaf_lookup');
    let [table, level, path] = [q[2] & ~0xfffn, top, 'uwx'];
    for (let cached = 2; cached <= top; cached++) {
      const held = this.use(structureTag('fs', did, cached, tagged, space));
      if (held === undefined) continue;
      const [at, allowed = ''] = held.value.split(' ');
      if (refusal(allowed) !== 0) continue;
      [table, level, path] = [BigInt(at), cached - 1, allowed];
      this.count('fs_nonleaf_hit');
      break;
    }
    for (; ; level--) {
      let at = table + 8n * indexOf(address, level);
      let under: Leaf | null = null;
      if (space.nested) {
        if (this.isBeyondSecondStage(q, table)) throw new Stop(0x74);
        under = this.denying(level === top ? 0x75 : 0x76, () =>
          this.secondStageOf(q, did, at, 'r', honoured),
        );
        at = under.frame | (at & (bytesOf(under.level) - 1n));
      }
      const entry = this.read(at);
      if (entry === null) throw new Stop(level === top ? 0x73 : 0x70);
      if (bits(entry, 0, 0) === 0n) throw new Stop(0x71);
      const isLeaf = level === 1 || (level <= 3 && bits(entry, 7, 7) === 1n);
      const isExecutable = !(nxe && bits(entry, 63, 63) === 1n);
      const allows = letters(
        ['u', bits(entry, 2, 2) === 1n],
        ['w', bits(entry, 1, 1) === 1n],
        ['x', isExecutable],
      );
      path = both(path, allows);
      const refused = refusal(allows);
      if (refused !== 0) throw new Stop(refused);
      if (isLeaf && isSupervisor && smep && asked.includes('x') && path.includes('u')) throw new Stop(0x82);
      if ((entry & this.firstStageReserved(level, isLeaf, nxe)) !== 0n) throw new Stop(0x72);
      let flagged = entry | 0x20n | (eafe ? 0x400n : 0n);
      if (isLeaf && asked.includes('w')) flagged |= 0x40n;
      if (flagged !== entry) {
        if (this.readings.flagsNeedCoherence && !this.maySetFlags(q)) throw new Stop(0x90);
        if (under !== null && !under.allowed.includes('w')) throw new Stop(0x77);
        this.memory.set(at, flagged);
        if (under !== null && !under.isDirty)
          this.memory.set(under.entryAt, (this.memory.get(under.entryAt) ?? 0n) | 0x200n);
      }
      const next = entry & ones(51, 12);
      if (isLeaf) {
        const w = path.includes('w');
        const x = path.includes('x');
        const u = path.includes('u');
        const isDirty = bits(flagged, 6, 6) === 1n;
        let allowed = letters(
          ['r', u],
          ['w', u && w && isDirty],
          ['x', u && x],
          ['R', true],
          ['W', (w || !wpe) && isDirty],
          ['X', x && !(smep && u)],
        );
        const page = next & ~(bytesOf(level) - 1n);
        if (!space.nested) return this.finish(did, tagged, level, page, allowed, space, 0x87);
        const guest = page | (address & (bytesOf(level) - 1n));
        if (this.readings.nestedInterruptRange && inInterruptRange(guest)) throw new Stop(0x87);
        if (this.isBeyondSecondStage(q, page)) throw new Stop(this.scalableCodes.beyond);
        const leaf = this.secondStageOf(q, did, guest, both(asked, honoured), honoured);
        let granted = leaf.allowed + (executes ? '' : 'x');
        if (!leaf.isDirty) granted = granted.replace('w', '');
        allowed = both(allowed, granted + granted.toUpperCase());
        const frame = leaf.frame | (guest & (bytesOf(leaf.level) - 1n));
        return this.finish(did, tagged, Math.min(level, leaf.level), frame & ~0xfffn, allowed, space, 0x87);
      }
      this.keep(
        structureTag('fs', did, level, tagged, space),
        structure('fs', did, level, tagged, space, next, path),
      );
      table = next;
    }
  }

  private denying<T>(code: number, walk: () => T): T {
    try {
      return walk();
    } catch (stop) {
      if (!(stop instanceof Stop)) throw stop;
      const { read, absent } = this.scalableCodes;
      const isDenied = stop.fault === read || (stop.fault === absent && this.readings.nestedAbsentIsDenied);
      throw isDenied ? new Stop(code) : stop;
    }
  }

  private firstStageReserved(level: number, isLeaf: boolean, nxe: boolean): bigint {
    let reserved = ones(51, this.unit.haw) | (nxe ? 0n : ones(63, 63));
    if (level >= 4) reserved |= ones(7, 7);
    if (isLeaf && level === 2) reserved |= ones(20, 13);
    if (isLeaf && level === 3) reserved |= ones(29, 13) | (this.unit.is.FS1GP ? 0n : ones(7, 7));
    return reserved;
  }

  // Caches, chapter 6.

  private get keepsAbsent(): boolean {
    return this.unit.is.CM && this.readings.cachesNotPresent;
  }

  private cachedContext(
    sid: number,
    fetch: () => bigint[],
    faultOf: (q: readonly bigint[]) => number,
  ): readonly bigint[] {
    const tag = `context ${sid}`;
    this.count('ctxt_cache_lookup');
    const held = this.use(tag);
    if (held !== undefined) {
      this.count('ctxt_cache_hit');
      const { q, fault } = JSON.parse(held.value) as { q: string[]; fault: number };
      this.fpd = bits(BigInt(q[0]), 1, 1) === 1n;
      if (fault !== 0) throw new Stop(fault);
      return q.map(BigInt);
    }
    const q = fetch();
    this.fpd = bits(q[0], 1, 1) === 1n;
    const fault = faultOf(q);
    if (fault === 0 || this.keepsAbsent) this.keep(tag, contextEntry(sid, q.slice(0, 2), fault));
    if (fault !== 0) throw new Stop(fault);
    return q;
  }

  private heldTranslation(did: number, address: bigint, space: Space): Entry | null {
    for (const level of [1, 2, 3]) {
      const held = this.cached.get(translationTag(did, level, address, space));
      if (held !== undefined) return held;
    }
    return null;
  }

  private cachedTranslation(
    did: number,
    address: bigint,
    space: Space,
    needed: string,
    range: number,
  ): Result | null {
    this.count('iotlb_lookup');
    const held = this.heldTranslation(did, address, space);
    if (held === null || held.absent === true) return null;
    const [frame, allowed = ''] = held.value.split(' ');
    if (both(needed, allowed) !== needed) return null;
    this.count('iotlb_hit');
    this.use(translationTag(did, held.level ?? 1, address, space));
    const output = BigInt(frame) | (address & (bytesOf(held.level ?? 1) - 1n));
    if (inInterruptRange(output)) throw new Stop(range);
    return { outcome: 'hit', output, fault: 0, fpd: false };
  }

  private finish(
    did: number,
    address: bigint,
    level: number,
    frame: bigint,
    allowed: string,
    space: Space,
    range: number,
  ): Result {
    const bytes = bytesOf(level);
    const base = frame & ~(bytes - 1n);
    const output = base | (address & (bytes - 1n));
    const overlaps = base <= 0xfeef_ffffn && base + bytes > 0xfee0_0000n;
    if (this.readings.interruptRangeByPage ? overlaps : inInterruptRange(output)) throw new Stop(range);
    const value = `${base} ${allowed}`;
    this.keep(
      translationTag(did, level, address, space),
      translation(did, level, address, space, value, false),
    );
    return { outcome: 'walked', output, fault: 0, fpd: false };
  }

  /** An invalidation. */
  invalidate(drops: (entry: Entry) => boolean): void {
    this.cached = new Map([...this.cached].filter(([, entry]) => !drops(entry)));
  }

  /** Look for an entry; finding it is a use of it. */
  private use(tag: string): Entry | undefined {
    const entry = this.cached.get(tag);
    if (entry === undefined) return undefined;
    this.cached.delete(tag);
    this.cached.set(tag, entry);
    return entry;
  }

  /** Keep an entry in its set, in place of the least recently used one there if that is full. */
  private keep(tag: string, entry: Entry): void {
    this.cached.delete(tag);
    const places = this.placesOf(entry);
    if (places === 0) return;
    const rivals = [...this.cached].filter(([, other]) => this.setOf(other) === this.setOf(entry));
    if (rivals.length >= places) this.cached.delete(rivals[0][0]);
    this.cached.set(tag, entry);
  }

  private placesOf({ kind, level = 2 }: Entry): number {
    const { iotlb, pasidCache, contextCacheEntries, pagingCache } = this.shape;
    if (kind === 'context') return contextCacheEntries;
    if (kind === 'pasid') return pasidCache.ways;
    return kind === 'iotlb' ? iotlb.ways : pagingCache[level as keyof Shape['pagingCache']];
  }

  private setOf({ kind, sid = 0, pasid, level = 1, base = 0n }: Entry): string {
    const { iotlb, pasidCache } = this.shape;
    if (kind === 'context') return kind;
    if (kind === 'pasid') return `${kind} ${(sid ^ (pasid ?? 0)) % pasidCache.sets}`;
    if (kind === 'iotlb') return `${kind} ${(base / bytesOf(level)) % BigInt(iotlb.sets)}`;
    return `${kind} ${level}`;
  }

  private structure(at: bigint, count: number, fault: number): bigint[] {
    const first = this.read(at);
    if (first === null) throw new Stop(fault);
    return Array.from({ length: count }, (_, i) => this.memory.get(at + 8n * BigInt(i)) ?? 0n);
  }

  /** One read of an entry; null outside memory. */
  private read(at: bigint): bigint | null {
    this.count('iommu_mrds');
    return at + 8n <= this.ram ? (this.memory.get(at) ?? 0n) : null;
  }

  private count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

export const contextEntry = (sid: number, q: readonly bigint[], fault: number): Entry => ({
  kind: 'context',
  sid,
  // Domain 0 is kept for what is not present; scalable entries have no domain.
  did: fault === 0 ? Number(bits(q[1], 23, 8)) : 0,
  absent: fault !== 0,
  value: JSON.stringify({ q: q.map(String), fault }),
});

export const pasidEntry = (
  sid: number,
  pasid: number,
  q: readonly bigint[],
  fpd: boolean,
  fault: number,
): Entry => ({
  kind: 'pasid',
  sid,
  pasid,
  did: fault === 0 ? Number(bits(q[1], 15, 0)) : 0,
  absent: fault !== 0,
  value: JSON.stringify({ q: q.map(String), fpd, fault }),
});

export const translationTag = (did: number, level: number, address: bigint, space: Space) =>
  `iotlb ${did} ${spaceName(space)} ${level} ${address & ~(bytesOf(level) - 1n)}`;

export const translation = (
  did: number,
  level: number,
  address: bigint,
  space: Space,
  value: string,
  absent: boolean,
): Entry => ({
  kind: 'iotlb',
  did,
  ...space,
  level,
  base: address & ~(bytesOf(level) - 1n),
  absent,
  value,
});

/** An entry read at a level covers what a leaf of that level would. */
export const structureTag = (kind: 'ss' | 'fs', did: number, level: number, address: bigint, space: Space) =>
  `${kind} ${did} ${spaceName(space)} ${level} ${address & ~(bytesOf(level) - 1n)}`;

export const structure = (
  kind: 'ss' | 'fs',
  did: number,
  level: number,
  address: bigint,
  space: Space,
  table: bigint,
  allowed: string,
): Entry => ({
  kind,
  did,
  ...space,
  level,
  base: address & ~(bytesOf(level) - 1n),
  value: `${table} ${allowed}`,
});

/** Whether an entry covers an address of 2^mask pages around one. */
export const covers = ({ base = 0n, level = 1 }: Entry, address: bigint, mask: number): boolean => {
  const span = 4096n << BigInt(mask);
  const first = (address / span) * span;
  return base < first + span && base + bytesOf(level) > first;
};
