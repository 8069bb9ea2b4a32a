/** The interrupt-entry cache: entries of the interrupt-remapping table by their index. */
import { TagStore } from './tag-store.ts';

/** Words of an entry. */
const WORDS = 4;

export class InterruptEntryCache {
  readonly store: TagStore;
  readonly words: Int32Array;

  /** @param entries fully associative */
  constructor(entries: number) {
    this.store = new TagStore(1, entries);
    this.words = new Int32Array(WORDS * entries);
  }

  /** The place of an index, or -1. */
  find(index: number): number {
    return this.store.find(index, 0, 0);
  }

  fill(index: number, entry: Int32Array): void {
    const at = this.store.place(0, index, 0, 0);
    for (let i = 0; i < WORDS; i++) this.words[WORDS * at + i] = entry[i];
  }

  clear(): void {
    this.store.clear();
  }

  /** Drop 2^mask indices, aligned to their number. Returns how many entries went. */
  drop(index: number, mask: number): number {
    const { store } = this;
    let dropped = 0;
    for (let at = 0; at < store.size; at++) {
      if (!store.occupied(at) || store.tagA[at] >>> mask !== index >>> mask) continue;
      store.drop(at);
      dropped++;
    }
    return dropped;
  }
}
