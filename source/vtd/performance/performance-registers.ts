/**
 * Registers of performance monitoring and of the enhanced commands it is driven by. VT-d specification, chapter 11.4.13
 * and after; the offsets and fields are those that Linux's `perfmon.c` and `iommu.h` use.
 */
import { bit, bits, layout } from '../formats/layout.ts';

const SOURCE = 'VT-d chapter 11.4, as Linux drivers/iommu/intel/perfmon.c uses it';

/** Byte offsets; what lies behind them is found through PERFCFGOFF, PERFFRZOFF, PERFOVFOFF and PERFCNTROFF. */
export const PerformanceOffset = {
  CAP: 0x300,
  CFGOFF: 0x310,
  FRZOFF: 0x314,
  OVFOFF: 0x318,
  CNTROFF: 0x31c,
  INTRSTS: 0x324,
  INTRCTL: 0x328,
  INTRDATA: 0x32c,
  INTRADDR: 0x330,
  INTRUADDR: 0x334,
  EVNTCAP: 0x380,
  ECMD: 0x400,
  ECEO: 0x408,
  ECRSP: 0x410,
  ECCAP: 0x430,
} as const;

export const performanceCapability = layout('PERFCAP_REG', 64, SOURCE, {
  CNTRS: bits(15, 0, 'counters'),
  WIDTH: bits(22, 16, 'bits of a counter'),
  GROUPS: bits(28, 24, 'event groups'),
  FILTERS: bits(36, 32, 'filters: bit 0 requester id, 1 domain, 2 PASID, 3 ATS, 4 page table'),
  OVFI: bit(50, 'interrupt on overflow'),
  PCC: bit(51, 'counters differ in what they can count'),
  STRIDE: bits(54, 52, 'counters are 2^(STRIDE+10) bytes apart'),
});

export const performanceConfiguration = layout('PERFCFG_REG', 64, SOURCE, {
  INT: bit(1, 'interrupt on overflow'),
  EGI: bits(15, 8, 'event group'),
  ES: bits(59, 32, 'events of it, added up'),
});

export const performanceFilter = layout('PERF filter', 32, SOURCE, {
  VALUE: bits(21, 0, 'what requests must have to be counted'),
  EN: bit(31, 'filter'),
});

/** Enhanced commands, ECMD_REG bits 7:0; operand A is above bit 15. */
export const EnhancedCommand = { ENABLE: 0xf0, DISABLE: 0xf1, FREEZE: 0xf4, UNFREEZE: 0xf5 } as const;

/** Statuses of ECRSP_REG, bits 8:1. The specification's values of errors are not public: any but 0. */
export const CommandStatus = { DONE: 0, UNKNOWN: 1, NO_SUCH_COUNTER: 2 } as const;

/** Filters of a counter in the order of their registers, with their bit in PERFCAP. */
export const Filter = { REQUESTER: 0, DOMAIN: 1, PASID: 2, ATS: 3, PAGE_TABLE: 4 } as const;

/** Bits of the page-table filter. Their meaning is not public; these are legacy mode, and PGTT as bits. */
export const PageTables = {
  LEGACY: 1,
  FIRST_STAGE: 2,
  SECOND_STAGE: 4,
  NESTED: 8,
  PASS_THROUGH: 16,
} as const;
