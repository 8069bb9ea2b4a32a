import { expect, test } from 'vitest';
import { compare, differenceText, expectationsOf } from '../../source/conformance/compare.ts';
import { readCases } from '../../source/conformance/read-cases.ts';
import { runCases } from '../../source/conformance/run-cases.ts';
import { unitDescription } from '../../source/conformance/unit.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';

const run = (entry: object, iommu: object = {}) =>
  runCases(readCases(JSON.stringify({ groups: [{ name: 'g', iommu, cases: [{ name: 'c', ...entry }] }] })))
    .groups[0].results[0].steps;

const words = {
  awBits: 48,
  scalableMode: false,
  firstStage: false,
  cachingMode: false,
  passThrough: true,
} as const;

test('the unit has the capability registers that QEMU reports for the same words', () => {
  const caps = (more: object) => {
    const { cap, ecap } = unitDescription({ ...words, ...more });
    return [cap.toString(16), ecap.toString(16)];
  };

  expect(unitDescription(words)).toEqual(presets.qemu);
  expect(caps({ awBits: 39 })).toEqual(['d2008c22260206', 'f00f4a']);
  expect(caps({ cachingMode: true })).toEqual(['d2008c222f0686', 'f00f4a']);
  expect(caps({ passThrough: false })).toEqual(['d2008c222f0606', 'f00f0a']);
  expect(caps({ scalableMode: true })).toEqual(['d2008c222f0606', '480080f00f4a']);
});

const tables = [
  ['0x100000', '0x101001'],
  ['0x101280', '0x110001', '0x102'],
  ['0x110000', '0x111003'],
  ['0x111000', '0x112003'],
  ['0x112000', '0x113003'],
  ['0x113000', '0x800003', '0x801001'],
];

test('answers have the documented form', () => {
  const steps = [
    ['enable'],
    ['dma', '00:05.0', 'fill', '0x0'],
    ['dma', '00:05.0', 'fill', '0x1234'],
    ['faults'],
    ['clearFaults'],
    ['poke', '0x800008', '0x5'],
    ['peek', '0x800008'],
    ['reg', 'FECTL', '0x0'],
    ['rdreg', 'FECTL'],
    ['inv', 'iotlb-global'],
    ['qi', [['0x11', '0x0']]],
  ];
  const watch = { '0x800000': '0x9696969696969696' };
  const fault = { reason: '0x5', sid: '00:05.0', addr: '0x1000', type: 'write' };

  expect(run({ mem: tables, watch: ['0x800000'], steps })).toEqual([
    { op: 'enable' },
    { op: 'dma', fault: null, fsts: '0x0', watch },
    { op: 'dma', fault, fsts: '0x2', watch },
    { op: 'faults', fsts: '0x2', pfo: false, ppf: true, fault },
    { op: 'clearFaults' },
    { op: 'poke' },
    { op: 'peek', addr: '0x800008', val: '0x5' },
    { op: 'reg' },
    { op: 'rdreg', reg: 'FECTL', val: '0x0' },
    { op: 'inv' },
    { op: 'qi', status: '0xabcd', iqh: '0x20', fsts: '0x0' },
  ]);
});

test('addresses need not be aligned, and a DMA may cross pages', () => {
  const steps = [
    ['enable'],
    ['dma', '00:05.0', 'invert', '0x3', 4],
    ['peek', '0x800001'],
    ['poke', '0x800ffd', '0x1122334455667788'],
    ['peek', '0x800ff8'],
    ['peek', '0x801000'],
  ];

  const answers = run({ mem: tables, steps });

  expect(answers[2]).toMatchObject({ val: '0xffffffff0000' });
  expect(answers[4]).toMatchObject({ val: '0x6677880000000000' });
  expect(answers[5]).toMatchObject({ val: '0x1122334455' });
});

test('every case starts with empty memory and a unit of its own', () => {
  const first = {
    name: 'first',
    mem: tables,
    steps: [['enable'], ['dma', '00:05.0', 'fill', '0x0'], ['qi', []]],
  };
  const second = {
    name: 'second',
    watch: ['0x800000'],
    steps: [
      ['dma', '00:05.0', 'read', '0x0'],
      ['rdreg', 'GSTS'],
      ['peek', '0x182000'],
    ],
  };
  const file = readCases(JSON.stringify({ groups: [{ name: 'g', cases: [first, second] }] }));

  expect(runCases(file).groups[0].results[1].steps).toEqual([
    { op: 'dma', fault: null, fsts: '0x0', watch: { '0x800000': '0x0' } },
    { op: 'rdreg', reg: 'GSTS', val: '0x0' },
    { op: 'peek', addr: '0x182000', val: '0x0' },
  ]);
});

test('the queue wraps at its end', () => {
  const many = ['qi', Array(200).fill(['0x12', '0x0'])];

  expect(run({ steps: [many, many, ['rdreg', 'IQT']] })).toEqual([
    { op: 'qi', status: '0xabcd', iqh: '0xc90', fsts: '0x0' },
    { op: 'qi', status: '0xabcd', iqh: '0x920', fsts: '0x0' },
    { op: 'rdreg', reg: 'IQT', val: '0x920' },
  ]);
});

test('differences are listed by group, case, step and field', () => {
  const expected = { op: 'dma', fault: null, fsts: 0, watch: { '0x800000': 1 } };
  const entry = {
    name: 'c',
    mem: tables,
    watch: ['0x800000'],
    steps: [['enable'], ['dma', '00:05.0', 'fill', '0x1000']],
    expect: [{ op: 'enable' }, expected],
  };
  const file = readCases(
    JSON.stringify({ groups: [{ name: 'g', cases: [entry, { name: 'd', steps: [] }] }] }),
  );

  expect(compare(runCases(file), expectationsOf(file)).map(differenceText)).toEqual([
    'group "g", case "c", step 2: fault should be null, got {"reason":"0x5","sid":"00:05.0","addr":"0x1000","type":"write"}',
    'group "g", case "c", step 2: fsts should be 0x0, got 0x2',
    'group "g", case "c", step 2: watch.0x800000 should be 0x1, got 0x0',
  ]);
});
