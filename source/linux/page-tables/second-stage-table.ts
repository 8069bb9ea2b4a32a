/** A second-stage page table: VT-d chapter 9.8. */
import { pageEntry, READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import type { PageFrames } from '../page-frames.ts';
import { isSince, type KernelVersion } from '../version.ts';
import { PageTable, type TableMemory } from './page-table.ts';

const SNOOP = 1 << pageEntry.fields.SNP.shift;

export class SecondStageTable extends PageTable {
  readonly stage = 'second';
  private readonly always: number;

  /**
   * @param version of the kernel that fills the table
   * @param snoops pages force snooping (SNP), which the unit must be able to do
   */
  constructor(
    memory: TableMemory,
    frames: PageFrames,
    levels: number,
    largestLeaf: number,
    version: KernelVersion,
    snoops = false,
  ) {
    super(memory, frames, levels, largestLeaf);
    this.always = (mapsForWritingAlone(version) ? 0 : READ) | (snoops ? SNOOP : 0);
  }

  protected leafBits(permissions: number): number {
    return permissions | this.always;
  }

  protected tableBits(): number {
    return READ | WRITE;
  }

  protected permissionsOf(lo: number): number {
    return lo & (READ | WRITE);
  }
}

/**
 * Whether a buffer that a device only writes cannot be read by it. From 5.13 to 6.15 `__domain_mapping` sets the lowest
 * bit of every leaf, so that both stages behave alike: in a first stage it means present, in a second one readable.
 */
const mapsForWritingAlone = (version: KernelVersion): boolean =>
  !isSince(version, '5.13') || isSince(version, '6.16');
