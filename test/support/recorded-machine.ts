/**
 * The machine of the recorded runs, simulated: its functions and unit, and the driver of its NVMe disk as far as it
 * asks for addresses and the disk uses them. The order of both was read from the recordings.
 */

import type { KernelBuild } from '../../source/linux/boot/policy.ts';
import type { Mapping } from '../../source/linux/dma-api/dma-api.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { DATA, Host, id, MiB, pciFunction } from './host.ts';

const PAGE = 4096;

/** What Linux reserves for the floppy drive behind an ISA bridge. */
const ISA_REGION = { start: 0, end: 0xff_ffff, relaxable: true };

export const recordedFunctions = [
  pciFunction('00:00.0'),
  pciFunction('00:03.0', { driver: 'nvme' }),
  pciFunction('00:04.0', { driver: 'virtio-pci' }),
  pciFunction('00:05.0', { driver: 'e1000e' }),
  pciFunction('00:06.0', { driver: 'virtio-pci' }),
  pciFunction('00:08.0'),
  pciFunction('00:1f.0', { multifunction: true, acs: 0, reserved: [ISA_REGION] }),
  pciFunction('00:1f.2', { multifunction: true, acs: 0 }),
  pciFunction('00:1f.3', { multifunction: true, acs: 0 }),
];

export const recordedHost = (line: string, build?: KernelBuild): Host =>
  new Host(line, { unit: presets.qemu, functions: recordedFunctions, build });

const NVME = '00:03.0';
const nvme = id(NVME);

/** Time from one 64 KiB request of dd to the next, as recorded in the run `on`. */
const REQUEST_NS = 600e3;

/** A disk with the queues that Linux sets up for it at boot, and the addresses it got for them. */
export class RecordedDisk {
  readonly host: Host;
  /** Pages of requests' buffers in the order of the requests, `fffc0`. */
  readonly addresses: string[] = [];
  /** Requests of the disk to memory. */
  requests = 0;
  /** The same for the requests of the boot. */
  readonly bootAddresses: readonly string[];
  readonly doorbells: number;
  readonly events: number;
  readonly submission: number;
  readonly completion: number;
  private command = 0;
  private memory = DATA;

  constructor(host: Host) {
    this.host = host;
    const coherent = (pages: number) => this.map(pages).address;
    coherent(1);
    coherent(1);
    // Commands of the set-up have a buffer each, the first long before the others.
    this.lendBuffer();
    host.clock.advance(16e6);
    for (let i = 0; i < 4; i++) this.lendBuffer();
    this.doorbells = coherent(1);
    this.events = coherent(1);
    host.clock.advance(20e6);
    this.completion = coherent(4);
    this.submission = coherent(16);
    // Namespaces are identified, then the partition table is read.
    for (let i = 0; i < 6; i++) this.lendBuffer();
    host.clock.advance(30e6);
    for (let i = 0; i < 3; i++) {
      this.read(1);
      host.clock.advance(30e6);
    }
    this.bootAddresses = this.addresses.splice(0);
  }

  /**
   * One request of so many pages to the disk, as recorded: queue, data, completion.
   *
   * @param meanwhile what happens before its buffer is unmapped
   */
  read(pages: number, meanwhile: () => void = () => {}): void {
    const { host } = this;
    // Pages that lie anywhere, as of a process.
    const pieces = Array.from({ length: pages }, (_, i) => ({
      physical: this.memory + (pages - 1 - i) * 2 * PAGE,
      bytes: PAGE,
    }));
    const mappings = host.kernel.mapList(nvme, pieces, 'both');
    this.dma('read', this.doorbells + 8);
    this.dma('read', this.submission + 64 * this.command);
    for (const { address, bytes } of mappings) {
      for (let at = 0; at < bytes; at += PAGE) {
        this.dma('write', address + at);
        // QEMU looks each page but the first of a request up twice.
        if (at > 0 || address !== mappings[0].address) this.dma('write', address + at);
      }
    }
    this.dma('read', this.events + 8);
    this.dma('read', this.doorbells + 8);
    this.dma('read', this.events + 12);
    this.dma('read', this.doorbells + 12);
    this.dma('write', this.completion + 16 * this.command);
    this.command++;
    this.addresses.push(page(mappings[0].address));
    meanwhile();
    for (const mapping of mappings) host.kernel.unmap(nvme, mapping);
  }

  /** Direct reads of 64 KiB at the pace of the recorded dd, one after another, and the time until all is idle. */
  readSlowly(count: number): void {
    for (let i = 0; i < count; i++) {
      this.read(16);
      this.host.clock.advance(REQUEST_NS);
    }
    this.host.clock.advance(1e9);
  }

  /** Time goes on until the flush queue is flushed. */
  flush(): void {
    this.host.clock.advance(10e6);
  }

  private lendBuffer(): void {
    const mapping = this.map(1);
    this.addresses.push(page(mapping.address));
    this.host.kernel.unmap(nvme, mapping);
  }

  private map(pages: number): Mapping {
    const mapping = this.host.kernel.map(nvme, this.memory, pages * PAGE, 'both');
    this.memory = DATA + ((this.memory - DATA + pages * PAGE) % (16 * MiB));
    return mapping;
  }

  private dma(type: 'read' | 'write', address: number): void {
    this.requests++;
    const outcome = this.host.dma(NVME, type, address);
    if (outcome.startsWith('fault')) throw new Error(`${type} at ${hex(address)}: ${outcome}`);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;

const page = (address: number): string => Math.floor(address / PAGE).toString(16);
