/**
 * Sets of parameters that were fitted to published data, each named after the data that it fits and not after the
 * hardware: Intel publishes none of these figures, and no single set fits one machine in all ways.
 */
import type { Overrides } from './registry.ts';

export type Preset = { readonly meaning: string; readonly source: string; readonly values: Overrides };

const pcieBench = 'Neugebauer et al., SIGCOMM 2018, raw data (github.com/pcie-bench/data)';

const mapCost =
  'Malka et al., "rIOMMU", ASPLOS 2015, table 1, recalled and not checked: a model default, no citation';

/** A Xeon E5-2630v4 under load. */
const broadwell = {
  'iotlb.entries': 64,
  'iotlb.ways': 'full',
  'iotlb.fill': 'return',
  'iotlb.merge': 'on',
  walkers: 6,
  'walk.ns': 290,
  'walk.busyNs': 4,
  'read.warmNs': 538,
  'read.coldNs': 612,
  'read.outstanding': 35,
  'llc.bytes': 2.5 * 2 ** 20,
} as const satisfies Overrides;

export const presets = {
  'published-64': {
    meaning: 'bandwidth of a Xeon E5-2630v4 (Broadwell); its latencies near the knee come out too high',
    source: `${pcieBench}; 64 entries as inferred in the paper`,
    values: broadwell,
  },
  'ib-128': {
    meaning: 'bandwidth and latency of a Xeon E5-2620v2 (Ivy Bridge)',
    source: pcieBench,
    values: {
      'iotlb.entries': 128,
      'iotlb.ways': 'full',
      'iotlb.fill': 'issue',
      'iotlb.merge': 'off',
      walkers: 6,
      'walk.ns': 300,
      'walk.busyNs': 8,
      'read.warmNs': 541,
      'read.coldNs': 618,
      'read.outstanding': 35,
      'llc.bytes': 1.5 * 2 ** 20,
    },
  },
  'broadwell-117': {
    meaning:
      'latency of a Xeon E5-2630v4 (Broadwell), one read at a time; its bandwidth at the knee comes out too high',
    source: pcieBench,
    values: { ...broadwell, 'iotlb.entries': 117 },
  },
  'fast-and-safe': {
    meaning:
      'receive side of a Xeon Gold 6234 (Cascade Lake) under Linux 6.0; 64 entries of PTcache-L3, as the paper supposes',
    source:
      'Rubin et al., SOSP 2024: 197 ns a memory read; one request after the other, as its first-order model has it',
    values: {
      'iotlb.entries': 64,
      'iotlb.ways': 'full',
      'iotlb.order': 'inOrder',
      'pagingCache.l3.entries': 64,
      walkers: 1,
      'walk.ns': 197,
      'walk.readNs': 197,
      'walk.busyNs': 0,
      'link.lanes': 16,
      'write.ns': 100,
      'cpu.ghz': 3.3,
      'invalidation.hint': 'off',
    },
  },
  'iotlb-wall': {
    meaning:
      'receive side of a Xeon 6346 (Ice Lake) at 200 Gb/s: the walk is fitted to where its throughput ends, the entries to its misses with 2 MiB pages',
    source: 'Farshin, doctoral dissertation, KTH 2023, figures 4.1, 4.2, 4.13 and 4.14',
    values: {
      'iotlb.entries': 184,
      'iotlb.ways': 'full',
      'iotlb.order': 'inOrder',
      walkers: 1,
      'walk.ns': 108,
      'walk.readNs': 108,
      'walk.busyNs': 0,
      'link.generation': 4,
      'link.lanes': 16,
      'write.ns': 100,
    },
  },
  'map-cost-strict': {
    meaning: 'cycles of map and unmap, column strict',
    source: mapCost,
    values: {
      'cpu.allocateIovaCycles': 3986,
      'cpu.mapTableCycles': 588,
      'cpu.mapOtherCycles': 44,
      'cpu.findIovaCycles': 249,
      'cpu.freeIovaCycles': 159,
      'cpu.unmapTableCycles': 438,
      'cpu.unmapOtherCycles': 26,
      'cpu.deferCycles': 0,
      'cpu.invalidateCycles': 2127,
    },
  },
  'map-cost-strict+': {
    meaning: 'cycles of map and unmap, column strict+',
    source: mapCost,
    values: {
      'cpu.allocateIovaCycles': 92,
      'cpu.mapTableCycles': 590,
      'cpu.mapOtherCycles': 45,
      'cpu.findIovaCycles': 418,
      'cpu.freeIovaCycles': 62,
      'cpu.unmapTableCycles': 427,
      'cpu.unmapOtherCycles': 25,
      'cpu.deferCycles': 0,
      'cpu.invalidateCycles': 2135,
    },
  },
  'map-cost-defer': {
    meaning: 'cycles of map and unmap, column defer',
    source: mapCost,
    values: {
      'cpu.allocateIovaCycles': 1674,
      'cpu.mapTableCycles': 533,
      'cpu.mapOtherCycles': 44,
      'cpu.findIovaCycles': 263,
      'cpu.freeIovaCycles': 189,
      'cpu.unmapTableCycles': 471,
      'cpu.unmapOtherCycles': 205,
      'cpu.deferCycles': 0,
      'cpu.invalidateCycles': 2127,
    },
  },
  'map-cost-defer+': {
    meaning: 'cycles of map and unmap, column defer+',
    source: mapCost,
    values: {
      'cpu.allocateIovaCycles': 108,
      'cpu.mapTableCycles': 577,
      'cpu.mapOtherCycles': 42,
      'cpu.findIovaCycles': 454,
      'cpu.freeIovaCycles': 57,
      'cpu.unmapTableCycles': 504,
      'cpu.unmapOtherCycles': 216,
      'cpu.deferCycles': 0,
      'cpu.invalidateCycles': 2135,
    },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

export const presetNames = Object.keys(presets) as PresetName[];
