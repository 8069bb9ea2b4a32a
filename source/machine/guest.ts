/** A virtual machine: a stretch of host memory that the guest sees from 0. */

export type GuestModel = {
  readonly name: 'A' | 'B';
  /** Host-physical address of guest page 0. */
  readonly base: number;
  readonly bytes: number;
  /** Level of the largest pages that back it: 2 with huge pages, 1 without. */
  readonly largestLeaf: number;
};

const MiB = 2 ** 20;

export const guestModels: readonly GuestModel[] = [
  { name: 'A', base: 0xa000_0000, bytes: 576 * MiB, largestLeaf: 2 },
  { name: 'B', base: 0x8a00_0000, bytes: 352 * MiB, largestLeaf: 1 },
];

/** The guest of a name, `A`; undefined if there is none. */
export const findGuest = (name: string): GuestModel | undefined =>
  guestModels.find((guest) => guest.name === name);
