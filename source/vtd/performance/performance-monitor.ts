/**
 * Performance monitoring: counters that software programs to count events of all requests or of some of them.
 *
 * The unit always counts (`counters.ts`). A counter here adds up what those counts grow by while it is enabled. While
 * none is, the translator does not know of this monitor and requests cost nothing more.
 */
import { COUNTERS, type Counts } from './counters.ts';
import { advertised, countersOf, EVENT_GROUPS } from './performance-events.ts';
import {
  CommandStatus,
  EnhancedCommand,
  Filter,
  PerformanceOffset,
  performanceCapability,
  performanceConfiguration,
  performanceFilter,
} from './performance-registers.ts';

/** Counters, and the bits of each; the largest place that Linux's 48-bit counters have. */
export const PERFORMANCE_COUNTERS = 8;
const COUNTER_BITS = 48;
const FULL = 2 ** COUNTER_BITS;
const FILTERS = 5;

/** Where the registers lie that software finds through others. */
const CONFIGURATION = 0x1000;
const CONFIGURATION_STEP = 0x100;
const FIRST_FILTER = 8;
const OVERFLOW = 0x2000;
const FREEZE = 0x2008;
const COUNTERS_AT = 0x4000;
/** The smallest stride there is. */
const COUNTER_STEP = 0x400;

const { ES, EGI, INT } = performanceConfiguration.fields;
const { EN, VALUE } = performanceFilter.fields;

/** What a request was, for the filters. */
export type Attributes = {
  readonly sourceId: number;
  /** The domain, or -1 if it was refused before one was known. */
  readonly did: number;
  /** The PASID it used, or -1. */
  readonly pasid: number;
  /** A bit of the ATS filter. Their meaning is not public; here they are the values of AT, as bits. */
  readonly addressType: number;
  /** A bit of PageTables, or 0 if none was known. */
  readonly tables: number;
};

type PerformanceCounter = {
  value: number;
  enabled: boolean;
  /** Whether its interrupt is asked for. */
  interrupts: boolean;
  /** Places of the counts that it adds up. */
  places: readonly number[];
  readonly configuration: Int32Array;
  readonly filters: Int32Array;
};

export type MonitorHost = {
  /** Some counter is enabled, or none any more. */
  watch(on: boolean): void;
  /** A counter overflowed that asks for an interrupt. */
  overflow(): void;
};

export class PerformanceMonitor {
  private readonly counts: Counts;
  private readonly host: MonitorHost;
  /** The counts up to which everything is added. */
  private readonly seen = new Float64Array(COUNTERS);
  private readonly counters: PerformanceCounter[];
  private overflowed = 0;
  private isFrozen = false;
  private isPending = false;
  private response = 0;

  constructor(counts: Counts, host: MonitorHost) {
    this.counts = counts;
    this.host = host;
    this.counters = Array.from({ length: PERFORMANCE_COUNTERS }, () => ({
      value: 0,
      enabled: false,
      interrupts: false,
      places: [],
      configuration: new Int32Array(2),
      filters: new Int32Array(FILTERS),
    }));
  }

  /** A request begins: what was counted since the last one belongs to none. */
  begin(): void {
    this.add(null);
  }

  /** A request ended. */
  end(request: Attributes): void {
    this.add(request);
  }

  /** A 32-bit register, or half of a 64-bit one. */
  read(offset: number): number {
    const { CAP, CFGOFF, FRZOFF, OVFOFF, CNTROFF, INTRSTS, EVNTCAP, ECRSP, ECCAP } = PerformanceOffset;
    switch (offset) {
      case CAP:
      case CAP + 4:
        return CAPABILITY[(offset - CAP) / 4];
      case CFGOFF:
        return CONFIGURATION;
      case FRZOFF:
        return FREEZE;
      case OVFOFF:
        return OVERFLOW;
      case CNTROFF:
        return COUNTERS_AT;
      case INTRSTS:
        return this.isPending ? 1 : 0;
      case ECRSP:
        return this.response;
      // A bit for each command; the last of four registers has those from 0xc0 on, its upper half those from 0xe0.
      case ECCAP + 28:
        return Object.values(EnhancedCommand).reduce((bits, command) => bits | (1 << (command & 31)), 0);
      case OVERFLOW:
        return this.overflowed;
      case FREEZE:
        return this.isFrozen ? (1 << PERFORMANCE_COUNTERS) - 1 : 0;
    }
    const group = (offset - EVNTCAP) / 8;
    if (Number.isInteger(group) && group >= 0 && group < EVENT_GROUPS) return advertised(group);
    const counter = this.counters[(offset - COUNTERS_AT) >> 10];
    if (counter !== undefined && offset >= COUNTERS_AT) return this.valueOf(counter, offset % COUNTER_STEP);
    const block = this.counters[(offset - CONFIGURATION) >> 8];
    if (block === undefined || offset < CONFIGURATION) return 0;
    const within = offset % CONFIGURATION_STEP;
    if (within < FIRST_FILTER) return block.configuration[within >> 2];
    return block.filters[(within - FIRST_FILTER) >> 2] ?? 0;
  }

  /** Likewise a write, with whatever that sets off. */
  write(offset: number, value: number): void {
    switch (offset) {
      case PerformanceOffset.INTRSTS:
        if ((value & 1) !== 0) this.isPending = false;
        return;
      case PerformanceOffset.ECMD:
        // Done at once; the status is all that is left of a command.
        this.response = this.command(value & 0xff, value >>> 16) << 1;
        return;
      case OVERFLOW:
        this.overflowed &= ~value;
        return;
    }
    const counter = this.counters[(offset - COUNTERS_AT) >> 10];
    if (counter !== undefined && offset >= COUNTERS_AT)
      return this.setValue(counter, offset % COUNTER_STEP, value);
    const block = this.counters[(offset - CONFIGURATION) >> 8];
    if (block === undefined || offset < CONFIGURATION) return;
    this.add(null);
    const within = offset % CONFIGURATION_STEP;
    const filter = (within - FIRST_FILTER) >> 2;
    if (within < FIRST_FILTER) {
      block.configuration[within >> 2] = value;
      const [low, high] = block.configuration;
      block.interrupts = ((low >>> INT.shift) & INT.mask) !== 0;
      block.places = countersOf((low >>> EGI.shift) & EGI.mask, (high >>> ES.shift) & ES.mask);
    } else if (filter < FILTERS) block.filters[filter] = value;
  }

  private command(code: number, operand: number): number {
    this.add(null);
    const counter = this.counters[operand];
    switch (code) {
      case EnhancedCommand.ENABLE:
      case EnhancedCommand.DISABLE:
        if (counter === undefined) return CommandStatus.NO_SUCH_COUNTER;
        counter.enabled = code === EnhancedCommand.ENABLE;
        break;
      case EnhancedCommand.FREEZE:
      case EnhancedCommand.UNFREEZE:
        this.isFrozen = code === EnhancedCommand.FREEZE;
        break;
      default:
        return CommandStatus.UNKNOWN;
    }
    this.host.watch(!this.isFrozen && this.counters.some(({ enabled }) => enabled));
    return CommandStatus.DONE;
  }

  private valueOf(counter: PerformanceCounter, half: number): number {
    this.add(null);
    if (half === 0) return counter.value | 0;
    return half === 4 ? Math.floor(counter.value / 2 ** 32) : 0;
  }

  private setValue(counter: PerformanceCounter, half: number, value: number): void {
    this.add(null);
    const low = counter.value % 2 ** 32;
    if (half === 0) counter.value += (value >>> 0) - low;
    else if (half === 4) counter.value = low + (value & 0xffff) * 2 ** 32;
  }

  /** Add what was counted since the last time: to all counters, or of a request to those it matches. */
  private add(request: Attributes | null): void {
    const { counts, seen, counters } = this;
    for (const counter of counters) {
      if (!counter.enabled || this.isFrozen || !matches(counter.filters, request)) continue;
      let value = counter.value;
      for (const place of counter.places) value += counts[place] - seen[place];
      counter.value = value % FULL;
      if (value >= FULL) this.overflow(counter);
    }
    seen.set(counts);
  }

  private overflow(counter: PerformanceCounter): void {
    this.overflowed |= 1 << this.counters.indexOf(counter);
    if (!counter.interrupts || this.isPending) return;
    this.isPending = true;
    this.host.overflow();
  }
}

const CAPABILITY = performanceCapability.encode({
  CNTRS: PERFORMANCE_COUNTERS,
  WIDTH: COUNTER_BITS,
  GROUPS: EVENT_GROUPS,
  FILTERS: (1 << FILTERS) - 1,
  OVFI: 1,
});

/** Whether a request passes all filters that are on. What belongs to no request passes only where none is. */
function matches(filters: Int32Array, request: Attributes | null): boolean {
  for (let i = 0; i < FILTERS; i++) {
    if (((filters[i] >>> EN.shift) & EN.mask) === 0) continue;
    if (request === null || !passes(i, filters[i] & VALUE.mask, request)) return false;
  }
  return true;
}

function passes(filter: number, value: number, request: Attributes): boolean {
  switch (filter) {
    case Filter.REQUESTER:
      return request.sourceId === (value & 0xffff);
    case Filter.DOMAIN:
      return request.did === (value & 0xffff);
    case Filter.PASID:
      return request.pasid === (value & 0xf_ffff);
    case Filter.ATS:
      return (request.addressType & value) !== 0;
    default:
      return (request.tables & value) !== 0;
  }
}
