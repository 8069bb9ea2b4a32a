/**
 * A machine in QEMU with an IOMMU and, for each requester id of the cases, two devices to do DMA with: a rocker
 * switch, whose test registers write or invert memory at once, and an HD audio controller, which reads a word when
 * it fetches a command. The two share a conventional PCI bridge and therefore its requester id.
 */

import type { Transfer, UnitWords } from '../conformance/case-file.ts';
import { devices } from '../conformance/case-file.ts';
import { hex } from '../vtd/bits.ts';
import { QemuError, type QemuProgram } from './program.ts';

type Engines = {
  readonly slot: number;
  readonly bus: number;
  readonly rocker: number;
  readonly audio: number;
};

/** Far from anything that tables of cases point to. */
const WINDOWS = 0xd000_0000;
const WINDOW_BYTES = 0x100_0000;
const AUDIO = 0x10_0000;

/** Behind 00:05.0, 00:06.0 and, on bus 1, behind a PCI Express bridge, whose devices are all 01:00.0. */
const engines: ReadonlyMap<number, Engines> = new Map(
  [
    { device: '00:05.0', slot: 5, bus: 2 },
    { device: '00:06.0', slot: 6, bus: 3 },
    { device: '01:00.0', slot: 7, bus: 1 },
  ].map(({ device, slot, bus }, index) => {
    const rocker = WINDOWS + index * WINDOW_BYTES;
    return [devices[device], { slot, bus, rocker, audio: rocker + AUDIO }];
  }),
);

/**
 * What a unit asks of QEMU beyond what every version has.
 *
 * @throws QemuError if this one lacks it
 */
export function requireFeatures(program: QemuProgram, unit: UnitWords): void {
  if (!unit.firstStage || program.firstStage) return;
  throw new QemuError(`x-flts=on needs QEMU 10.0 or newer, and ${program.path} is ${program.version}`);
}

export function machineArguments(unit: UnitWords): string[] {
  const on = (word: string, isOn: boolean) => `,${word}=${isOn ? 'on' : 'off'}`;
  const iommu =
    `intel-iommu,aw-bits=${unit.awBits}` +
    on('caching-mode', unit.cachingMode) +
    on('pt', unit.passThrough) +
    on('x-scalable-mode', unit.scalableMode) +
    // Older ones do not know the word.
    (unit.firstStage ? ',x-flts=on' : '');
  const parts = [
    iommu,
    'pci-bridge,id=b5,chassis_nr=5,shpc=off,addr=05.0',
    'pci-bridge,id=b6,chassis_nr=6,shpc=off,addr=06.0',
    'pcie-pci-bridge,id=b7,addr=07.0',
    ...[5, 6, 7].flatMap((slot) => [
      `rocker,name=r${slot},bus=b${slot},addr=01.0`,
      `intel-hda,bus=b${slot},addr=02.0`,
    ]),
  ];
  return [
    ...['-machine', 'q35,kernel-irqchip=split', '-accel', 'tcg', '-S', '-m', '512M', '-display', 'none'],
    ...['-nodefaults', '-vga', 'none', ...parts.flatMap((part) => ['-device', part])],
  ];
}

/** A write to PCI configuration space. */
const configure = (bus: number, slot: number, register: number, value: number): string[] => [
  `outl 0xcf8 ${hex(0x8000_0000 + (bus << 16) + (slot << 11) + register)}`,
  `outl 0xcfc ${hex(value)}`,
];

const MEMORY_AND_MASTER = 6;

/** Base and limit register of a bridge: the upper 12 of 32 address bits each. */
const memoryWindow = (base: number): number => base + WINDOW_BYTES - 0x10_0000 + (base >>> 16);

/** What firmware would do: bus numbers, windows, base addresses; and the audio controllers out of reset. */
export const setUpLines: readonly string[] = [...engines.values()].flatMap(({ slot, bus, rocker, audio }) => [
  ...configure(0, slot, 0x18, (bus << 16) | (bus << 8)),
  ...configure(0, slot, 0x20, memoryWindow(rocker)),
  ...configure(0, slot, 0x24, 0xfff0),
  ...configure(0, slot, 0x04, MEMORY_AND_MASTER),
  ...configure(bus, 1, 0x10, rocker),
  ...configure(bus, 1, 0x04, MEMORY_AND_MASTER),
  ...configure(bus, 2, 0x10, audio),
  ...configure(bus, 2, 0x04, MEMORY_AND_MASTER),
  `writel ${hex(audio + 0x08)} 1`,
  // The controller stops when this many responses are due; there is never one, as it has no codec.
  `writew ${hex(audio + 0x5a)} 0xff`,
]);

/** A warm reset of the whole machine through its reset control register. */
export const resetLines: readonly string[] = ['outb 0xcf9 2', 'outb 0xcf9 6'];

const ROCKER_TEST = { address: 0x28, size: 0x30, control: 0x34 } as const;
const rockerCommands = { clear: 1, fill: 2, invert: 4 } as const;

export function dmaLines(device: number, transfer: Transfer, address: bigint, length: number): string[] {
  const found = engines.get(device);
  if (found === undefined) throw new RangeError(`no device with requester id ${hex(device)}`);
  if (transfer === 'read') return readLines(found.audio, address, length);
  return [
    `writeq ${hex(found.rocker + ROCKER_TEST.address)} ${hex(address)}`,
    `writel ${hex(found.rocker + ROCKER_TEST.size)} ${hex(length)}`,
    `writel ${hex(found.rocker + ROCKER_TEST.control)} ${rockerCommands[transfer]}`,
  ];
}

const CORB = { lower: 0x40, upper: 0x44, writePointer: 0x48, readPointer: 0x4a, control: 0x4c } as const;
const PAGE = 4096n;
const RING = 128n;

/** One word of every page that a read touches: an audio controller fetches 4 bytes of its command ring. */
function readLines(audio: number, address: bigint, length: number): string[] {
  const lines: string[] = [];
  const last = address + BigInt(length) - 1n;
  for (let page = address / PAGE; page <= last / PAGE && page < 1n << 52n; page++) {
    const word = (page * PAGE > address ? page * PAGE : address) & ~3n;
    const base = word & ~(RING - 1n);
    const entry = Number((word - base) / 4n);
    lines.push(
      `writeb ${hex(audio + CORB.control)} 0`,
      `writel ${hex(audio + CORB.lower)} ${hex(base & 0xffff_ffffn)}`,
      `writel ${hex(audio + CORB.upper)} ${hex(base >> 32n)}`,
      `writew ${hex(audio + CORB.writePointer)} ${hex(entry)}`,
      `writew ${hex(audio + CORB.readPointer)} ${hex((entry + 255) & 255)}`,
      `writeb ${hex(audio + CORB.control)} 2`,
    );
  }
  return lines;
}
