/**
 * A device that reads or writes at random within a window of memory, as pcie-bench lets one: many requests at a time or
 * one.
 */
import type { Done } from '../../timing/request.ts';
import { Random } from '../random.ts';
import { type Bench, split } from './bench.ts';

const PAGE = 4096;
const LARGE_PAGE = 2 ** 21;

export type WindowLoad = {
  /** How the window is mapped. */
  readonly pages: '4 KiB' | '2 MiB' | 'none';
  readonly windowBytes: number;
  /** Bytes of each request. */
  readonly bytes: number;
  readonly type: 'read' | 'write';
  /** Whether the device warmed the last-level cache first. */
  readonly isWarm: boolean;
  readonly outstanding: number;
};

/** The boot line of a host that maps its memory so. */
export const windowBoot: Readonly<Record<WindowLoad['pages'], string>> = {
  '4 KiB': 'intel_iommu=on,sp_off',
  '2 MiB': 'intel_iommu=on',
  none: 'intel_iommu=off',
};

/** Let the device begin, and go on without end. */
export function startWindow(bench: Bench, load: WindowLoad, finished: Done): void {
  const { windowBytes, bytes, type, isWarm, outstanding } = load;
  const { port, values, device } = bench;
  const window = mapWindow(bench, load);
  const random = new Random(bench.seed, `${type} ${bytes} ${windowBytes}`);
  const slots = windowBytes / bytes;
  const warmShare = isWarm ? Math.min(1, values['llc.bytes'] / windowBytes) : 0;
  const address = (): number => window(random.below(slots) * bytes);
  const isOver: Done = (outcome, ns) => {
    finished(outcome, ns);
    read();
  };
  const read = (): void => {
    const [hi, lo] = split(address());
    port.read(device, hi, lo, bytes, random.next() < warmShare, isOver);
  };
  const write = (): void => port.write(device, ...split(address()), bytes, write, finished);
  if (type === 'read') for (let i = 0; i < outstanding; i++) read();
  else write();
}

/** Make a window reachable for the device. Returns the device's address of an offset. */
function mapWindow(bench: Bench, { pages, windowBytes }: WindowLoad): (offset: number) => number {
  const chunk = pages === '2 MiB' ? LARGE_PAGE : PAGE;
  const starts: number[] = [];
  for (let offset = 0; offset < windowBytes; offset += chunk) {
    const physical = pages === '2 MiB' ? bench.contiguous(chunk, chunk) : bench.newPage();
    starts.push(bench.map(physical, chunk, 'both').address);
  }
  return (offset) => starts[Math.floor(offset / chunk)] + (offset % chunk);
}
