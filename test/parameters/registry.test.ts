import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultCpuCost } from '../../source/linux/cpu-cost.ts';
import { cachesOf } from '../../source/parameters/chip.ts';
import { cpuCostOf } from '../../source/parameters/cpu.ts';
import {
  checkValues,
  defaultValues,
  parameterNames,
  parameters,
  readSetting,
  valuesWith,
} from '../../source/parameters/registry.ts';
import { Simulation } from '../../source/simulation/simulation.ts';
import { defaultCaches } from '../../source/vtd/translator.ts';

describe('a parameter', () => {
  test.each(parameterNames)(
    '%s says what it means, where its default is from, and keeps to its range',
    (name) => {
      const parameter = parameters[name];

      expect(parameter.meaning).not.toBe('');
      expect(parameter.source).not.toBe('');
      expect(readSetting(`${name}=${parameter.default}`)).toEqual({ [name]: parameter.default });
    },
  );

  test('has the default that the chip and the kernel have by themselves', () => {
    expect(cachesOf(defaultValues)).toEqual(defaultCaches);
    expect(cpuCostOf(defaultValues)).toEqual(defaultCpuCost);
  });
});

describe('--set', () => {
  test.each([
    ['iotlb.entries=64', { 'iotlb.entries': 64 }],
    ['iotlb.ways=full', { 'iotlb.ways': 'full' }],
    [' walk.readNs = 1.5e2 ', { 'walk.readNs': 150 }],
  ])('%s is read', (text, expected) => {
    expect(readSetting(text)).toEqual(expected);
  });

  test.each([
    ['iotlb.entires=64', /"iotlb.entires" is no parameter\. Did you mean iotlb\.entries\?/],
    ['iotlb.entries', /expected name=value, such as iotlb\.entries=64; got "iotlb\.entries"/],
    ['iotlb.entries=', /iotlb\.entries: expected a whole number from 1 to 65536 entries; got nothing/],
    ['iotlb.entries=6.5', /expected a whole number/],
    ['iotlb.entries=0x40', /expected a whole number/],
    ['iotlb.entries=1e99', /expected a whole number/],
    ['iotlb.ways=ful', /iotlb\.ways: expected full, 1, .* or 64; got "ful"\. Did you mean full\?/],
    ['__proto__=1', /"__proto__" is no parameter/],
    ['\u001b[31m=1', /"\?\[31m" is no parameter/],
  ])('%j is refused with what was expected', (text, message) => {
    expect(() => readSetting(text)).toThrow(message);
  });

  test('refuses an IOTLB that cannot be cut into a power of two of sets, and says what can', () => {
    expect(() => checkValues(valuesWith({ 'iotlb.entries': 117 }))).toThrow(
      'iotlb.entries=117 with 8 ways: expected a power of two of sets, so 8, 16, 32, 64, 128, … entries, or iotlb.ways=full',
    );
    expect(() => checkValues(valuesWith({ 'iotlb.entries': 4 }))).toThrow(/power of two of sets/);
    checkValues(valuesWith({ 'iotlb.entries': 117, 'iotlb.ways': 'full' }));
  });

  test('never fails in another way than by saying what is wrong, and never prints a control character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', 'iotlb.entries=', 'iotlb.ways='),
        (text, name) => {
          try {
            readSetting(name + text);
          } catch (error) {
            expect((error as Error).message).toMatch(/^[\x20-\x7e\u2026]+$/);
          }
        },
      ),
    );
  });

  test('makes the machine that was asked for', () => {
    const { machine } = new Simulation({
      boot: 'intel_iommu=on',
      seed: 1,
      parameters: { 'iotlb.entries': 64 },
    });

    expect(machine.unit.translator.iotlb.store.size).toBe(64);
  });
});
