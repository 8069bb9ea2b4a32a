/**
 * A first-stage page table: VT-d chapter 9.7, as `__domain_mapping` of `drivers/iommu/intel/iommu.c` fills it with
 * `use_first_level`. Every entry is a user's. A present page can be read, so that there is none for writing alone.
 * Accessed and dirty flags are set beforehand, which spares the unit from writing them.
 */
import { firstStagePageEntry } from '../../vtd/formats/first-stage-entry.ts';
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { PageTable } from './page-table.ts';

const { P, RW, US, A, D } = firstStagePageEntry.fields;
const PRESENT = 1 << P.shift;
const WRITABLE = 1 << RW.shift;
const ACCESSED = PRESENT | (1 << US.shift) | (1 << A.shift);
const DIRTY = 1 << D.shift;

export class FirstStageTable extends PageTable {
  readonly stage = 'first';

  protected leafBits(permissions: number): number {
    return (permissions & WRITE) === 0 ? ACCESSED : ACCESSED | WRITABLE | DIRTY;
  }

  protected tableBits(): number {
    return ACCESSED | WRITABLE;
  }

  protected permissionsOf(lo: number): number {
    if ((lo & PRESENT) === 0) return 0;
    return (lo & WRITABLE) === 0 ? READ : READ | WRITE;
  }
}
