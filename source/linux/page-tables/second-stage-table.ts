/** A second-stage page table: VT-d chapter 9.8. */
import { pageEntry, READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import type { PageFrames } from '../page-frames.ts';
import type { KernelVersion } from '../version.ts';
import { holds } from '../version-rules.ts';
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
    // Where not, Linux sets the lowest bit of every leaf, so that both stages behave alike: in a first stage it means
    // present, in a second one readable.
    this.always = (holds('mapsForWritingAlone', version) ? 0 : READ) | (snoops ? SNOOP : 0);
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
