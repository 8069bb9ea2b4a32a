/** What the kernel's IOMMU code costs the CPU. */
import type { CpuCost } from '../linux/dma-api/cpu-cost.ts';
import type { QueueTimes } from '../linux/unit/queue-contention.ts';
import { choice, count, figure, type ValuesOf } from './declaration.ts';

const table =
  'Malka et al., "rIOMMU", ASPLOS 2015, table 1, strict with constant-time allocator; recalled, a model default';

const cycles = (meaning: string, value: number, source = table) =>
  count('cycles', { meaning, default: value, least: 0, most: 1e9, source });

export const cpuParameters = {
  'cpu.ghz': figure('GHz', {
    meaning: 'clock of each core',
    default: 3.1,
    least: 0.1,
    most: 10,
    source: 'Xeon E3-1220 of the same paper',
  }),
  'cpu.packetCycles': cycles('work for a network packet besides the IOMMU', 1816),
  'cpu.allocateIovaCycles': cycles('map: take an I/O virtual address', 92),
  'cpu.mapTableCycles': cycles('map: write the page table', 590),
  'cpu.mapOtherCycles': cycles('map: the rest', 45),
  'cpu.findIovaCycles': cycles('unmap: find the I/O virtual address', 418),
  'cpu.freeIovaCycles': cycles('unmap: give it back', 62),
  'cpu.unmapTableCycles': cycles('unmap: clear the page table', 427),
  'cpu.unmapOtherCycles': cycles('unmap: the rest', 25),
  'cpu.deferCycles': cycles(
    'unmap that is queued for later: what it costs more than one that is not',
    308,
    'the same table: unmap of the deferred column, less the sum of the strict one without its invalidation',
  ),
  'cpu.invalidateCycles': cycles('submit an invalidation and spin until it is done', 2135),
  'cpu.copyByteCycles': figure('cycles', {
    meaning: 'copy a byte to or from a bounce buffer (SWIOTLB)',
    default: 0.25,
    most: 1e3,
    source: 'our choice: 12 GB/s at 3.1 GHz',
  }),
  'cpu.timerHz': count('Hz', {
    meaning:
      "ticks a second that the kernel's timers count in (CONFIG_HZ), so that a lazy flush comes after 12 to 16 ms with 250 " +
      'and 11 to 12 ms with 1,000; with 0 it comes after 10 ms',
    default: 0,
    least: 0,
    most: 1000,
    source:
      'Debian has 250, and so was Linux 6.12 recorded; 0 so that no figure depends on where in a tick a run begins',
  }),
  'invalidation.queueNs': figure('ns', {
    meaning: 'how long one invalidation keeps the queue from other CPUs: the unit takes one after the other',
    default: 200,
    most: 1e6,
    source:
      'our choice; below 400, as Rubin et al., SOSP 2024, receive 79 Gb/s in 4 KiB pages with one invalidation each',
  }),
  'invalidation.waiterNs': figure('ns', {
    meaning: 'what each CPU that waits for the queue adds to that: the lock goes from one to the next',
    default: 20,
    most: 1e6,
    source: 'our choice; experiment E16 has 400 under a hypervisor',
  }),
  'invalidation.hint': choice(['on', 'off'], {
    meaning:
      'whether the unit is told (IH) that an unmap freed no table, so that its paging-structure caches may stay',
    default: 'on',
    source:
      'on as Linux 6.12 was recorded; off as in Linux 6.0 (qi_flush_iotlb), the system of Rubin et al., SOSP 2024',
  }),
} as const;

/** How CPUs get into each other's way at the invalidation queue. */
export const queueTimesOf = (values: ValuesOf<typeof cpuParameters>): QueueTimes => ({
  heldNs: values['invalidation.queueNs'],
  waiterNs: values['invalidation.waiterNs'],
});

/** The costs that the kernel is charged. */
export function cpuCostOf(values: ValuesOf<typeof cpuParameters>): CpuCost {
  return {
    map: values['cpu.allocateIovaCycles'] + values['cpu.mapTableCycles'] + values['cpu.mapOtherCycles'],
    unmap:
      values['cpu.findIovaCycles'] +
      values['cpu.freeIovaCycles'] +
      values['cpu.unmapTableCycles'] +
      values['cpu.unmapOtherCycles'],
    defer: values['cpu.deferCycles'],
    invalidate: values['cpu.invalidateCycles'],
    copyByte: values['cpu.copyByteCycles'],
  };
}
