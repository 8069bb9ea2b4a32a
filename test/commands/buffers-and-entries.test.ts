/** What a driver maps and unmaps by command, and entries written by hand. */
import { describe, expect, test } from 'vitest';
import { LAZY, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

const quiet = (boot: string, first = 'mark') => {
  const on = session(boot);
  type(on, first);
  type(on, 'workload all stop');
  on.advance(on.simulation.now + 11e6);
  type(on, 'mark');
  return on;
};

describe('a buffer after its unmap', () => {
  test('is out of reach at once in strict mode', () => {
    const on = quiet(STRICT);
    type(on, 'map nic0; dma nic0 write buffer');
    expect(type(on, 'expect nic0.dma.landed = "nic0 buffer"').ok).toBe(true);
    type(on, 'unmap nic0; dma nic0 write buffer');
    expect(type(on, 'expect nic0.dma.fault = 0x05').ok).toBe(true);
  });

  test('is in reach in lazy mode while its translation is cached, for up to 10 ms', () => {
    const on = quiet(LAZY);
    type(on, 'map nic0; dma nic0 write buffer; unmap nic0');
    expect(type(on, 'expect nic0.page(buffer).W = 0').ok).toBe(true);
    expect(type(on, 'expect nic0.reachable_pages = 1').ok).toBe(true);
    type(on, 'dma nic0 write buffer');
    expect(type(on, 'expect nic0.dma.outcome = hit').ok).toBe(true);
    expect(on.snapshot().memory.corruptedPages).toBe(1);
    on.advance(on.simulation.now + 10e6);
    type(on, 'dma nic0 write buffer');
    expect(type(on, 'expect nic0.dma.outcome = blocked').ok).toBe(true);
    expect(type(on, 'expect nic0.reachable_pages = 0').ok).toBe(true);
  });

  test('that was never used is out of reach in lazy mode too', () => {
    const on = quiet(LAZY);
    type(on, 'map nic0; unmap nic0; dma nic0 write buffer');
    expect(type(on, 'expect nic0.dma.outcome = blocked').ok).toBe(true);
  });
});

test.each([
  [STRICT, 1000, 1000, 1000],
  [LAZY, 1000, 3, 0],
  [PASSTHROUGH, 0, 0, 0],
  ['', 0, 0, 0],
])('a thousand pages mapped, written and unmapped with "%s"', (boot, walks, waits, pages) => {
  const on = quiet(boot);
  type(on, 'cycle nic0 1000');
  for (const [name, count] of Object.entries({
    'nic0.requests': 1000,
    'nic0.page_walks': walks,
    'invalidations.wait': waits,
    'invalidations.iotlb_page': pages,
  })) {
    expect(type(on, `expect change(${name}) = ${count}`)).toMatchObject({ ok: true });
  }
});

test('2 MiB mapped whole take one translation, and page by page 512', () => {
  const entries = (boot: string, map: string) => {
    const on = quiet(boot);
    type(on, `${map}; dma nic0 write buffers 2097152`);
    expect(type(on, 'expect change(nic0.requests) = 512').ok).toBe(true);
    return on.simulation.machine.devices[0].counts;
  };
  const large = entries(LAZY, 'map nic0 1 2097152');
  const small = entries(LAZY, 'map nic0 512');
  expect(small[5] - small[6]).toBeGreaterThan(large[5] - large[6]);
});

describe('refused', () => {
  test.each([
    [LAZY, 'unmap nic0', 'no buffer is mapped for nic0'],
    [LAZY, 'dma nic0 write buffer', 'no buffer was mapped for nic0'],
    [LAZY, 'dma nic0 write buffers', 'no buffer is mapped for nic0'],
    [LAZY, 'device nic0 blocked; map nic0', 'no driver maps anything for it'],
    ['', 'entry nic0 context P=0', 'the tables of nic0 have no context entry'],
    [PASSTHROUGH, 'entry nic0 page 0x1000 W=1', 'the tables of nic0 have no page entry'],
    [PASSTHROUGH, 'entry nic0 context TT=4', 'context entry: TT has bits 3:2, got 0x4'],
    [LAZY, 'entry nic0 page 0x1000000 D=1', 'has no field D'],
  ])('"%s": %s', (boot, commands, why) => {
    expect(type(session(boot), commands)).toMatchObject({ ok: false, text: expect.stringContaining(why) });
  });
});

test('buffers go with the driver: another domain begins without them', () => {
  const on = quiet(LAZY);
  type(on, 'map nic0 8; device nic0 passthrough');
  expect(type(on, 'unmap nic0')).toMatchObject({ ok: false });
});

describe('an entry written by hand', () => {
  test('counts from the next request on, since the caches forget what they knew', () => {
    const on = quiet(PASSTHROUGH);
    type(on, 'dma nic0 write 0x1000000; entry nic0 context P=0; dma nic0 write 0x1000000');
    expect(type(on, 'expect nic0.dma.fault = 0x02').ok).toBe(true);
    type(on, 'entry nic0 context P=1 AW=001b; dma nic0 write 0x1000000');
    expect(type(on, 'expect nic0.dma.fault = 0x03').ok).toBe(true);
  });

  test.each([
    [LAZY, ['context', 'iotlb_domain']],
    [`${LAZY},sm_on`, ['context', 'pasid_cache', 'iotlb_domain', 'pasid_iotlb_all']],
  ])('is invalidated as Linux does it for that device alone: %s', (boot, kinds) => {
    const on = quiet(boot, boot === LAZY ? 'mark' : 'unit server');
    type(on, 'map nic0; dma nic0 write buffer; dma hba1 write 0x1000; mark; entry nic0 context P=0');
    for (const kind of kinds)
      expect(type(on, `expect change(invalidations.${kind}) = 1`).ok, kind).toBe(true);
    expect(type(on, `expect change(invalidations) = ${2 * kinds.length}`).ok).toBe(true);
    expect(type(on, 'expect hba1.iotlb_entries = 1').ok).toBe(true);
    expect(type(on, 'expect nic0.iotlb_entries = 0').ok).toBe(true);
  });

  test.each([LAZY, `${LAZY},sm_on`])('counts at once, whatever id the domain had: %s', (boot) => {
    const on = quiet(boot, boot === LAZY ? 'mark' : 'unit server');
    const table = boot === LAZY ? 'context' : 'pasid';
    type(on, `map nic0; dma nic0 write buffer; entry nic0 ${table} DID=77; dma nic0 write buffer`);
    expect(type(on, 'expect nic0.dma.outcome = walked').ok).toBe(true);
    type(on, `entry nic0 ${table} P=0; dma nic0 write buffer`);
    expect(type(on, 'expect nic0.dma.outcome = blocked').ok).toBe(true);
  });

  test('with FPD blocks without a record', () => {
    const on = quiet(PASSTHROUGH);
    type(on, 'mark; entry nic0 context P=0 FPD=1; dma nic0 write 0x1000000');
    expect(type(on, 'expect nic0.dma.fault = 0x02').ok).toBe(true);
    expect(type(on, 'expect change(faults_recorded) = 0').ok).toBe(true);
  });

  test('keeps the fields that were not named', () => {
    const on = quiet(LAZY);
    const of = (name: string) => on.apply({ name: 'expect', expression: `nic0.context.${name} = 0` }).text;
    const before = ['SSPTPTR', 'DID', 'AW'].map(of);
    type(on, 'entry nic0 context P=0');
    expect(['SSPTPTR', 'DID', 'AW'].map(of)).toEqual(before);
  });

  test('of a page takes its W away', () => {
    const on = quiet(PASSTHROUGH);
    type(on, 'dma hba1 write 0x200000; entry hba1 page 0x200000 W=0; dma hba1 write 0x200000');
    expect(type(on, 'expect hba1.dma.fault = 0x05').ok).toBe(true);
    type(on, 'dma hba1 read 0x200000');
    expect(type(on, 'expect hba1.dma.outcome = walked').ok).toBe(true);
  });
});
