import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { totals } from '../../../source/sources/qemu-trace/totals.ts';
import { parseTrace } from '../../../source/sources/qemu-trace/trace.ts';
import { type Recording, recording } from './fixtures.ts';

/**
 * Counted apart from the reader: `zcat on.trace.gz | grep -c ':vtd_iotlb_page_hit '` and so on, and for all
 * lines `zcat on.trace.gz | grep -vc '^#'`.
 */
const counted: Readonly<Record<Recording, Readonly<Record<string, number>>>> = {
  on: {
    lines: 11_488,
    vtd_dmar_translate: 4477,
    vtd_iotlb_page_hit: 3136,
    vtd_iotlb_page_update: 1345,
    vtd_dmar_fault: 16,
    vtd_frr_new: 1,
    vtd_iotlb_cc_hit: 1356,
    vtd_iotlb_cc_update: 5,
    vtd_inv_desc_cc_global: 1,
    vtd_inv_desc_cc_devices: 4,
    vtd_inv_desc_iotlb_pages: 3,
    vtd_inv_desc_iotlb_domain: 39,
    vtd_inv_desc_iotlb_global: 1,
    vtd_inv_desc_iec: 65,
    vtd_inv_desc_wait_sw: 113,
  },
  'on-pt': {
    lines: 863,
    vtd_dmar_translate: 2,
    vtd_iotlb_page_hit: 0,
    vtd_iotlb_page_update: 2,
    vtd_dmar_fault: 16,
    vtd_frr_new: 1,
    vtd_iotlb_cc_hit: 17,
    vtd_iotlb_cc_update: 1,
    vtd_inv_desc_cc_global: 1,
    vtd_inv_desc_cc_devices: 3,
    vtd_inv_desc_iotlb_pages: 4,
    vtd_inv_desc_iotlb_domain: 3,
    vtd_inv_desc_iotlb_global: 1,
    vtd_inv_desc_iec: 65,
    vtd_inv_desc_wait_sw: 77,
  },
  'on-strict': {
    lines: 13_793,
    vtd_dmar_translate: 3213,
    vtd_iotlb_page_hit: 2319,
    vtd_iotlb_page_update: 895,
    vtd_dmar_fault: 16,
    vtd_frr_new: 1,
    vtd_iotlb_cc_hit: 906,
    vtd_iotlb_cc_update: 5,
    vtd_inv_desc_cc_global: 1,
    vtd_inv_desc_cc_devices: 4,
    vtd_inv_desc_iotlb_pages: 627,
    vtd_inv_desc_iotlb_domain: 4,
    vtd_inv_desc_iotlb_global: 1,
    vtd_inv_desc_iec: 62,
    vtd_inv_desc_wait_sw: 699,
  },
  off: {
    lines: 625,
    vtd_dmar_translate: 0,
    vtd_iotlb_page_hit: 0,
    vtd_iotlb_page_update: 0,
    vtd_dmar_fault: 0,
    vtd_frr_new: 0,
    vtd_iotlb_cc_hit: 0,
    vtd_iotlb_cc_update: 0,
    vtd_inv_desc_cc_global: 0,
    vtd_inv_desc_cc_devices: 0,
    vtd_inv_desc_iotlb_pages: 0,
    vtd_inv_desc_iotlb_domain: 0,
    vtd_inv_desc_iotlb_global: 0,
    vtd_inv_desc_iec: 64,
    vtd_inv_desc_wait_sw: 64,
  },
};

const report = async (name: Recording) => totals(await recording(name));
const phase = ({ phases }: ReturnType<typeof totals>, name: string) =>
  phases.find((each) => each.name.startsWith(name));

test.each(Object.keys(counted) as Recording[])('the totals of %s are the lines in the file', async (name) => {
  const { lines, otherLines, counters } = await report(name);
  const of = (event: string) => counted[name][`vtd_${event}`];
  expect({ lines, otherLines }).toEqual({ lines: counted[name].lines, otherLines: 0 });
  expect(counters).toEqual({
    translations: of('dmar_translate'),
    iommu_requests: of('dmar_translate') + of('dmar_fault'),
    ctxt_cache_lookup: of('iotlb_cc_hit') + of('iotlb_cc_update'),
    ctxt_cache_hit: of('iotlb_cc_hit'),
    iotlb_lookup: of('iotlb_page_hit') + of('iotlb_page_update') + of('dmar_fault'),
    iotlb_hit: of('iotlb_page_hit'),
    page_walks: of('iotlb_page_update'),
    faults: of('dmar_fault'),
    faults_recorded: of('frr_new'),
    iommu_mrds: null,
    ss_nonleaf_lookup: null,
    pasid_cache_lookup: null,
    pasid_cache_hit: null,
    fs_nonleaf_lookup: null,
    fs_nonleaf_hit: null,
    ss_nonleaf_hit: null,
    interrupt_requests: null,
    interrupts_blocked: null,
    interrupts_posted: null,
    int_cache_lookup: null,
    int_cache_hit_nonposted: null,
    int_cache_hit_posted: null,
    translation_requests: null,
    translated_requests: null,
    ats_blocked: null,
    pg_req_posted: null,
    protected_blocked: null,
    invalidations: {
      context: of('inv_desc_cc_global') + of('inv_desc_cc_devices'),
      iotlb_page: of('inv_desc_iotlb_pages'),
      iotlb_domain: of('inv_desc_iotlb_domain'),
      iotlb_global: of('inv_desc_iotlb_global'),
      interrupt_entry: of('inv_desc_iec'),
      device_tlb: 0,
      pasid_cache: 0,
      pasid_iotlb_page: 0,
      pasid_iotlb_all: 0,
      wait: of('inv_desc_wait_sw'),
    },
  });
});

test.each(Object.keys(counted) as Recording[])('in %s the devices and the phases add up', async (name) => {
  const { counters, devices, phases, lines } = await report(name);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  expect(sum(devices.map(({ iotlb_hit }) => iotlb_hit))).toBe(counters.iotlb_hit);
  expect(sum(devices.map(({ requests }) => requests))).toBe(counters.iommu_requests);
  expect(sum(phases.map((each) => each.counters.page_walks ?? 0))).toBe(counters.page_walks);
  expect(sum(phases.map((each) => each.counters.invalidations.wait))).toBe(counters.invalidations.wait);
  expect(sum(phases.map(({ kept }) => kept ?? 0))).toBe(lines);
});

test('the devices have the names and addresses of the QEMU command', async () => {
  const { devices } = await report('on');
  expect(
    devices.map(({ name, bdf, translations, domains }) => ({ name, bdf, translations, domains })),
  ).toEqual([
    // zcat on.trace.gz | grep -c 'vtd_dmar_translate dev 00:03.00', and so on
    { name: 'nvme', bdf: '00:03.0', translations: 1418, domains: [3] },
    { name: 'virtio-blk', bdf: '00:04.0', translations: 1077, domains: [4] },
    { name: 'e1000e', bdf: '00:05.0', translations: 67, domains: [5] },
    { name: 'virtio-net', bdf: '00:06.0', translations: 1913, domains: [6] },
    { name: 'edu', bdf: '00:08.0', translations: 2, domains: [7] },
  ]);
});

test('lazily, reading the NVMe disk makes one flush; strictly, a page-selective one for each request', async () => {
  const lazy = phase(await report('on'), 'dd-nvme-read');
  const strict = phase(await report('on-strict'), 'dd-nvme-read');
  expect(lazy).toMatchObject({ lines: 5941, kept: 2500, counters: { translations: 1025, page_walks: 440 } });
  expect(lazy?.counters.invalidations).toMatchObject({ iotlb_page: 0, iotlb_domain: 1, wait: 1 });
  expect(strict?.counters).toMatchObject({ translations: 942, page_walks: 399 });
  expect(strict?.counters.invalidations).toMatchObject({ iotlb_page: 24, iotlb_domain: 0, wait: 24 });
});

test('with iommu=pt no host device is translated; only the device of VFIO is', async () => {
  const { boot, unit, devices, phases } = await report('on-pt');
  expect(boot).toBe('intel_iommu=on iommu=pt');
  expect(unit.translation).toBe(true);
  for (const { name, requests, iotlb_lookup } of devices) {
    expect({ name, requests, iotlb_lookup }).toEqual(
      name === 'edu' ? { name, requests: 18, iotlb_lookup: 18 } : { name, requests: 0, iotlb_lookup: 0 },
    );
  }
  const used = phases.filter(({ counters }) => (counters.iommu_requests ?? 0) > 0).map(({ name }) => name);
  expect(used).toEqual(['vfio-dma-read', 'vfio-dma-write', 'vfio-dma-after-unmap']);
});

test('with intel_iommu=off translation stays off and there is nothing but interrupt entries', async () => {
  const { unit, counters } = await report('off');
  expect(unit).toEqual({
    translation: false,
    // QIES, IRES and IRTPS: interrupt remapping is on all the same.
    gsts: '0x7000000',
    rtaddr: '0x0',
    translationOnNs: null,
    translationOffNs: null,
  });
  expect(counters.iommu_requests).toBe(0);
  expect(counters.invalidations).toMatchObject({ interrupt_entry: 64, wait: 64, iotlb_page: 0, context: 0 });
});

test('the registers follow from the last writes: translation is off again after the shutdown', async () => {
  const { unit } = await report('on');
  expect(unit).toMatchObject({ translation: true, gsts: '0x47000000', rtaddr: '0x1a4f000' });
  expect(unit.translationOnNs).toBeLessThan(unit.translationOffNs as number);
});

test('DMA after unmap makes 16 fault lines of 4 bytes each, one record, and one kernel message', async () => {
  const { faults } = await report('on');
  expect(faults).toHaveLength(16);
  expect(faults.map(({ address }) => Number(address))).toEqual(
    Array.from({ length: 16 }, (_, i) => 0x102000 + 4 * i),
  );
  expect(faults[0]).toMatchObject({
    device: 'edu',
    bdf: '00:08.0',
    type: 'write',
    reason: '0x05',
    // As the guest's console has it, on.serial.log.
    dmesg:
      'DMAR: [DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set',
  });
  expect(faults.slice(1).every(({ dmesg }) => dmesg === null)).toBe(true);
});

test('interrupts are counted where they were recorded', () => {
  const trace = parseTrace(
    '1@10.000000:vtd_ir_remap_msi_req addr 0xfee00030 data 0x2\n1@10.000001:vtd_ir_remap_type MSI\n',
    'interrupts',
  );
  expect(totals(trace).counters.interrupt_requests).toBe(1);
});

test('a device that is not on the command line goes by its address, and no command line is no harm', () => {
  const trace = parseTrace(
    '1@10.000000:vtd_iotlb_page_hit IOTLB page hit sid 0x18 iova 0xffffe080 slpte 0x1f181003 domain 0x3\n' +
      '1@10.000002:vtd_dmar_translate dev 00:03.00 iova 0xffffe000 -> gpa 0x1f181000 mask 0xfff\n',
    'bare.trace',
  );
  expect(totals(trace)).toMatchObject({
    boot: null,
    recordedNs: 2000,
    devices: [{ name: '00:03.0', bdf: '00:03.0', translations: 1, iotlb_hit: 1, domains: [3] }],
    phases: [],
  });
});

test('the page about replays explains every field of the report', async () => {
  const page = readFileSync('docs/replay.md', 'utf8');
  const { phases, devices, faults, counters, unit, ...rest } = await report('on');
  const { invalidations, ...counts } = counters;
  const fields = [rest, unit, counts, invalidations, devices[0], faults[0], phases[0]].flatMap(Object.keys);
  for (const field of [...fields, 'unit', 'counters', 'invalidations', 'devices', 'faults', 'phases']) {
    expect(page).toContain(`\`${field}\``);
  }
});
