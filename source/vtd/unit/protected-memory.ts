/**
 * The two protected memory regions: physical memory that no DMA reaches while PMEN.EPM is set, whether or not DMA
 * remapping is on. VT-d specification, chapter 11.4, PMEN_REG. What they block is not recorded as a
 * fault, and the unit's own reads of tables are exempt.
 */
import { join } from '../bits.ts';
import type { Capabilities } from './capabilities.ts';
import { Offset, protectedMemoryEnable } from './registers.ts';

const { EPM, PRS } = protectedMemoryEnable.fields;
const ENABLE = EPM.mask << EPM.shift;
const STATUS = PRS.mask << PRS.shift;

/** Regions begin and end at multiples of 1 MiB; software finds out by writing ones and reading back. */
const GRANULE = 0x10_0000;
const ALIGNED = ~(GRANULE - 1);

type Region = { baseHi: number; baseLo: number; limitHi: number; limitLo: number };

export class ProtectedMemory {
  /** PMEN.EPM. */
  enabled = false;
  private readonly low: Region | null;
  private readonly high: Region | null;
  /** Bits of an upper half that the host address width has. */
  private readonly upper: number;

  constructor({ protectedLow, protectedHigh, hostAddressWidth }: Capabilities) {
    const empty = { baseHi: 0, baseLo: 0, limitHi: 0, limitLo: 0 };
    this.low = protectedLow ? { ...empty } : null;
    this.high = protectedHigh ? { ...empty } : null;
    this.upper = 2 ** (hostAddressWidth - 32) - 1;
  }

  /** The value of a register of the regions; 0 for one that the unit lacks. */
  read(offset: number): number {
    const { low, high } = this;
    switch (offset) {
      case Offset.PMEN:
        return this.enabled ? ENABLE | STATUS : 0;
      case Offset.PLMBASE:
        return low?.baseLo ?? 0;
      case Offset.PLMLIMIT:
        return low?.limitLo ?? 0;
      case Offset.PHMBASE:
        return high?.baseLo ?? 0;
      case Offset.PHMBASE + 4:
        return high?.baseHi ?? 0;
      case Offset.PHMLIMIT:
        return high?.limitLo ?? 0;
      default:
        return high?.limitHi ?? 0;
    }
  }

  /** Write a register of the regions. Their bounds are locked while they are enabled. */
  write(offset: number, value: number): void {
    const { low, high } = this;
    if (offset === Offset.PMEN) {
      this.enabled = (value & ENABLE) !== 0 && (low !== null || high !== null);
      return;
    }
    if (this.enabled) return;
    const region = offset < Offset.PHMBASE ? low : high;
    if (region === null) return;
    switch (offset) {
      case Offset.PLMBASE:
      case Offset.PHMBASE:
        region.baseLo = value & ALIGNED;
        return;
      case Offset.PLMLIMIT:
      case Offset.PHMLIMIT:
        region.limitLo = value & ALIGNED;
        return;
      case Offset.PHMBASE + 4:
        region.baseHi = value & this.upper;
        return;
      case Offset.PHMLIMIT + 4:
        region.limitHi = value & this.upper;
    }
  }

  /** Whether a physical address lies in a region that is protected now. */
  covers(hi: number, lo: number): boolean {
    return this.enabled && (contains(this.low, hi, lo) || contains(this.high, hi, lo));
  }
}

/** Whether an offset is that of a register of the regions. */
export const isProtectedMemoryRegister = (offset: number): boolean =>
  offset >= Offset.PMEN && offset < Offset.PHMLIMIT + 8;

/** A limit is the last byte of its 1 MiB; a region whose limit lies below its base is none. */
function contains(region: Region | null, hi: number, lo: number): boolean {
  if (region === null) return false;
  const address = join(hi, lo);
  const { baseHi, baseLo, limitHi, limitLo } = region;
  return address >= join(baseHi, baseLo) && address < join(limitHi, limitLo) + GRANULE;
}
