/**
 * The events of QEMU's `intel-iommu` device: what each means, and how its text is read. The formats are those
 * of `hw/i386/trace-events`, as QEMU 7.2 and 10.0 print them.
 */
import type { TraceEvent } from './event.ts';

export type EventReader = {
  readonly meaning: string;
  /** The shape of the text, and what it says; both missing where nothing here needs it. */
  readonly text?: RegExp;
  readonly read?: (groups: RegExpExecArray) => TraceEvent;
};

const noted = (meaning: string): EventReader => ({ meaning });

/** A pattern in which H stands for a hexadecimal number, X for one without 0x, and N for a decimal one. */
const shape = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replaceAll('H', '(0x[0-9a-f]{1,16})')
      .replaceAll('X', '([0-9a-f]{1,2})')
      .replaceAll('N', '(\\d{1,10})')}$`,
  );

const at = (bus: string, devfn: string): number => (Number(bus) << 8) | Number(devfn);
const bdf = (bus: string, device: string, fn: string): number =>
  (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device, 16) << 3) | Number.parseInt(fn, 16);

type Invalidation = Extract<TraceEvent, { kind: 'invalidation' }>;

const invalidation = (
  count: Invalidation['count'],
  granularity: Invalidation['granularity'],
  more: Partial<Invalidation> = {},
): Invalidation => ({
  kind: 'invalidation',
  count,
  granularity,
  did: null,
  sourceId: null,
  address: null,
  mask: null,
  ...more,
});

const context = (hit: boolean) => (g: RegExpExecArray) =>
  ({ kind: 'context', sourceId: at(g[1], g[2]), hit, high: g[3], low: g[4] }) as const;

const lookup = (hit: boolean) => (g: RegExpExecArray) =>
  ({ kind: 'lookup', sourceId: Number(g[1]), hit, iova: g[2], entry: g[3], did: Number(g[4]) }) as const;

export const events: Readonly<Record<string, EventReader>> = {
  // Requests.
  vtd_iotlb_cc_hit: {
    meaning: 'the context entry of a requester was found in the context cache',
    text: shape('IOTLB context hit bus H devfn H high H low H gen \\d+'),
    read: context(true),
  },
  vtd_iotlb_cc_update: {
    meaning: 'the context entry of a requester was read from memory, and cached',
    text: shape('IOTLB context update bus H devfn H high H low H gen \\d+ -> gen \\d+'),
    read: context(false),
  },
  vtd_iotlb_page_hit: {
    meaning: 'a page was found in the IOTLB',
    // A leaf entry of the second stage, or with first-stage tables of either.
    text: shape('IOTLB page hit sid H iova H (?:sl)?pte H domain H'),
    read: lookup(true),
  },
  vtd_iotlb_page_update: {
    meaning: 'a page was not in the IOTLB: the tables were walked, and the result cached',
    text: shape('IOTLB page update sid H iova H (?:sl)?pte H domain H'),
    read: lookup(false),
  },
  vtd_dmar_translate: {
    meaning: 'a request was translated',
    text: shape('dev X:X.X iova H -> gpa H mask H'),
    read: (g) => ({
      kind: 'translation',
      sourceId: bdf(g[1], g[2], g[3]),
      iova: g[4],
      output: g[5],
      mask: g[6],
    }),
  },
  vtd_translate_pt: {
    meaning: 'a request passed through; from then on QEMU leads the device around the unit',
    text: shape('source id H, iova H'),
    read: (g) => ({ kind: 'passed', sourceId: Number(g[1]), iova: g[2] }),
  },
  vtd_pt_enable_fast_path: noted('a device in pass-through is led around the unit'),

  // Faults.
  vtd_dmar_fault: {
    meaning: 'a request was refused; one access of 64 bytes makes 16 of these, 4 bytes each',
    text: shape('sid H fault N addr H write ([01])'),
    read: (g) => ({
      kind: 'fault',
      sourceId: Number(g[1]),
      reason: Number(g[2]),
      address: g[3],
      write: g[4] === '1',
    }),
  },
  vtd_frr_new: {
    meaning: 'a fault was stored in a fault recording register',
    text: shape('index N high H low H'),
    read: (g) => ({ kind: 'record', index: Number(g[1]), high: g[2], low: g[3] }),
  },
  vtd_fsts_ppf: {
    meaning: 'FSTS.PPF changed: a fault is recorded, or none is any more',
    text: shape('FSTS PPF bit set to ([01])'),
    read: (g) => ({ kind: 'pending', pending: g[1] === '1' }),
  },
  vtd_fsts_clear_ip: noted('the fault interrupt is no longer pending'),
  vtd_fault_disabled: noted('a fault was not recorded: FPD is set'),
  vtd_irq_generate: {
    meaning: 'the unit sent an interrupt of its own',
    text: shape('addr H data H'),
    read: () => ({ kind: 'unit interrupt' }),
  },

  // The way of a device's DMA.
  vtd_switch_address_space: {
    meaning: 'the DMA of a device is led through the unit, or around it',
    text: shape('Device X:X.X switching address space \\(iommu enabled=([01])\\)'),
    read: (g) => ({ kind: 'address space', sourceId: bdf(g[1], g[2], g[3]), remapped: g[4] === '1' }),
  },
  vtd_ce_not_present: {
    meaning: 'a context entry was read that is not present',
    text: shape('Context entry bus N devfn N not present'),
    read: (g) => ({ kind: 'not present', sourceId: at(g[1], g[2]) }),
  },
  vtd_re_not_present: noted('a root entry was read that is not present'),
  vtd_as_unmap_whole: noted('all mappings of a device were taken from its listeners'),
  vtd_replay_ce_valid: noted('the mappings of a device were told to its listeners'),
  vtd_replay_ce_invalid: noted('a device has no mappings to tell its listeners'),
  vtd_page_walk_level: noted('a table was walked for the listeners'),
  vtd_page_walk_one: noted('a mapping was told to the listeners'),
  vtd_page_walk_one_skip_map: noted('a mapping was known to the listeners'),
  vtd_page_walk_one_skip_unmap: noted('an unmapping was known to the listeners'),
  vtd_page_walk_skip_read: noted('a range was left out of a walk: no read permission'),
  vtd_page_walk_skip_reserve: noted('a range was left out of a walk: reserved bits'),

  // Invalidation.
  vtd_inv_desc_cc_global: {
    meaning: 'all context entries were invalidated',
    text: shape('context invalidate globally'),
    read: () => invalidation('context', 'global'),
  },
  vtd_inv_desc_cc_domain: {
    meaning: 'the context entries of a domain were invalidated',
    text: shape('context invalidate domain H'),
    read: (g) => invalidation('context', 'domain', { did: Number(g[1]) }),
  },
  vtd_inv_desc_cc_devices: {
    meaning: 'the context entries of a device, and of functions like it, were invalidated',
    text: shape('context invalidate devices sid H fmask H'),
    read: (g) => invalidation('context', 'device', { sourceId: Number(g[1]) }),
  },
  vtd_inv_desc_cc_device: noted('one device of such an invalidation'),
  vtd_inv_desc_iotlb_global: {
    meaning: 'the whole IOTLB was invalidated',
    text: shape('iotlb invalidate global'),
    read: () => invalidation('iotlb_global', 'global'),
  },
  vtd_inv_desc_iotlb_domain: {
    meaning: 'a domain was invalidated in the IOTLB',
    text: shape('iotlb invalidate whole domain H'),
    read: (g) => invalidation('iotlb_domain', 'domain', { did: Number(g[1]) }),
  },
  vtd_inv_desc_iotlb_pages: {
    meaning: 'pages of a domain were invalidated in the IOTLB',
    text: shape('iotlb invalidate domain H addr H mask H'),
    read: (g) => invalidation('iotlb_page', 'page', { did: Number(g[1]), address: g[2], mask: Number(g[3]) }),
  },
  vtd_inv_desc_iotlb_pasid: {
    meaning: 'a PASID of a domain was invalidated in the IOTLB',
    text: shape('iotlb invalidate domain H pasid H'),
    read: (g) => invalidation('iotlb_domain', 'domain', { did: Number(g[1]) }),
  },
  vtd_inv_desc_iotlb_pasid_pages: {
    meaning: 'pages of a PASID of a domain were invalidated in the IOTLB',
    text: shape('iotlb invalidate domain H addr H mask H pasid H'),
    read: (g) => invalidation('iotlb_page', 'page', { did: Number(g[1]), address: g[2], mask: Number(g[3]) }),
  },
  vtd_inv_desc_iec: {
    meaning: 'interrupt entries were invalidated',
    text: shape('granularity H index H mask H'),
    read: (g) => invalidation('interrupt_entry', Number(g[1]) === 0 ? 'global' : 'index'),
  },
  vtd_inv_desc_wait_sw: {
    meaning: 'a wait descriptor wrote its status',
    text: shape('wait invalidate status write addr H data H'),
    read: () => invalidation('wait', null),
  },
  vtd_inv_desc_wait_irq: {
    meaning: 'a wait descriptor asked for an interrupt',
    text: /^/,
    read: () => invalidation('wait', null),
  },
  vtd_inv_desc_wait_write_fail: noted('the status of a wait descriptor could not be written'),
  vtd_inv_desc: noted('a descriptor was fetched; what it did follows'),
  vtd_inv_qi_enable: noted('the invalidation queue was turned on or off'),
  vtd_inv_qi_setup: noted('where the invalidation queue lies'),
  vtd_inv_qi_head: noted('the head of the invalidation queue'),
  vtd_inv_qi_tail: noted('the tail of the invalidation queue'),
  vtd_inv_qi_fetch: noted('descriptors are fetched'),
  vtd_warn_invalid_qi_tail: noted('a wrong tail of the invalidation queue'),
  vtd_context_cache_reset: noted('the context cache was emptied'),
  vtd_iotlb_reset: noted('the IOTLB was emptied'),

  // Registers.
  vtd_reg_write_gcmd: {
    meaning: 'GCMD was written',
    text: shape('status H value H'),
    read: (g) => ({ kind: 'command', status: Number(g[1]) >>> 0, value: Number(g[2]) >>> 0 }),
  },
  vtd_dmar_enable: {
    meaning: 'DMA remapping was turned on or off',
    text: shape('enable ([01])'),
    read: (g) => ({ kind: 'enable', on: g[1] === '1' }),
  },
  vtd_reg_dmar_root: {
    meaning: 'the root table was set',
    text: shape('addr H scalable ([01])'),
    read: (g) => ({ kind: 'root', address: g[1], scalable: g[2] === '1' }),
  },
  vtd_reg_read: {
    meaning: 'a register was read; the value is not recorded',
    text: shape('addr H size H'),
    read: (g) => ({ kind: 'register', write: false, offset: Number(g[1]), value: null }),
  },
  vtd_reg_write: {
    meaning: 'a register was written',
    text: shape('addr H size H value H'),
    read: (g) => ({ kind: 'register', write: true, offset: Number(g[1]), value: g[3] }),
  },
  vtd_reg_write_fectl: noted('FECTL was written'),
  vtd_reg_write_iectl: noted('IECTL was written'),
  vtd_reg_ics_clear_ip: noted('the invalidation interrupt is no longer pending'),
  vtd_reg_ir_root: noted('the interrupt-remapping table was set'),
  vtd_reset_exit: noted('the unit was reset'),

  // Interrupts of devices.
  vtd_ir_remap_msi_req: {
    meaning: 'an interrupt reached the unit',
    text: shape('addr H data H'),
    read: () => ({ kind: 'interrupt request' }),
  },
  vtd_ir_enable: noted('interrupt remapping was turned on or off'),
  vtd_ir_irte_get: noted('an interrupt-remapping entry was read'),
  vtd_ir_remap: noted('an interrupt was remapped'),
  vtd_ir_remap_type: noted('what kind of interrupt it was'),
  vtd_ir_remap_msi: noted('an interrupt before and after'),
  vtd_warn_ir_vector: noted('an interrupt entry does not fit its interrupt'),
  vtd_warn_ir_trigger: noted('an interrupt entry does not fit its interrupt'),
};
