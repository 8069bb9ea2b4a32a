/**
 * The register map of a remapping unit and the format of each register.
 * VT-d specification, chapter 11 (chapter 10 up to revision 3.3).
 */
import { address, bit, bits, ignored, input, type Layout, layout } from '../formats/layout.ts';

const SOURCE = 'VT-d chapter 11.4';

/** Byte offsets in the unit's MMIO window. IVA and IOTLB lie at ECAP.IRO, the fault records at CAP.FRO. */
export const Offset = {
  VER: 0x000,
  CAP: 0x008,
  ECAP: 0x010,
  GCMD: 0x018,
  GSTS: 0x01c,
  RTADDR: 0x020,
  CCMD: 0x028,
  FSTS: 0x034,
  FECTL: 0x038,
  FEDATA: 0x03c,
  FEADDR: 0x040,
  FEUADDR: 0x044,
  PMEN: 0x064,
  PLMBASE: 0x068,
  PLMLIMIT: 0x06c,
  PHMBASE: 0x070,
  PHMLIMIT: 0x078,
  IQH: 0x080,
  IQT: 0x088,
  IQA: 0x090,
  ICS: 0x09c,
  IECTL: 0x0a0,
  IEDATA: 0x0a4,
  IEADDR: 0x0a8,
  IEUADDR: 0x0ac,
  IQERCD: 0x0b0,
  IRTA: 0x0b8,
  PQH: 0x0c0,
  PQT: 0x0c8,
  PQA: 0x0d0,
  PRS: 0x0dc,
  PECTL: 0x0e0,
  PEDATA: 0x0e4,
  PEADDR: 0x0e8,
  PEUADDR: 0x0ec,
} as const;

const yes = (what: string, no = `no ${what}`) => ({ values: { 0: no, 1: what } });

export const capability = layout('CAP_REG', 64, SOURCE, {
  ND: bits(2, 0, 'domain-id width is 4 + 2 ND bits'),
  AFL: bit(3, 'advanced fault logging'),
  RWBF: bit(4, 'write buffers must be flushed'),
  PLMR: bit(5, 'protected low-memory region'),
  PHMR: bit(6, 'protected high-memory region'),
  CM: bit(7, 'caching mode', yes('not-present entries may be cached')),
  SAGAW: bits(12, 8, 'second-stage widths supported: bit 1 39, bit 2 48, bit 3 57 bits'),
  MGAW: bits(21, 16, 'maximum guest address width minus 1'),
  ZLR: bit(22, 'zero-length reads of write-only pages'),
  FRO: bits(33, 24, 'fault records at 16 times this offset'),
  SSLPS: bits(37, 34, 'second-stage large pages: bit 0 2 MiB, bit 1 1 GiB'),
  PSI: bit(39, 'page-selective invalidation'),
  NFR: bits(47, 40, 'fault recording registers minus 1'),
  MAMV: bits(53, 48, 'maximum address mask of an invalidation'),
  DWD: bit(54, 'write draining'),
  DRD: bit(55, 'read draining'),
  FS1GP: bit(56, '1 GiB pages in first stage'),
  PI: bit(59, 'posted interrupts'),
  FS5LP: bit(60, '5-level first-stage paging'),
  ECMDS: bit(61, 'enhanced commands'),
  ESIRTPS: bit(62, 'SIRTP invalidates the interrupt-entry cache'),
  ESRTPS: bit(63, 'SRTP invalidates all translation caches'),
});

export const extendedCapability = layout('ECAP_REG', 64, SOURCE, {
  C: bit(0, 'page walks snoop the CPU caches'),
  QI: bit(1, 'queued invalidation'),
  DT: bit(2, 'device TLBs'),
  IR: bit(3, 'interrupt remapping'),
  EIM: bit(4, 'x2APIC interrupt mode'),
  PT: bit(6, 'pass-through', yes('TT = 10b and PGTT = 100b are supported', 'no pass-through')),
  SC: bit(7, 'snoop control'),
  IRO: bits(17, 8, 'IVA and IOTLB registers at 16 times this offset'),
  MHMV: bits(23, 20, 'maximum handle mask'),
  MTS: bit(25, 'memory types'),
  NEST: bit(26, 'nested translation'),
  PRS: bit(29, 'page requests'),
  ERS: bit(30, 'execute requests'),
  SRS: bit(31, 'supervisor requests'),
  NWFS: bit(33, 'no-write flag'),
  EAFS: bit(34, 'extended accessed flag'),
  PSS: bits(39, 35, 'PASID width minus 1'),
  PASID: bit(40, 'requests with PASID'),
  DIT: bit(41, 'device-TLB invalidation throttle'),
  PDS: bit(42, 'page-request drain'),
  SMTS: bit(43, 'scalable mode'),
  VCS: bit(44, 'virtual command register'),
  SSADS: bit(45, 'second-stage accessed and dirty flags'),
  SSTS: bit(46, 'second stage in scalable mode'),
  FSTS: bit(47, 'first stage in scalable mode'),
  SMPWCS: bit(48, 'coherent walks in scalable mode'),
  RPS: bit(49, 'RID_PASID'),
  TDXIO: bit(50, 'TEE-IO'),
  PMS: bit(51, 'performance monitoring'),
  ADMS: bit(52, 'abort-DMA mode'),
  RPRIVS: bit(53, 'RID_PRIV'),
  SMS: bit(58, 'stop marker'),
});

/**
 * GCMD_REG and GSTS_REG share their bits: writing GCMD asks for a state, GSTS says what it is.
 * SRTP, SFL, WBF and SIRTP are one-shot commands, the others persist.
 */
export const globalStatus = layout('GSTS_REG', 32, SOURCE, {
  TES: bit(31, 'DMA remapping', yes('enabled', 'off')),
  RTPS: bit(30, 'root-table pointer', yes('set', 'not set')),
  FLS: bit(29, 'fault-log pointer'),
  AFLS: bit(28, 'advanced fault logging'),
  WBFS: bit(27, 'write-buffer flush pending'),
  QIES: bit(26, 'queued invalidation', yes('enabled', 'off')),
  IRES: bit(25, 'interrupt remapping', yes('enabled', 'off')),
  IRTPS: bit(24, 'interrupt-remapping table pointer', yes('set', 'not set')),
  CFIS: bit(23, 'compatibility-format interrupts', yes('pass', 'blocked')),
});

const at = (name: keyof typeof globalStatus.fields) =>
  globalStatus.fields[name].mask << globalStatus.fields[name].shift;

/** Single bits of GCMD and GSTS, as signed 32-bit masks. */
export const Global = {
  TE: at('TES'),
  SRTP: at('RTPS'),
  WBF: at('WBFS'),
  QIE: at('QIES'),
  IRE: at('IRES'),
  SIRTP: at('IRTPS'),
  CFI: at('CFIS'),
} as const;

/** A copy of GSTS with the one-shot bits taken out, from which software makes its next GCMD write. */
export const ONE_SHOT_MASK = 0x96ff_ffff | 0;

export const rootTableAddress = layout('RTADDR_REG', 64, SOURCE, {
  RTA: address(63, 12, 'root table'),
  TTM: bits(11, 10, 'translation table mode', {
    values: { 0: 'legacy', 1: 'scalable', 2: 'reserved', 3: 'abort DMA' },
  }),
  low: ignored(9, 0),
});

export const contextCommand = layout('CCMD_REG', 64, SOURCE, {
  DID: bits(15, 0, 'domain id'),
  SID: bits(31, 16, 'source id'),
  FM: bits(33, 32, 'function mask'),
  CAIG: bits(60, 59, 'granularity carried out'),
  CIRG: bits(62, 61, 'granularity requested', { values: { 1: 'global', 2: 'domain', 3: 'device' } }),
  ICC: bit(63, 'invalidate context cache'),
});

export const invalidateAddress = layout('IVA_REG', 64, SOURCE, {
  AM: bits(5, 0, 'address mask: 2^AM pages'),
  IH: bit(6, 'only leaf entries changed'),
  ADDR: input(63, 12, 'page'),
});

export const iotlbCommand = layout('IOTLB_REG', 64, SOURCE, {
  DID: bits(47, 32, 'domain id'),
  DW: bit(48, 'drain writes'),
  DR: bit(49, 'drain reads'),
  IAIG: bits(58, 57, 'granularity carried out'),
  IIRG: bits(61, 60, 'granularity requested', { values: { 1: 'global', 2: 'domain', 3: 'page' } }),
  IVT: bit(63, 'invalidate IOTLB'),
});

export const faultStatus = layout('FSTS_REG', 32, SOURCE, {
  PFO: bit(0, 'a fault could not be recorded'),
  PPF: bit(1, 'a fault is recorded'),
  AFO: bit(2, 'advanced log overflow'),
  APF: bit(3, 'advanced log pending'),
  IQE: bit(4, 'invalidation queue error'),
  ICE: bit(5, 'invalidation completion error'),
  ITE: bit(6, 'invalidation time-out'),
  FRI: bits(15, 8, 'first record'),
});

export const eventControl = layout('FECTL_REG', 32, SOURCE, {
  IM: bit(31, 'interrupt masked'),
  IP: bit(30, 'interrupt pending'),
});

export const protectedMemoryEnable = layout('PMEN_REG', 32, SOURCE, {
  EPM: bit(31, 'protected memory regions', yes('enabled', 'off')),
  PRS: bit(0, 'protection in effect', yes('yes', 'no')),
});

/** Bounds of the protected regions; how many low bits are zero is the unit's choice, here 20. */
export const protectedLowBase = layout('PLMBASE_REG', 32, SOURCE, { BASE: address(31, 20, 'first MiB') });
export const protectedLowLimit = layout('PLMLIMIT_REG', 32, SOURCE, { LIMIT: address(31, 20, 'last MiB') });
export const protectedHighBase = layout('PHMBASE_REG', 64, SOURCE, { BASE: address(63, 20, 'first MiB') });
export const protectedHighLimit = layout('PHMLIMIT_REG', 64, SOURCE, { LIMIT: address(63, 20, 'last MiB') });

export const queueAddress = layout('IQA_REG', 64, SOURCE, {
  QS: bits(2, 0, 'queue has 2^(QS+8) descriptors of 128 bits'),
  DW: bit(11, 'descriptor width', { values: { 0: '128 bits', 1: '256 bits' } }),
  IQA: address(63, 12, 'queue'),
});

export const interruptTableAddress = layout('IRTA_REG', 64, SOURCE, {
  S: bits(3, 0, 'the table has 2^(S+1) entries'),
  EIME: bit(11, 'extended interrupt mode', { values: { 0: 'xAPIC', 1: 'x2APIC' } }),
  IRTA: address(63, 12, 'interrupt-remapping table'),
});

export const queueError = layout('IQERCD_REG', 64, SOURCE, {
  IQEI: bits(3, 0, 'why the queue stopped'),
  ITESID: bits(47, 32, 'device of the time-out'),
  ICESID: bits(63, 48, 'device of the completion error'),
});

export const pageQueueHead = layout('PQH_REG', 64, SOURCE, {
  PQH: input(18, 5, 'next entry that software takes, as an offset'),
});

export const pageQueueTail = layout('PQT_REG', 64, SOURCE, {
  PQT: input(18, 5, 'next entry that the unit fills, as an offset'),
});

export const pageQueueAddress = layout('PQA_REG', 64, SOURCE, {
  PQS: bits(2, 0, 'queue has 2^(PQS+7) entries of 32 bytes'),
  PQA: address(63, 12, 'queue'),
});

export const pageRequestStatus = layout('PRS_REG', 32, SOURCE, {
  PPR: bit(0, 'a page request is in the queue'),
  PRO: bit(1, 'the page request queue overflowed'),
});

export const pageEventControl = layout('PECTL_REG', 32, SOURCE, {
  IM: bit(31, 'interrupt masked'),
  IP: bit(30, 'interrupt pending'),
});

/** Reasons a queue stops, IQERCD.IQEI. */
export const QueueError = {
  NONE: 0,
  TAIL: 1,
  FETCH: 2,
  TYPE: 3,
  RESERVED: 4,
  /** A 128-bit descriptor where a 256-bit one is needed. */
  WIDTH: 5,
  /** A tail at half a 256-bit descriptor. */
  TAIL_ALIGNMENT: 6,
  /** A descriptor of scalable mode in another mode. */
  TABLE_MODE: 7,
} as const;

/** Registers a reader of the register file may ask for by name. */
export const registerLayouts: Readonly<Record<string, Layout>> = {
  CAP: capability,
  ECAP: extendedCapability,
  GSTS: globalStatus,
  RTADDR: rootTableAddress,
  CCMD: contextCommand,
  FSTS: faultStatus,
  FECTL: eventControl,
  PMEN: protectedMemoryEnable,
  PLMBASE: protectedLowBase,
  PLMLIMIT: protectedLowLimit,
  PHMBASE: protectedHighBase,
  PHMLIMIT: protectedHighLimit,
  IQA: queueAddress,
  PQH: pageQueueHead,
  PQT: pageQueueTail,
  PQA: pageQueueAddress,
  PRS: pageRequestStatus,
  PECTL: pageEventControl,
  IQERCD: queueError,
  IRTA: interruptTableAddress,
  IVA: invalidateAddress,
  IOTLB: iotlbCommand,
};
