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

/** The VGA window of a PC: there the RAM of a guest has a hole. */
const VGA_WINDOW = { start: 0xa_0000, end: 0xc_0000 } as const;

/** Its RAM, piece by piece, as QEMU maps it for devices: `address` is guest-physical. */
export const ramOf = ({ base, bytes }: GuestModel): { address: number; physical: number; bytes: number }[] =>
  [
    { address: 0, bytes: VGA_WINDOW.start },
    { address: VGA_WINDOW.end, bytes: bytes - VGA_WINDOW.end },
  ].map((piece) => ({ ...piece, physical: base + piece.address }));
