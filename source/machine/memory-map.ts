/**
 * Where things lie in the physical memory of the simulated PC, and who owns each page.
 *
 *     0x0000_0000  low memory
 *     0x0020_0000  bounce buffers of untrusted devices, 8 MiB
 *     0x0100_0000  kernel text, 32 MiB
 *     0x0400_0000  page tables, queues and other pages of the kernel
 *     0x1000_0000  data pages: buffers of host drivers
 *     0x6000_0000  contiguous buffers of host drivers
 *     0x7b80_0000  reserved by firmware: the USB controller's legacy region
 *     0x8a00_0000  guest B, 352 MiB
 *     0xa000_0000  guest A, 576 MiB
 *     0xf000_0000  registers of PCI devices, 236 MiB; no memory from here on
 *     0xfed9_1000  registers of the remapping unit
 */
import { PAGE } from '../linux/page-frames.ts';

const MiB = 2 ** 20;

export const MEMORY_BYTES = 0xf000_0000;
export const KERNEL_TEXT = { start: 0x0100_0000, bytes: 32 * MiB } as const;
export const BOUNCE_ZONE = [0x0020_0000, 0x00a0_0000] as const;
export const TABLE_ZONE = [0x0400_0000, 0x1000_0000] as const;
export const DATA_ZONE = [0x1000_0000, 0x6000_0000] as const;
export const CONTIGUOUS_ZONE = [0x6000_0000, 0x7b80_0000] as const;
export const USB_REGION = { start: 0x7b80_0000, end: 0x7b81_ffff, relaxable: true } as const;
/** The memory window of the PCI host bridge; end exclusive. */
export const DEVICE_WINDOW = { start: 0xf000_0000, end: 0xfec0_0000 } as const;
/** Each device has so many bytes of registers. */
const REGISTER_BYTES = MiB;
export const UNIT_BASE = 0xfed9_1000;

/** An owner of pages. Owners are small numbers, so that one byte a page tells whose it is. */
export type OwnerId = number;

/** Fixed owners; devices and guests get the numbers after these. */
export const FREE: OwnerId = 0;
const KERNEL: OwnerId = 1;
const TABLES: OwnerId = 2;
export const BOUNCE: OwnerId = 3;

export class MemoryMap {
  private readonly names: string[] = ['free memory', 'kernel text', 'page tables', 'bounce buffers'];
  /** Of devices, each a MiB, from the start of the window on. */
  private readonly registers: { readonly sourceId: number; readonly name: string }[] = [];
  private readonly owners = new Uint8Array(MEMORY_BYTES / PAGE);

  constructor() {
    this.give(KERNEL_TEXT.start, KERNEL_TEXT.bytes, KERNEL);
    this.give(BOUNCE_ZONE[0], BOUNCE_ZONE[1] - BOUNCE_ZONE[0], BOUNCE);
    this.give(TABLE_ZONE[0], TABLE_ZONE[1] - TABLE_ZONE[0], TABLES);
  }

  /** Registers of another PCI device, behind those of the one before in the window of the host bridge. */
  addRegisters(sourceId: number, device: string): void {
    this.registers.push({ sourceId, name: `${device} registers` });
  }

  /** A new owner. @param name what its memory is called: `nic0 buffer`, `guest A RAM` */
  addOwner(name: string): OwnerId {
    return this.names.push(name) - 1;
  }

  /** Make the pages of a range someone's. */
  give(start: number, bytes: number, owner: OwnerId): void {
    this.owners.fill(owner, Math.floor(start / PAGE), Math.ceil((start + bytes) / PAGE));
  }

  /** Whose page an address lies in; FREE outside memory. */
  ownerOf(address: number): OwnerId {
    return this.owners[Math.floor(address / PAGE)] ?? FREE;
  }

  /** What the memory at an address is called. */
  nameAt(address: number): string {
    if (address >= MEMORY_BYTES) {
      return this.registersAt(address)?.name ?? 'no memory';
    }
    return this.names[this.ownerOf(address)];
  }

  /** The function whose registers lie at an address, or null. */
  functionAt(address: number): number | null {
    return this.registersAt(address)?.sourceId ?? null;
  }

  private registersAt(address: number) {
    return this.registers[Math.floor((address - DEVICE_WINDOW.start) / REGISTER_BYTES)];
  }
}
