/** How long walks, the link and memory take, and how much is under way at a time. */
import { choice, count, figure } from './declaration.ts';

const fitted =
  'fitted to the bandwidths and latencies of Neugebauer et al., SIGCOMM 2018, by a closed-loop model';
const measured = 'Neugebauer et al., SIGCOMM 2018, raw data';
const pcieModel = 'PCIe model of the same authors, pcie-bench/pcie-model';

export const timingParameters = {
  'iotlb.fill': choice(['return', 'issue'], {
    meaning:
      'when a miss takes its place in the IOTLB: when the walk returns, or when it is issued, pending until then',
    default: 'return',
    source: `${fitted}: return for Broadwell, issue for Ivy Bridge`,
  }),
  'iotlb.merge': choice(['on', 'off'], {
    meaning: 'whether requests for a page that is being walked wait for that walk, or each walks',
    default: 'on',
    source: `${fitted}: on for Broadwell, off for Ivy Bridge`,
  }),
  'iotlb.order': choice(['any', 'inOrder'], {
    meaning: 'whether requests are looked up as they come, or each when the one before it is answered',
    default: 'any',
    source: 'our choice; in order is what the first-order model of Rubin et al., SOSP 2024, amounts to',
  }),
  walkers: count('walks', {
    meaning: 'page walks at a time',
    default: 6,
    most: 1024,
    source: fitted,
  }),
  'walk.ns': figure('ns', {
    meaning: 'a walk that reads memory once, alone',
    default: 300,
    most: 1e6,
    source: `${fitted}: 290 Broadwell, 300 Ivy Bridge`,
  }),
  'walk.busyNs': figure('ns', {
    meaning: 'what each other walk under way adds to a walk',
    default: 8,
    most: 1e6,
    source: `${fitted}: 4 Broadwell, 8 Ivy Bridge; the mechanism is not known`,
  }),
  'walk.readNs': figure('ns', {
    meaning: 'each memory read of a walk after the first',
    default: 100,
    most: 1e6,
    source: 'Rubin et al., SOSP 2024, an illustration there',
  }),
  'link.generation': count('', {
    meaning: 'PCI Express generation',
    default: 3,
    most: 5,
    source: measured,
  }),
  'link.lanes': count('lanes', { meaning: 'lanes of the link', default: 8, most: 32, source: measured }),
  'link.maxPayloadBytes': count('B', {
    meaning: 'maximum payload of a packet',
    default: 256,
    least: 64,
    most: 4096,
    source: measured,
  }),
  'link.readRequestBytes': count('B', {
    meaning: 'maximum read request',
    default: 512,
    least: 64,
    most: 4096,
    source: pcieModel,
  }),
  'link.writeOverheadBytes': count('B', {
    meaning: 'framing and header of a memory write with a 64-bit address',
    default: 24,
    least: 0,
    most: 256,
    source: pcieModel,
  }),
  'link.readOverheadBytes': count('B', {
    meaning: 'likewise of a memory read request',
    default: 24,
    least: 0,
    most: 256,
    source: pcieModel,
  }),
  'link.completionOverheadBytes': count('B', {
    meaning: 'likewise of a completion with data',
    default: 20,
    least: 0,
    most: 256,
    source: pcieModel,
  }),
  'read.warmNs': figure('ns', {
    meaning: 'round trip of a 64-byte read that hits in the IOTLB and in the last-level cache',
    default: 540,
    most: 1e6,
    source: `${measured}: 538 Broadwell, 541 Ivy Bridge`,
  }),
  'read.coldNs': figure('ns', {
    meaning: 'likewise, with its line in memory alone',
    default: 615,
    most: 1e6,
    source: `${measured}: 612 Broadwell, 618 Ivy Bridge`,
  }),
  'read.byteNs': figure('ns', {
    meaning: 'each byte of a read above 64',
    default: 0.33,
    most: 1000,
    source: `${measured}: 552 ns for 64 B, 701 for 512 B`,
  }),
  'read.outstanding': count('requests', {
    meaning: 'requests a device keeps under way',
    default: 35,
    most: 65_536,
    source: "Little's law on the bandwidths of the same data",
  }),
  'write.ns': figure('ns', {
    meaning: 'from the translation of a posted write until its buffer is free again',
    default: 224,
    most: 1e6,
    source: `${measured}: write then read 776 ns, less a read of 552`,
  }),
  'write.bufferLines': count('lines', {
    meaning: 'cache lines of posted writes that the root complex buffers',
    default: 100,
    most: 65_536,
    source: 'Rubin et al., SOSP 2024',
  }),
  'llc.bytes': count('B', {
    meaning: 'what a device finds of its data in the last-level cache at most',
    default: 1.5 * 2 ** 20,
    least: 0,
    most: 2 ** 40,
    source: `${fitted}: a tenth of the cache, the share that DDIO uses`,
  }),
  'device.readGbps': figure('Gb/s', {
    meaning: 'fastest that the device asks for data; 0 is no limit of its own',
    default: 0,
    most: 1e6,
    source: 'plateaus of the same data',
  }),
  'device.writeGbps': figure('Gb/s', {
    meaning: 'fastest that the device writes; 0 is no limit of its own',
    default: 0,
    most: 1e6,
    source: 'plateaus of the same data: 24.27 for 64 B',
  }),
} as const;
