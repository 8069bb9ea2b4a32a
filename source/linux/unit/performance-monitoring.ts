/**
 * Linux's perf driver of one remapping unit: `drivers/iommu/intel/perfmon.c`. It finds out what the unit counts and
 * programs counters through registers alone.
 */

import { wordsToBig } from '../../vtd/bits.ts';
import { type PerformanceEvent, performanceEvents } from '../../vtd/performance/performance-events.ts';
import {
  EnhancedCommand,
  Filter,
  PerformanceOffset,
  performanceCapability,
  performanceConfiguration,
} from '../../vtd/performance/performance-registers.ts';
import type { Iommu } from '../../vtd/unit/iommu.ts';
import { capability, extendedCapability, Offset } from '../../vtd/unit/registers.ts';

/** The filters by the names of their perf formats. */
export type PerfFilters = {
  readonly requester_id?: number;
  readonly domain?: number;
  readonly pasid?: number;
  readonly ats?: number;
  readonly page_table?: number;
};

const filterIndex: Readonly<Record<keyof PerfFilters, number>> = {
  requester_id: Filter.REQUESTER,
  domain: Filter.DOMAIN,
  pasid: Filter.PASID,
  ats: Filter.ATS,
  page_table: Filter.PAGE_TABLE,
};

export const perfFilterNames = Object.keys(filterIndex) as (keyof PerfFilters)[];

const FILTER_ENABLED = 1 << 31;
const CONFIGURATION_STEP = 0x100;
const FIRST_FILTER = 8;
/** The four commands that the driver cannot do without, in the upper half of the last ECCAP register. */
const ESSENTIAL = Object.values(EnhancedCommand).reduce((bits, command) => bits | (1 << (command & 31)), 0);

/** An event being counted. */
export type PerfCounter = { readonly index: number; readonly event: PerformanceEvent };

export class PerformanceMonitoring {
  readonly counters: number;
  /** The events that the unit advertises: no others appear in sysfs. */
  readonly events: readonly PerformanceEvent[];
  private readonly unit: Iommu;
  private readonly configurationAt: number;
  private readonly countersAt: number;
  private readonly stride: number;
  private readonly used = new Set<number>();

  private constructor(unit: Iommu) {
    this.unit = unit;
    const { CNTRS, GROUPS, STRIDE } = performanceCapability.decode(unit.read64(PerformanceOffset.CAP));
    this.counters = Number(CNTRS);
    this.stride = 2 ** (Number(STRIDE) + 10);
    this.configurationAt = unit.read32(PerformanceOffset.CFGOFF);
    this.countersAt = unit.read32(PerformanceOffset.CNTROFF);
    const selects = Array.from({ length: Number(GROUPS) }, (_, group) =>
      unit.read32(PerformanceOffset.EVNTCAP + 8 * group),
    );
    this.events = performanceEvents.filter(({ group, code }) => ((selects[group] ?? 0) & code) !== 0);
  }

  /** The driver of a unit, or null where it has no counters or lacks the commands they need. */
  static find(unit: Iommu): PerformanceMonitoring | null {
    const { PMS } = extendedCapability.decode(unit.read64(Offset.ECAP));
    const { ECMDS } = capability.decode(unit.read64(Offset.CAP));
    if (PMS === 0n || ECMDS === 0n) return null;
    const commands = unit.read32(PerformanceOffset.ECCAP + 28);
    return (commands & ESSENTIAL) === ESSENTIAL ? new PerformanceMonitoring(unit) : null;
  }

  /**
   * Count an event from now on, of all requests or of those that pass all filters.
   *
   * @returns null where every counter is in use
   * @throws RangeError for an event that the unit does not advertise
   */
  open(name: string, filters: PerfFilters = {}): PerfCounter | null {
    const event = this.events.find((candidate) => candidate.name === name);
    if (event === undefined) throw new RangeError(`this unit does not count ${name}`);
    let index = 0;
    while (this.used.has(index)) index++;
    if (index >= this.counters) return null;
    this.used.add(index);
    const block = this.configurationAt + CONFIGURATION_STEP * index;
    const [low, high] = performanceConfiguration.encode({ INT: 1, EGI: event.group, ES: event.code });
    this.unit.write64(block, high, low);
    for (const [name, filter] of Object.entries(filterIndex)) {
      const value = filters[name as keyof PerfFilters];
      this.unit.write32(block + FIRST_FILTER + 4 * filter, value === undefined ? 0 : value | FILTER_ENABLED);
    }
    this.unit.write64(this.countersAt + this.stride * index, 0, 0);
    this.command(EnhancedCommand.ENABLE, index);
    return { index, event };
  }

  read({ index }: PerfCounter): number {
    return Number(wordsToBig(this.unit.read64(this.countersAt + this.stride * index)));
  }

  close({ index }: PerfCounter): void {
    this.command(EnhancedCommand.DISABLE, index);
    this.used.delete(index);
  }

  /** Stop all counters, or let them go on: pmu_disable and pmu_enable. */
  freeze(on: boolean): void {
    this.command(on ? EnhancedCommand.FREEZE : EnhancedCommand.UNFREEZE, 0);
  }

  private command(code: number, operand: number): void {
    this.unit.write64(PerformanceOffset.ECMD, 0, code | (operand << 16));
    const status = (this.unit.read32(PerformanceOffset.ECRSP) >>> 1) & 0xff;
    if (status !== 0) throw new Error(`enhanced command 0x${code.toString(16)} failed with status ${status}`);
  }
}
