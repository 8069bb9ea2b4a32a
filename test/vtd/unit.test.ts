import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { capabilities, claimsOf, type PresetName, presets } from '../../source/vtd/unit/capabilities.ts';
import { unitParameters, withParameter } from '../../source/vtd/unit/unit-parameters.ts';
import { unitWith } from '../support/unit.ts';

describe('the capability registers of units that were recorded', () => {
  test('of a Skylake client: its main unit', () => {
    const { cap, ecap } = claimsOf(presets.skylake);
    expect(cap).toMatchObject({
      ...{ ND: 2, AFL: 0, RWBF: 0, PLMR: 1, PHMR: 1, CM: 0, SAGAW: 0b100, MGAW: 38, ZLR: 1, FRO: 0x40 },
      ...{ SSLPS: 3, PSI: 1, NFR: 0, MAMV: 18, DWD: 1, DRD: 1, FS1GP: 0, PI: 0, FS5LP: 0, ESRTPS: 0 },
    });
    expect(ecap).toMatchObject({
      ...{ C: 0, QI: 1, DT: 0, IR: 1, EIM: 1, PT: 1, SC: 1, IRO: 0x50, MHMV: 15, SMTS: 0, PASID: 0 },
    });
  });

  test('of a Skylake client: the unit of its graphics', () => {
    const { cap, ecap } = claimsOf(presets['skylake-graphics']);
    expect(cap).toMatchObject({ PSI: 0, MAMV: 0, SAGAW: 0b100, MGAW: 38, FRO: 0x40, FS1GP: 1 });
    expect(ecap).toMatchObject({
      ...{ QI: 1, DT: 1, IR: 1, EIM: 1, PT: 1, MTS: 1, NEST: 1, PRS: 1, NWFS: 1, EAFS: 1 },
      ...{ PSS: 19, PASID: 1, SMTS: 0 },
    });
  });

  test('of QEMU with 39 bits, and with caching mode', () => {
    const { cap, ecap } = claimsOf(presets['qemu-39']);
    expect(cap).toMatchObject({ ND: 6, SAGAW: 0b010, MGAW: 38, FRO: 0x22, CM: 0 });
    expect(ecap).toMatchObject({ IRO: 0xf, QI: 1, IR: 1, EIM: 1, PT: 1 });
    expect(unitWith('qemu-39', 'cap.CM=1').cap & 0xffn).toBe(0x86n);
  });
});

test.each(Object.keys(presets) as PresetName[])('%s is a unit that can be built', (name) => {
  expect(() => capabilities(presets[name])).not.toThrow();
  expect(presets[name].name).toBe(name);
});

test('a server has everything that current parts of its class have', () => {
  const { cap, ecap, version, hostAddressWidth } = claimsOf(presets.server);
  expect([version, hostAddressWidth]).toEqual([0x60, 52]);
  expect(cap).toMatchObject({
    ...{ ND: 6, SAGAW: 0b1100, MGAW: 56, SSLPS: 3, PSI: 1, NFR: 7, FS1GP: 1, FS5LP: 1, PI: 1 },
    ...{ ESRTPS: 1, ESIRTPS: 1, CM: 0 },
  });
  expect(ecap).toMatchObject({
    ...{ C: 1, QI: 1, DT: 1, IR: 1, EIM: 1, PT: 1, SC: 1, NEST: 1, PRS: 1, PASID: 1, PSS: 19, PDS: 1 },
    ...{ SMTS: 1, SSADS: 1, SSTS: 1, FSTS: 1, SMPWCS: 1, RPS: 1, ADMS: 1 },
  });
});

describe('a parameter of a unit', () => {
  const parameter = fc.constantFrom(...unitParameters);

  test('reads back as it was set, and changes no other', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(presets) as PresetName[])),
        parameter,
        fc.nat(),
        (preset, changed, number) => {
          const value = number % (changed.largest + 1);
          const before = presets[preset];
          const unit = withParameter(before, changed.name, value);
          for (const each of unitParameters) {
            expect(each.get(unit), each.name).toBe(each === changed ? value : each.get(before));
          }
        },
      ),
    );
  });

  test('is named where the unit is', () => {
    expect(unitWith('server', 'cap.NFR=1 ecap.PT=1 ecap.PRS=0 ecap.PDS=0').name).toBe(
      'server cap.NFR=1 ecap.PRS=0 ecap.PDS=0',
    );
  });

  test('has a width that no value passes', () => {
    expect(() => withParameter(presets.skylake, 'cap.ND', 8)).toThrow(
      'cap.ND is a whole number from 0 to 7, got 8',
    );
    expect(() => withParameter(presets.skylake, 'ecap.PT', -1)).toThrow(RangeError);
    expect(() => withParameter(presets.skylake, 'ecap.PT', 0.5)).toThrow(RangeError);
    expect(() => withParameter(presets.skylake, 'ecap.PTX', 1)).toThrow('a unit has no parameter ecap.PTX');
  });
});

describe('no unit can have', () => {
  test.each<[string, PresetName, string, string]>([
    ['more domain ids than 16 bits', 'skylake', 'cap.ND=7', 'CAP.ND is 7'],
    ['no address width', 'skylake', 'cap.SAGAW=0', 'SAGAW names no supported width: got 0b0'],
    [
      'only widths that were withdrawn',
      'skylake',
      'cap.SAGAW=17',
      'SAGAW names no supported width: got 0b10001',
    ],
    ['less than 32 bits of addresses', 'skylake', 'cap.MGAW=30', 'CAP.MGAW is 30'],
    [
      'wider addresses than tables',
      'qemu-39',
      'cap.MGAW=47',
      'allows 48 bits, but the largest width of SAGAW has 39',
    ],
    ['31 bits of memory', 'skylake', 'dmar.HAW=31', 'the host address width is 31'],
    ['53 bits of memory', 'skylake', 'dmar.HAW=53', 'the host address width is 53'],
    ['a PASID of 21 bits', 'server', 'ecap.PSS=20', 'ECAP.PSS is 20'],
    ['a mask for pages it cannot select', 'skylake', 'cap.PSI=0', 'CAP.MAMV is 18 without PSI'],
    ['a mask smaller than 2 MiB', 'skylake', 'cap.MAMV=8 cap.SSLPS=1', 'CAP.MAMV is 8; one invalidation'],
    ['a mask smaller than 1 GiB with such pages', 'skylake', 'cap.MAMV=17', 'expected 18 or more'],
    ['version 6 without a queue', 'skylake', 'ver.MAJ=6 ecap.QI=0', 'no registers to invalidate with'],
    ['scalable mode without a queue', 'server', 'ecap.QI=0 ver.MAJ=5', 'SMTS without QI'],
    ['device TLBs without a queue', 'skylake', 'ecap.DT=1 ecap.QI=0', 'DT without QI'],
    ['interrupt remapping without a queue', 'skylake', 'ecap.QI=0', 'IR without QI'],
    ['x2APIC mode without interrupt remapping', 'skylake', 'ecap.IR=0', 'ECAP.EIM is a mode of'],
    ['posted interrupts without remapping', 'skylake', 'cap.PI=1 ecap.IR=0', 'CAP.PI posts interrupts'],
    ['ESIRTPS without a table', 'skylake', 'cap.ESIRTPS=1 ecap.IR=0', 'CAP.ESIRTPS is about'],
    ['page requests without device TLBs', 'server', 'ecap.DT=0', 'ECAP.PRS: page requests come from'],
    ['a no-write flag without device TLBs', 'skylake', 'ecap.NWFS=1', 'ECAP.NWFS is a flag'],
    ['throttling of no device TLB', 'skylake', 'ecap.DIT=1', 'ECAP.DIT throttles'],
    ['draining of no page requests', 'skylake', 'ecap.PDS=1', 'ECAP.PDS drains'],
    ['an end of no page requests', 'skylake', 'ecap.SMS=1', 'ECAP.SMS marks'],
    ['SSADS without scalable mode', 'skylake', 'ecap.SSADS=1', 'ECAP.SSADS is a part of scalable mode'],
    ['SSTS without scalable mode', 'skylake', 'ecap.SSTS=1', 'ECAP.SSTS is a part of scalable mode'],
    ['FSTS without scalable mode', 'skylake', 'ecap.FSTS=1', 'ECAP.FSTS is a part of scalable mode'],
    ['SMPWCS without scalable mode', 'skylake', 'ecap.SMPWCS=1', 'ECAP.SMPWCS is a part of scalable mode'],
    ['RPS without scalable mode', 'skylake', 'ecap.RPS=1', 'ECAP.RPS is a part of scalable mode'],
    ['RPRIVS without scalable mode', 'skylake', 'ecap.RPRIVS=1', 'ECAP.RPRIVS is a part of scalable mode'],
    ['scalable mode with neither stage', 'qemu-scalable', 'ecap.SSTS=0', 'nothing to translate with'],
    ['nesting without first stage', 'qemu-scalable', 'ecap.NEST=1', 'NEST nests FSTS in SSTS'],
    ['nesting without second stage', 'qemu-first-stage', 'ecap.NEST=1', 'NEST nests FSTS in SSTS'],
    [
      'flags of a missing second stage',
      'qemu-first-stage',
      'ecap.SSADS=1',
      'ECAP.SSADS is about second stage',
    ],
    ['EAFS without first stage', 'qemu-scalable', 'ecap.EAFS=1', 'ECAP.EAFS is a flag of first-stage'],
    ['five levels without first stage', 'qemu-scalable', 'cap.FS5LP=1', 'CAP.FS5LP is about first stage'],
    ['1 GiB pages without first stage', 'qemu-scalable', 'cap.FS1GP=1', 'CAP.FS1GP is about first stage'],
    ['counters without commands', 'server', 'cap.ECMDS=0', 'expected CAP.ECMDS as well'],
    ['a fault log that is not modelled', 'skylake', 'cap.AFL=1', 'CAP.AFL'],
    ['virtual commands, not modelled', 'server', 'ecap.VCS=1', 'ECAP.VCS'],
    ['TEE-IO, not modelled', 'server', 'ecap.TDXIO=1', 'ECAP.TDXIO'],
    [
      'fault records on the first registers',
      'skylake',
      'cap.FRO=14',
      'CAP.FRO with 1 fault records is at 0x0e0 to 0x0ef, on the registers at the start',
    ],
    [
      'fault records on the IOTLB register',
      'skylake',
      'cap.FRO=80',
      'ECAP.IRO is at 0x500 to 0x50f, on CAP.FRO',
    ],
    [
      'so many fault records that they reach it',
      'skylake',
      'cap.NFR=16',
      'ECAP.IRO is at 0x500 to 0x50f, on CAP.FRO with 17',
    ],
    ['fault records past the window', 'skylake', 'cap.NFR=255', 'the register window ends at 0xfff'],
    ['fault records on MTRRs', 'skylake-graphics', 'cap.FRO=32', 'on the MTRR registers'],
    ['invalidation registers on the first ones', 'skylake', 'ecap.IRO=0', 'ECAP.IRO is at 0x000 to 0x00f'],
    [
      'invalidation registers past the window',
      'skylake',
      'ecap.IRO=256',
      'ECAP.IRO is at 0x1000 to 0x100f; the register window',
    ],
  ])('%s', (_, preset, words, reason) => {
    expect(() => capabilities(unitWith(preset, words))).toThrow(reason);
  });

  test('several of these, and hears of all', () => {
    const unit = unitWith('skylake', 'cap.ND=7 ecap.IR=0 cap.SAGAW=0');
    expect(() => capabilities(unit)).toThrow(/ND is 7.*; CAP.SAGAW.*; ECAP.EIM/);
  });

  test('but a client part before scalable mode may keep what came with the mode that was withdrawn', () => {
    expect(() => capabilities(presets['skylake-graphics'])).not.toThrow();
  });

  test('but IVA and IOTLB registers on others, where version 6 has none', () => {
    expect(() => capabilities(unitWith('server', 'ecap.IRO=0'))).not.toThrow();
  });
});
