import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultCpuCost } from '../../source/linux/dma-api/cpu-cost.ts';
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
import { defaultCaches, defaultUncertain } from '../../source/vtd/translation/translator.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';

describe('a parameter', () => {
  test.each(parameterNames)(
    '%s says what it means, where its default is from, and keeps to its range',
    (name) => {
      const parameter = parameters[name];

      expect(parameter.meaning).not.toBe('');
      expect(parameter.source).not.toBe('');
      const value = parameter.default ?? 1;
      expect(readSetting(`${name}=${value}`)).toEqual({ [name]: value });
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
    ['cap.NFR=7', { 'cap.NFR': 7 }],
    ['ecap.IRO=0x50', { 'ecap.IRO': 0x50 }],
    ['uncertain.flagsNeedSnoop=no', { 'uncertain.flagsNeedSnoop': 'no' }],
    [' walk.readNs = 1.5e2 ', { 'walk.readNs': 150 }],
  ])('%s is read', (text, expected) => {
    expect(readSetting(text)).toEqual(expected);
  });

  test.each([
    ['iotlb.entires=64', /"iotlb.entires" is no parameter\. Did you mean iotlb\.entries\?/],
    ['cap.NFRS=7', /"cap\.NFRS" is no parameter\. Did you mean cap\.NFR\?/],
    ['ecap.PTX=1', /Did you mean ecap\.PT\?/],
    ['uncertain.cachesNotPresen=no', /Did you mean uncertain\.cachesNotPresent\?/],
    ['cap.NFR=256', /cap\.NFR: expected a whole number from 0 to 255; got "256"/],
    ['cap.NFR=-1', /cap\.NFR: expected a whole number/],
    ['uncertain.flagsNeedSnoop=0', /expected yes or no; got "0"/],
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
    expect(() => checkValues(valuesWith({ 'iotlb.entries': 117 }), presets.skylake)).toThrow(
      'iotlb.entries=117 with 8 ways: expected a power of two of sets, so 8, 16, 32, 64, 128, … entries, or iotlb.ways=full',
    );
    expect(() => checkValues(valuesWith({ 'iotlb.entries': 4 }), presets.skylake)).toThrow(
      /power of two of sets/,
    );
    checkValues(valuesWith({ 'iotlb.entries': 117, 'iotlb.ways': 'full' }), presets.skylake);
  });

  test('refuses what no unit can be, with all reasons, whatever the order', () => {
    expect(() => checkValues(valuesWith({ 'cap.PSI': 0, 'ecap.IR': 0 }), presets.skylake)).toThrow(
      /CAP\.MAMV is 18 without PSI.*; ECAP\.EIM is a mode of interrupt remapping/,
    );
    checkValues(valuesWith({ 'cap.PSI': 0, 'cap.MAMV': 0 }), presets.skylake);
  });

  test('changes the unit and the reading that were asked for', () => {
    const { unit } = new Simulation({
      boot: 'intel_iommu=on',
      seed: 1,
      unit: presets.qemu,
      parameters: { 'cap.NFR': 3, 'ver.MIN': 1, 'uncertain.contextReservedIsQualified': 'no' },
    }).machine;

    expect(unit.name).toBe('qemu cap.NFR=3 ver.MIN=1');
    expect(unit.capabilities).toMatchObject({ faultRecords: 4, version: 0x11 });
    expect(unit.translator.uncertain).toEqual({ ...defaultUncertain, contextReservedIsQualified: false });
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
