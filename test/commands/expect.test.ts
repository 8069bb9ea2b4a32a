import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../source/commands/expect/check.ts';
import { parseExpression } from '../../source/commands/expect/expression.ts';
import { countsOf, nameMeanings, namesOfDevices, plainNames } from '../../source/commands/expect/values.ts';
import { LAZY, PASSTHROUGH, session, type } from '../support/session.ts';

const on = session(PASSTHROUGH);
on.advance(1e6);
type(on, 'dma nic0 write 0x1000000');
const moment = { simulation: on.simulation, since: new Map<string, number>(), refusal: '' };
const holds = (expression: string) => check(expression, moment).holds;

test.each([
  'gsts.TES = 1',
  'ecap.PT = 1',
  'nic0.lane = passthrough',
  'nic0.domain != DMA-FQ',
  'nic0.owner = "host"',
  'gpu0.owner = "guest A"',
  'nic0.context.TT = 2',
  'nic0.context.TT = 10b',
  'nic0.context.DID = nic0.did',
  'nic0.dma.outcome = passed',
  'nic0.dma.landed = "kernel text"',
  'nic0.dma.output = 0x1000000',
  'nic0.write(0xffffffffffff0000).fault = 0x04',
  'hba1.read(0x1000).output = 0x8a001000',
  'tb0.write(0x1000000).outcome = blocked',
  'iotlb_hit <= iotlb_lookup',
  'change(nic0.requests) = nic0.requests',
  'nic0.page_walks + 2 * 3 = 6',
  '(1 + 2) * 3 - 9 / 3 = 6',
  'dmesg has "DMAR: IOMMU enabled"',
  'events lacks "no such thing"',
  'nic0.dma.steps has "pass-through"',
  'corrupted_pages > 0',
])('%s', (expression) => {
  expect(check(expression, moment)).toMatchObject({ holds: true });
});

test('a false one says what was there instead', () => {
  expect(check('nic0.lane = blocked', moment)).toMatchObject({ holds: false, got: 'passthrough' });
  expect(check('nic0.dma.output = 0x2000000', moment)).toMatchObject({ holds: false, got: '0x1000000' });
  expect(check('nic0.page(0x1000).W = 1', moment)).toMatchObject({
    holds: false,
    got: 'the tables of nic0 have no page entry for that',
  });
});

test('each comparison is the one of arithmetic', () => {
  const number = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(number, number, (a, b) => {
      const found = ['=', '!=', '<', '<=', '>', '>='].map((operator) => holds(`${a} ${operator} ${b}`));
      expect(found).toEqual([a === b, a !== b, a < b, a <= b, a > b, a >= b]);
      expect(holds(`${a} + ${b} = ${a + b}`)).toBe(true);
      expect(holds(`${a} - ${b} - ${a} = 0 - ${b}`)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test('what is measured is a row with the values of the moment, until it is emptied', () => {
  const of = session(PASSTHROUGH);
  expect(type(of, 'measure cold: TT = nic0.context.TT, requests = nic0.requests').ok).toBe(true);
  type(of, 'dma nic0 write 0x1000000');
  type(of, 'measure hot: requests = nic0.requests * 2, way = nic0.lane, fault = nic0.dma.fault');
  expect(of.measured).toEqual([
    {
      row: 'cold',
      values: [
        { heading: 'TT', value: '10b' },
        { heading: 'requests', value: 0 },
      ],
    },
    {
      row: 'hot',
      values: [
        { heading: 'requests', value: 2 },
        { heading: 'way', value: 'passthrough' },
        { heading: 'fault', value: '0' },
      ],
    },
  ]);
  expect(type(of, 'measure wrong: DMA = hba1.dma.output')).toMatchObject({
    ok: false,
    text: 'no DMA of hba1 was sent by command',
  });
  expect(of.measured).toHaveLength(2);
});

test('asking changes nothing', () => {
  const before = countsOf(on.simulation);
  for (const name of [...plainNames, ...namesOfDevices.map((tail) => `hba1.${tail}`)]) {
    check(`${name} has "x"`, moment);
  }
  expect(countsOf(on.simulation)).toEqual(before);
});

test('every documented name can be asked for', () => {
  for (const { name } of nameMeanings) {
    const asked = name.replace('<device>', 'nic0').replace('<FIELD>', '').replace('<count>', 'faults');
    if (!asked.endsWith('.')) expect(() => parseExpression(`${asked} has "x"`)).not.toThrow();
  }
});

describe('change(…)', () => {
  test('counts from the mark on, and from boot before it', () => {
    const running = session(LAZY);
    type(running, 'workload all stop');
    running.advance(11e6);
    type(running, 'mark; map nic0; dma nic0 write buffer; dma nic0 write buffer');
    expect(type(running, 'expect change(nic0.iotlb_lookup) = 2').ok).toBe(true);
    expect(type(running, 'expect change(nic0.iotlb_hit) = 1').ok).toBe(true);
    type(running, 'boot intel_iommu=on');
    expect(type(running, 'expect change(iommu_requests) = iommu_requests').ok).toBe(true);
  });
});

test('a refusal can be expected, and is forgotten by the next command', () => {
  const running = session(PASSTHROUGH);
  type(running, 'device tb0 passthrough');
  expect(type(running, 'expect refused has "untrusted"').ok).toBe(true);
  type(running, 'mark');
  expect(type(running, 'expect refused = ""').ok).toBe(true);
});

test('any text is an expression or says what was expected', () => {
  const part = fc.constantFrom(
    'nic0.faults',
    '=',
    '1',
    'change',
    '(',
    ')',
    '+',
    '"x"',
    'has',
    'nic0',
    '.W',
    'é',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join(' ')),
  );
  fc.assert(
    fc.property(text, (expression) => {
      try {
        parseExpression(expression);
      } catch (error) {
        expect((error as Error).message).toMatch(/^expected /);
      }
    }),
    { numRuns: 1000 },
  );
});
