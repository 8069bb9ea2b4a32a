// What one translation costs, and one DMA of the whole machine: npm run bench
//
// The machine may be busy with other things, so the contenders take turns and each figure is a median; compare
// the figures of one run with each other, not with those of another.

import { newTenants } from '../source/experiments/tenants.ts';
import { valuesWith } from '../source/parameters/registry.ts';
import { Simulation } from '../source/simulation/simulation.ts';
import { contextEntry, TranslationType } from '../source/vtd/formats/context-entry.ts';
import { READ, WRITE } from '../source/vtd/formats/paging-entry.ts';
import { rootEntry } from '../source/vtd/formats/root-entry.ts';
import { PhysicalMemory } from '../source/vtd/memory.ts';
import { presets } from '../source/vtd/unit/capabilities.ts';
import { Iommu } from '../source/vtd/unit/iommu.ts';
import { Global, Offset } from '../source/vtd/unit/registers.ts';

const ROUNDS = 7;
const REQUESTS = 500_000;
const TRANSLATED = 0x0300;
const PASS_THROUGH = 0x0301;
const MAPPED_PAGES = 65_536;
const SIMULATED_NS = 50e6;

const tenantValues = valuesWith({ 'cap.ND': 6 });

const { translator } = newUnit();
let page = 0;

/** Nanoseconds a request; the requests jump through so many pages, the same way every time. */
function requests(sourceId: number, pages: number, access: number): number {
  const started = performance.now();
  for (let i = 0; i < REQUESTS; i++) {
    page = (page + 7919) % pages;
    translator.translate(sourceId, 0, page << 12, access);
  }
  return ((performance.now() - started) * 1e6) / REQUESTS;
}

const tenants = new Map(
  [16, 256, 1024, 4096].map((functions) => [functions, newTenants(tenantValues, functions)]),
);

/** Nanoseconds a request of one of so many functions of guests, at random. */
function tenantRequests(functions: number): number {
  const { request } = tenants.get(functions)!;
  const started = performance.now();
  for (let i = 0; i < REQUESTS; i++) request();
  return ((performance.now() - started) * 1e6) / REQUESTS;
}

/** Nanoseconds a DMA request of the whole machine, workloads, kernel and journal included. */
function machine(boot: string): number {
  const simulation = new Simulation({ boot, seed: 42 });
  const started = performance.now();
  simulation.advance(SIMULATED_NS);
  const made = simulation.machine.devices.reduce((sum, device) => sum + device.requests, 0);
  return ((performance.now() - started) * 1e6) / made;
}

const contenders: Readonly<Record<string, () => number>> = {
  'translate, IOTLB hit, 64 pages': () => requests(TRANSLATED, 64, READ),
  'translate, IOTLB miss, 65,536 pages': () => requests(TRANSLATED, MAPPED_PAGES, READ),
  'translate, pass-through': () => requests(PASS_THROUGH, MAPPED_PAGES, READ),
  'translate, fault': () => requests(TRANSLATED, 64, WRITE),
  'translate, 16 functions of guests': () => tenantRequests(16),
  'translate, 256 functions of guests': () => tenantRequests(256),
  'translate, 1,024 functions of guests': () => tenantRequests(1024),
  'translate, 4,096 functions of guests': () => tenantRequests(4096),
  'machine, intel_iommu=off': () => machine('intel_iommu=off'),
  'machine, intel_iommu=on iommu=pt': () => machine('intel_iommu=on iommu=pt'),
  'machine, intel_iommu=on': () => machine('intel_iommu=on'),
  'machine, intel_iommu=on iommu.strict=1': () => machine('intel_iommu=on iommu.strict=1'),
};

const results = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(contenders)) {
    const ns = run();
    // The first round warms up.
    if (round > 0) results.get(name)?.push(ns);
  }
}

console.log(`${`ns each, median of ${ROUNDS}`} (least to most)`.padStart(70));
for (const [name, figures] of results) {
  const sorted = figures.toSorted((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[ROUNDS >> 1], sorted[ROUNDS - 1]].map((ns) =>
    ns.toFixed(1),
  );
  console.log(`${name.padEnd(42)}${median.padStart(9)}   (${least} to ${most})`);
}

/** A unit with four-level tables for one device, read-only 4 KiB pages from 0 on, and a pass-through device. */
function newUnit(): Iommu {
  const memory = new PhysicalMemory(2 ** 28);
  const unit = new Iommu(memory, presets.skylake, () => {});
  memory.writeWords(0x1000 + 16 * 3, rootEntry.encode({ P: 1, CTP: 0x2000 }));
  memory.writeWords(0x2000, contextEntry.encode({ P: 1, SSPTPTR: 0x1_0000, AW: 2, DID: 5 }));
  memory.writeWords(0x2010, contextEntry.encode({ P: 1, TT: TranslationType.PASS_THROUGH, AW: 2, DID: 1 }));
  memory.write64(0x1_0000, 0, 0x1_1003);
  memory.write64(0x1_1000, 0, 0x1_2003);
  for (let table = 0; table < MAPPED_PAGES / 512; table++) {
    const pageTable = 0x10_0000 + table * 0x1000;
    memory.write64(0x1_2000 + 8 * table, 0, pageTable | 3);
    for (let entry = 0; entry < 512; entry++)
      memory.write64(pageTable + 8 * entry, 0, (0x800_0000 + entry * 0x1000) | READ);
  }
  unit.write64(Offset.RTADDR, 0, 0x1000);
  unit.write32(Offset.GCMD, Global.SRTP);
  unit.write32(Offset.GCMD, Global.TE);
  return unit;
}
