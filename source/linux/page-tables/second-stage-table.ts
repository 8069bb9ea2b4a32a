/** A second-stage page table: VT-d chapter 9.8. */
import { READ, WRITE } from '../../vtd/formats/paging-entry.ts';
import { PageTable } from './page-table.ts';

export class SecondStageTable extends PageTable {
  readonly stage = 'second';

  protected leafBits(permissions: number): number {
    return permissions;
  }

  protected tableBits(): number {
    return READ | WRITE;
  }

  protected permissionsOf(lo: number): number {
    return lo & (READ | WRITE);
  }
}
