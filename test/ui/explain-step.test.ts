import { expect, test } from 'vitest';
import { explainEnd, explainStep } from '../../source/ui/explain-step.ts';
import { indexGroups, walkShape, withIndex } from '../../source/ui/walk-indices.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { session, type } from '../support/session.ts';
import { strayWrite, transactions, walkSteps } from './fixture.ts';

const [walked, hit, refused] = transactions;

test('a walk reads as: who is it, what is cached, then table by table to the page', () => {
  expect(
    walkSteps
      .map((step) => explainStep(step, walked))
      .map(({ label, reads, meaning }) => [label, reads, meaning]),
  ).toEqual([
    ['context cache', '', 'look the device up in memory'],
    ['root entry', '0x000100050', 'context table 0x000105000'],
    ['context entry', '0x000105000', 'translated, 4 levels, domain 7'],
    ['IOTLB', 'did 7', 'not cached: walk the tables'],
    ['PML4[0]', '0x000200000', 'R W  next table 0x000201000'],
    ['PDPT[0]', '0x000201000', 'R W  next table 0x000202000'],
    ['PD[1]', '0x000202008', 'R W  next table 0x000203000'],
    ['PT[4]', '0x000203020', 'R W  page 0x08a204000'],
  ]);
});

test('the entry that refuses is named, with its bit', () => {
  const explained = explainStep(refused.steps[3], refused);

  expect(explained).toMatchObject({ label: 'PT[5]', meaning: 'no write permission', culprit: 'W' });
  expect(explained.why).toContain('W = 0: nobody has mapped this page for writing');
});

test('a device hears of a refused read, and nothing of a refused write, which is posted', () => {
  const write = explainEnd({ ...refused, type: 'write' }).why;
  expect(write).toContain('0x000205000 stays as it was');
  expect(write).toContain('nothing tells hba1');
  expect(explainEnd({ ...refused, type: 'read' }).why).toContain('hba1 gets Unsupported Request');
});

test('a hit says that nothing was read and that an old page may still be reached', () => {
  expect(explainStep(hit.steps[1], hit).why).toContain('not yet invalidated');
  expect(explainEnd(hit).why).toContain('no memory read');
});

test('passthrough costs a look at the context entry and no walk', () => {
  expect(explainStep(strayWrite.steps[3], strayWrite).why).toContain('no table is walked');
  expect(explainEnd(strayWrite)).toMatchObject({ reads: '0x001000000', meaning: 'kernel text' });
  expect(walkShape(strayWrite)).toBeNull();
});

test('every step of every request has a label, a meaning and a reason', () => {
  for (const transaction of [...transactions, strayWrite]) {
    for (const step of transaction.steps) {
      const { label, meaning, why } = explainStep(step, transaction);
      expect([label, meaning, why]).not.toContain('');
    }
  }
});

test('an address is cut into nine bits a level and the offset', () => {
  const labels = indexGroups('0x204a40', 4, 1).map(({ label }) => label);
  expect(labels).toEqual(['PML4 0', 'PDPT 0', 'PD 1', 'PT 4', 'offset 0xa40']);

  expect(indexGroups('0x1fe00123', 4, 2).map(({ label }) => label)).toEqual([
    'PML4 0',
    'PDPT 0',
    'PD 255',
    'offset 0x123',
  ]);
  expect(walkShape(walked)).toEqual({ levels: 4, leaf: 1 });
});

test('another index at a level leaves the levels above as they are', () => {
  expect(withIndex('0x204a40', 1, 5)).toBe('0x205000');
  expect(withIndex('0x8040204a40', 2, 3)).toBe('0x8040600000');
});

test('a pass-through that is refused says why, not that the address is used', () => {
  const on = session('intel_iommu=on,sm_on iommu=pt', { unit: presets.server });
  type(on, 'dma nic0 write 0x1000000000000000');
  const sent = on.simulation.journal.sent.get('nic0');
  const step = sent?.steps.find(({ stage }) => stage === 'pass-through');
  expect(explainStep(step!, sent!)).toMatchObject({ meaning: 'address above the host address width' });
});
