import { expect, test } from 'vitest';
import { MalformedCase } from '../../source/conformance/errors.ts';
import { readCases } from '../../source/conformance/read-cases.ts';
import { writeCases } from '../../source/conformance/write-cases.ts';
import { fixtures } from '../oracle/fixture-files.ts';

const fileWith = (entry: unknown, iommu: unknown = {}): string =>
  JSON.stringify({ groups: [{ name: 'g', iommu, cases: [entry] }] });

const caseWith = (...steps: unknown[]): string => fileWith({ name: 'c', steps });

test('numbers are hex strings or decimal numbers, and all but the steps has a default', () => {
  const { groups } = readCases(caseWith(['dma', '01:00.0', 'fill', 4096], ['poke', '0x800000', '12', 7]));

  expect(groups[0].unit).toEqual({
    awBits: 48,
    scalableMode: false,
    firstStage: false,
    cachingMode: false,
    passThrough: true,
  });
  expect(groups[0].cases[0]).toMatchObject({ rtaddr: 0x10_0000n, scalable: false, watch: [], expect: null });
  expect(groups[0].cases[0].steps).toEqual([
    { op: 'dma', device: 0x100, transfer: 'fill', address: 4096n, length: 8 },
    { op: 'poke', address: 0x80_0000, qwords: [12n, 7n] },
  ]);
});

test.each(Object.entries(fixtures))('%s is the same after it was written and read again', (_, file) => {
  expect(readCases(writeCases(file))).toEqual(file);
});

const step = 'group "g", case "c", step 1';

test.each([
  ['{', 'the file: expected JSON'],
  ['[]', 'the file: expected the file as an object, got []'],
  ['{"group": []}', 'the file: expected the file with the keys groups, got "group"'],
  ['{"groups": [{}]}', 'group "#1": expected a name as a string, got nothing'],
  [fileWith({}), 'group "g", case "#1": expected a name as a string, got nothing'],
  [fileWith({ name: 'c', step: [] }), 'expected a case with the keys name, scalable, rtaddr'],
  [fileWith({ name: 'c' }), 'group "g", case "c": expected steps as an array, got nothing'],
  [
    fileWith({ name: 'c', mem: [['0x800000']], steps: [] }),
    'at least one qword after the address of a block',
  ],
  [
    fileWith({ name: 'c', watch: ['0x1ffffff9'], steps: [] }),
    'memory, which ends at 0x20000000, got "0x1ffffff9"',
  ],
  [fileWith({ name: 'c', steps: [] }, { 'aw-bits': 57 }), 'group "g": expected aw-bits: 39 or 48, got 57'],
  [fileWith({ name: 'c', steps: [] }, { pt: 'yes' }), 'group "g": expected pt: one of on, off, got "yes"'],
  [fileWith({ name: 'c', steps: [] }, { 'x-flts': 'on' }), 'x-scalable-mode=on with x-flts=on'],
  [caseWith('enable'), `${step}: expected a step as an array, got "enable"`],
  [caseWith(['enabled']), `${step}: expected a step: one of enable,`],
  [caseWith(['enable', 1]), `${step}: expected no operand, got 1`],
  [caseWith(['dma', '00:04.0', 'fill', 0]), 'a device: one of 00:05.0, 00:06.0, 01:00.0, got "00:04.0"'],
  [caseWith(['dma', '00:05.0', 'write', 0]), 'a kind of DMA: one of fill, clear, invert, read, got "write"'],
  [caseWith(['dma', '00:05.0', 'fill', '1.5']), 'an address as a hex string or a decimal number'],
  [caseWith(['dma', '00:05.0', 'fill', -1]), 'up to 0xffffffffffffffff, got -1'],
  [caseWith(['dma', '00:05.0', 'fill', '0x10000000000000000']), 'up to 0xffffffffffffffff'],
  [caseWith(['dma', '00:05.0', 'fill', 0, 0]), 'a length of at least 1, got 0'],
  [caseWith(['poke', '0x800000']), 'at least one qword after the address, got nothing'],
  [caseWith(['peek', '0x20000000']), 'an address in memory'],
  [caseWith(['rdreg', 'PMEN']), 'a register: one of VER, CAP'],
  [
    caseWith(['reg', 'FSTS', '0x100000000']),
    'a value of FSTS as a hex string or a decimal number up to 0xffffffff',
  ],
  [caseWith(['inv', 'iotlb']), 'a kind of invalidation: one of cc-global'],
  [
    caseWith(['inv', 'cc-device', { device: '00:05.0' }]),
    'operands with the keys did, dev, addr, am, got "device"',
  ],
  [caseWith(['inv', 'cc-device', { dev: '5.0' }]), 'dev such as "00:05.0", got "5.0"'],
  [caseWith(['qi', [['0x1']]]), 'a descriptor of 2 qwords, got ["0x1"]'],
  [caseWith(['qi256', [['0x1', '0x0']]]), 'a descriptor of 4 qwords'],
  [caseWith(['qi', Array(255).fill([0, 0])]), 'at most 254 descriptors, got 255'],
  [fileWith({ name: 'c', steps: [['enable']], expect: [] }), 'expect with 1 entries, one a step, got 0'],
  [
    fileWith({ name: 'c', steps: [['enable']], expect: [{ op: 'faults' }] }),
    `${step}: expected the op of an expected answer: one of enable`,
  ],
])('%s is malformed: %s', (text, message) => {
  expect(() => readCases(text)).toThrow(MalformedCase);
  expect(() => readCases(text)).toThrow(message);
});

test('the error holds where it was, what was expected and what came', () => {
  const read = () => readCases(caseWith(['enable'], ['peek', 'here']));

  expect(read).toThrow(expect.objectContaining({ place: { group: 'g', case: 'c', step: 2 }, got: '"here"' }));
});
