import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bootWords, readBootLine } from '../../source/linux/boot/boot-line.ts';
import {
  type DefaultType,
  decide,
  defaultBuild,
  type KernelBuild,
  plainPlatform,
  type Situation,
} from '../../source/linux/boot/policy.ts';
import type { KernelVersion } from '../../source/linux/version.ts';

const build = (intelIommuDefaultOn: boolean, defaultDomain: KernelBuild['defaultDomain'] = 'lazy') => ({
  ...defaultBuild,
  intelIommuDefaultOn,
  defaultDomain,
});

const situation = (given: Partial<Situation> = {}): Situation => ({
  cachingMode: false,
  firstStage: false,
  externalPort: true,
  platform: plainPlatform,
  ...given,
});

const off = 'off' as const;

const printed = (line: string, version?: KernelVersion): string[] => {
  const { early, late } = readBootLine(line, version).messages;
  return [...early, ...late];
};

/** Section 1.4 of the reference: what each line does on a kernel that leaves the IOMMU off, and on one that does not. */
const lines: readonly [line: string, whenOff: DefaultType | typeof off, whenOn: DefaultType | typeof off][] =
  [
    ['', off, 'DMA-FQ'],
    ['quiet splash', off, 'DMA-FQ'],
    ['intel_iommu=on', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on iommu=pt', 'identity', 'identity'],
    ['iommu=pt', off, 'identity'],
    ['iommu=on', off, 'DMA-FQ'],
    ['intel_iommu=on iommu=on', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on iommu.strict=1', 'DMA', 'DMA'],
    ['intel_iommu=on iommu.strict=0', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on iommu.passthrough=0 iommu=pt', 'identity', 'identity'],
    ['intel_iommu=on iommu=pt iommu.passthrough=0', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on iommu=pt iommu=nopt', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on iommu.passthrough=1', 'identity', 'identity'],
    ['intel_iommu=off iommu=pt', off, off],
    ['intel_iommu=on iommu=off', off, off],
    ['iommu=off', off, off],
    ['intel_iommu=off', off, off],
    ['intel_iommu=on intel_iommu=off', off, off],
    ['intel_iommu=off intel_iommu=on', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on,off', off, off],
    ['intel_iommu=on,sm_off', 'DMA-FQ', 'DMA-FQ'],
    ['intel_iommu=on,strict', 'DMA', 'DMA'],
    ['intel_iommu=on,strict iommu.strict=0', 'DMA', 'DMA'],
    ['intel_iommu=on,strict iommu=pt', 'identity', 'identity'],
    ['intel_iommu=sm_on', off, 'DMA-FQ'],
    ['intel_iommu=igfx_off', off, 'DMA-FQ'],
    ['iommu=pt iommu.strict=1', off, 'identity'],
    ['amd_iommu=on', off, 'DMA-FQ'],
  ];

test.each(lines)('"%s" gives %s, and %s on a kernel built with the IOMMU on', (line, whenOff, whenOn) => {
  for (const [defaultOn, expected] of [
    [false, whenOff],
    [true, whenOn],
  ] as const) {
    const { translation, defaultType } = decide(readBootLine(line), build(defaultOn));
    expect(translation ? defaultType : off).toBe(expected);
  }
});

test('the kernel configuration chooses the default domain where the line says nothing, and the line wins', () => {
  const types = (line: string) =>
    (['lazy', 'strict', 'passthrough'] as const).map(
      (domain) => decide(readBootLine(line), build(true, domain)).defaultType,
    );
  expect(types('')).toEqual(['DMA-FQ', 'DMA', 'identity']);
  expect(types('iommu=nopt')).toEqual(['DMA-FQ', 'DMA', 'DMA-FQ']);
  expect(types('iommu.strict=0')).toEqual(['DMA-FQ', 'DMA-FQ', 'identity']);
  expect(types('iommu=pt')).toEqual(['identity', 'identity', 'identity']);
});

test('a unit in caching mode is strict, whatever iommu.strict says', () => {
  expect(decide(readBootLine('iommu.strict=0'), build(true), situation({ cachingMode: true }))).toMatchObject(
    {
      defaultType: 'DMA',
      strict: true,
    },
  );
});

describe('what the platform demands', () => {
  const decided = (
    line: string,
    platform: Partial<Situation['platform']>,
    defaultOn = false,
    externalPort = true,
  ) =>
    decide(readBootLine(line), build(defaultOn), {
      ...situation({ externalPort }),
      platform: { ...plainPlatform, ...platform },
    });

  test('opt-in turns the IOMMU on, with identity for what is trusted, and says so', () => {
    expect(decided('', { optIn: true })).toMatchObject({
      translation: true,
      defaultType: 'identity',
      // Printed before the driver of the unit decides.
      announced: { defaultType: 'DMA-FQ' },
      messages: { start: ['DMAR: Intel-IOMMU force enabled due to platform opt in'] },
    });
  });

  test('opt-in wins over iommu=off and iommu=nopt, not over intel_iommu=off', () => {
    expect(decided('iommu=off', { optIn: true })).toMatchObject({
      translation: true,
      defaultType: 'identity',
    });
    expect(decided('iommu=nopt', { optIn: true })).toMatchObject({
      translation: true,
      defaultType: 'identity',
    });
    expect(decided('intel_iommu=off', { optIn: true }).translation).toBe(false);
    expect(decided('intel_iommu=off intel_iommu=on iommu=off', { optIn: true }).translation).toBe(false);
  });

  test('opt-in changes nothing without a port for external devices, or where the IOMMU is on anyway', () => {
    expect(decided('', { optIn: true }, false, false).translation).toBe(false);
    for (const [line, on] of [
      ['intel_iommu=on', false],
      ['', true],
    ] as const) {
      expect(decided(line, { optIn: true }, on)).toMatchObject({
        defaultType: 'DMA-FQ',
        messages: { start: [] },
      });
    }
  });

  test('a measured launch forces the IOMMU on, unless tboot_noforce is given', () => {
    expect(decided('intel_iommu=off', { measuredLaunch: true })).toMatchObject({
      translation: true,
      defaultType: 'DMA-FQ',
      messages: { start: ['DMAR: Forcing Intel-IOMMU to enabled'] },
    });
    expect(decided('intel_iommu=tboot_noforce', { measuredLaunch: true }).translation).toBe(false);
    // Before 6.0 it is arch/x86/kernel/tboot.c that says so.
    const old = decide(
      readBootLine(''),
      { ...build(false), version: '5.19' },
      situation({ platform: { ...plainPlatform, measuredLaunch: true } }),
    );
    expect(old.messages.start).toEqual(['tboot: Forcing Intel-IOMMU to enabled']);
  });

  test('memory encryption takes passthrough back where only the kernel was built with it', () => {
    const builtWith = build(true, 'passthrough');
    const encrypted = situation({ platform: { ...plainPlatform, memoryEncryption: true } });
    expect(decide(readBootLine(''), builtWith, encrypted)).toMatchObject({
      defaultType: 'DMA-FQ',
      messages: { early: ['iommu: Memory encryption detected - Disabling default IOMMU Passthrough'] },
    });
    expect(decide(readBootLine('iommu=pt'), builtWith, encrypted).defaultType).toBe('identity');
  });
});

test('iommu=on is ignored without a message, and intel_iommu=on is what was meant', () => {
  const { words, messages, intelIommu, noIommu, passthrough } = readBootLine('iommu=on');
  expect(words).toMatchObject([{ text: 'iommu=on', known: false, suggestion: 'intel_iommu=on' }]);
  expect(words[0].effect).toMatch(/ignored silently and turns nothing on/);
  expect({ messages, intelIommu, noIommu, passthrough }).toEqual({
    messages: { early: [], late: [] },
    intelIommu: null,
    noIommu: false,
    passthrough: null,
  });
});

test.each([
  ['iommu=yes', 'intel_iommu=on'],
  ['iommu=1', 'intel_iommu=on'],
  ['iommu=strict', 'iommu.strict=1'],
  ['iommu=lazy', 'iommu.strict=0'],
  ['intel_iomu=on', 'intel_iommu=on'],
  ['intel_immu=on', 'intel_iommu=on'],
  ['iommu.pasthrough=1', 'iommu.passthrough=1'],
  ['iommu.stric=1', 'iommu.strict=1'],
  ['iomu=pt', 'iommu=pt'],
  ['intel_iommu=onn', null],
  ['intel_iommu=no', 'intel_iommu=on'],
  ['iommu.strict=strict', 'iommu.strict=1'],
  ['intermap=off', 'intremap=off'],
  ['INTEL_IOMMU=ON', 'intel_iommu=on'],
  // A word that was begun, before one that is as near.
  ['intel_iommu=on,of', 'intel_iommu=off'],
])('for "%s" the suggestion is %s', (line, suggestion) => {
  expect(readBootLine(line).words[0].suggestion).toBe(suggestion);
});

test('words that are not about the IOMMU are left alone', () => {
  for (const word of [
    'quiet',
    'ro',
    'root=/dev/sda1',
    'console=ttyS0,115200',
    'iomem=relaxed',
    'init=/bin/sh',
    'intel_pstate=off',
  ])
    expect(readBootLine(word).words[0]).toMatchObject({ known: true, suggestion: null });
});

test('options match by prefix, as the kernel compares them', () => {
  expect(readBootLine('intel_iommu=only').intelIommu).toBe('on');
  expect(readBootLine('intel_iommu=offline').intelIommu).toBe('off');
  expect(readBootLine('iommu=ptx').passthrough).toBe(true);
  expect(readBootLine('iommu=noptional').passthrough).toBe(false);
  expect(readBootLine('intel_iommu=o').intelIommu).toBeNull();
});

test('option names are compared with their case, parameter names too', () => {
  expect(readBootLine('intel_iommu=ON').intelIommu).toBeNull();
  expect(readBootLine('INTEL_IOMMU=on').intelIommu).toBeNull();
});

test('hyphens and underscores are the same in a parameter name', () => {
  expect(readBootLine('intel-iommu=on')).toMatchObject({ intelIommu: 'on', words: [{ known: true }] });
});

test.each([
  ['1', true],
  ['y', true],
  ['Yes', true],
  ['true', true],
  ['on', true],
  ['ON', true],
  ['0', false],
  ['n', false],
  ['No', false],
  ['false', false],
  ['off', false],
  ['Of', false],
  ['2', null],
  ['maybe', null],
  ['o', null],
  ['', null],
])('iommu.strict=%s is read as %s', (value, expected) => {
  const { strict, words } = readBootLine(`iommu.strict=${value}`);
  expect(strict).toBe(expected);
  expect(words[0].known).toBe(expected !== null);
});

test.each([
  ['intel_iommu=on', ['DMAR: IOMMU enabled']],
  ['intel_iommu=off', ['DMAR: IOMMU disabled']],
  ['intel_iommu=on,sm_on', ['DMAR: IOMMU enabled', 'DMAR: Enable scalable mode if hardware supports']],
  ['intel_iommu=on,on', ['DMAR: IOMMU enabled', 'DMAR: IOMMU enabled']],
  ['intel_iommu=strict', ['DMAR: intel_iommu=strict deprecated; use iommu.strict=1 instead']],
  ['intel_iommu=sp_off', ['DMAR: Disable supported super page']],
  ['intel_iommu=enabled', ["DMAR: Unknown option - 'enabled'"]],
  // Linux prints all that is left of the value.
  ['intel_iommu=foo,on', ["DMAR: Unknown option - 'foo,on'", 'DMAR: IOMMU enabled']],
  ['intel_iommu=on,,sm_off,', ['DMAR: IOMMU enabled', 'DMAR: Scalable mode is disallowed']],
  ['intel_iommu=', []],
  ['intel_iommu', ['Unknown kernel command line parameters "intel_iommu", will be passed to user space.']],
  [
    'intel_iomu=on',
    ['Unknown kernel command line parameters "intel_iomu=on", will be passed to user space.'],
  ],
  [
    'intel_iommu=on pcie_acs_override=downstream intel_immu=on',
    [
      'DMAR: IOMMU enabled',
      'Unknown kernel command line parameters "pcie_acs_override=downstream intel_immu=on", will be passed to user space.',
    ],
  ],
  // With a dot it could be the parameter of a module.
  ['iommu.stric=1', []],
  ['iommu.strict=strict', ["Malformed early option 'iommu.strict'"]],
  ['iommu', ["Malformed early option 'iommu'"]],
  ['iommu=', []],
  // Early parameters are read first.
  ['intel_iommu=on iommu=nodac', ['nodac option ignored.', 'DMAR: IOMMU enabled']],
  ['pci=noats', ['PCIe: ATS is disabled']],
  ['iommu=forcesac', ['forcesac option ignored.']],
  ['iommu=force', []],
  ['iommu=pt,nodac', ['nodac option ignored.']],
  ['iommu=on', []],
  ['intremap=off', []],
  // usedac returns 1, and so an error; nothing behind it is read.
  ['iommu=usedac,nodac', ["Malformed early option 'iommu'"]],
  // Arguments of init first, then its environment, each name once (init/main.c, unknown_bootoption).
  [
    'intel_iomu=on pcie_acs_override=a intel_iommu pcie_acs_override=b',
    [
      'Unknown kernel command line parameters "intel_iommu intel_iomu=on pcie_acs_override=b", will be passed to user space.',
    ],
  ],
  ['intel_iommu="on"', ['DMAR: IOMMU enabled']],
  ['"intel_iommu=on"', ['DMAR: IOMMU enabled']],
  ['intel_iommu=on -- intel_iommu=off iommu=nodac', ['DMAR: IOMMU enabled']],
])('"%s" makes the kernel print %j', (line, messages) => {
  expect(printed(line)).toEqual(messages);
});

test.each([
  ['iommu.strict', 'has no value: Linux says that it is malformed and ignores it'],
  ['iommu.strict=', 'has no value: Linux says that it is malformed and ignores it'],
  ['--', 'ends what the kernel reads: the rest is for init'],
])('"%s" %s', (line, effect) => {
  expect(readBootLine(line).words[0].effect).toBe(effect);
});

test('a word that a later one overrides says which', () => {
  const overriding = (line: string) => readBootLine(line).words.map(({ overriddenBy }) => overriddenBy);
  expect(overriding('iommu.passthrough=0 iommu=pt')).toEqual(['iommu=pt', null]);
  expect(overriding('intel_iommu=on iommu=pt intel_iommu=off')).toEqual(['intel_iommu=off', null, null]);
  // Once off was said, the platform's wish does not count any more.
  expect(overriding('intel_iommu=off intel_iommu=on')).toEqual([null, null]);
  expect(overriding('iommu=pt quiet')).toEqual([null, null]);
});

test('an early parameter is read before the others, wherever it stands', () => {
  expect(readBootLine('intel_iommu=forcedac iommu.forcedac=0')).toMatchObject({
    forceDac: true,
    words: [{ overriddenBy: null }, { overriddenBy: 'intel_iommu=forcedac' }],
  });
});

test('Linux on x86 reads 2047 characters, and no more', () => {
  const long = `quiet ${'x'.repeat(2026)} intel_iommu=on`;
  expect(long).toHaveLength(2047);
  expect(readBootLine(long).intelIommu).toBe('on');
  expect(readBootLine(` ${long}`).intelIommu).toBeNull();
  expect(readBootLine(`${long} intel_iommu=off`)).toMatchObject({ intelIommu: 'on' });
  expect(readBootLine(`${long} intel_iommu=off`).words.at(-1)).toMatchObject({
    text: 'intel_iommu=off',
    known: false,
    effect: expect.stringContaining('2047'),
  });
});

test('behind usedac the kernel reads nothing', () => {
  expect(readBootLine('iommu=usedac,pt').passthrough).toBeNull();
  expect(readBootLine('iommu=pt,usedac').passthrough).toBe(true);
});

describe('versions', () => {
  test.each([
    ['5.10', 'intel_iommu=sm_off', []],
    // drivers/iommu/intel/iommu.c of 5.16; until then intel_iommu_setup returned 0, and its parameter was listed.
    ['5.16', 'intel_iommu=enabled', ["DMAR: Unknown option - 'enabled'"]],
    [
      '5.15',
      'intel_iommu=on',
      [
        'DMAR: IOMMU enabled',
        'Unknown kernel command line parameters "intel_iommu=on", will be passed to user space.',
      ],
    ],
    ['5.14', 'intel_iommu=enabled', ['Unknown command line parameters: intel_iommu=enabled']],
    ['5.14', 'intel_iomu=on', ['Unknown command line parameters: intel_iomu=on']],
    // lib/kstrtox.c of 5.19 reads t and f.
    ['5.18', 'iommu.passthrough=true', ["Malformed early option 'iommu.passthrough'"]],
    ['5.19', 'iommu.passthrough=true', []],
    // drivers/iommu/intel-iommu.c of 5.7 prints this one without its prefix.
    [
      '5.7',
      'intel_iommu=tboot_noforce',
      ['Intel-IOMMU: not forcing on after tboot. This could expose security risk for tboot'],
    ],
    ['5.10', 'intel_iomu=on', []],
    ['5.10', 'intel_iommu=strict', ['DMAR: Disable batched IOTLB flush']],
    ['5.10', 'intel_iommu=forcedac', ['DMAR: Forcing DAC for PCI devices']],
    ['5.10', 'intel_iommu=sm_on', ['DMAR: Intel-IOMMU: scalable mode supported']],
    [
      '5.10',
      'intel_iommu=nobounce',
      ['DMAR: Intel-IOMMU: No bounce buffer. This could expose security risks of DMA attacks'],
    ],
  ] as const)('Linux %s with "%s" prints %j', (version, line, messages) => {
    expect(printed(line, version)).toEqual(messages);
  });

  test('iommu.strict is read by the Intel driver since 5.13, iommu.forcedac exists since then', () => {
    expect(readBootLine('iommu.strict=1', '5.12').strict).toBeNull();
    expect(readBootLine('iommu.strict=1', '5.13').strict).toBe(true);
    expect(readBootLine('iommu.forcedac=1', '5.12').words[0]).toMatchObject({
      known: false,
      effect: 'Linux 5.12 does not know it yet: ignored silently',
    });
  });

  test('a word of another version is told from a misspelt one', () => {
    expect(readBootLine('intel_iommu=nobounce', '6.12').words[0].effect).toMatch(
      /not known to Linux 6.12 any more/,
    );
    expect(readBootLine('intel_iommu=sm_off', '5.10').words[0].effect).toMatch(/not known to Linux 5.10 yet/);
    expect(readBootLine('intel_iommu=bounce', '6.12').words[0].effect).toMatch(/"bounce" is unknown/);
  });
});

test('interrupt remapping goes with the last word about it', () => {
  const remaps = (line: string) => readBootLine(line).interruptRemapping;
  expect(remaps('')).toBe(true);
  expect(remaps('intremap=off')).toBe(false);
  expect(remaps('nointremap')).toBe(false);
  expect(remaps('intremap=off intremap=on')).toBe(true);
  expect(remaps('intremap=nosid,off')).toBe(false);
  expect(remaps('intel_iommu=off')).toBe(true);
});

test('every word that is offered for completion is known and does something', () => {
  for (const word of bootWords)
    expect(readBootLine(word).words, word).toMatchObject([{ known: true, suggestion: null }]);
});

test('no text makes reading fail, and none turns translation on without intel_iommu', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'iommu',
      'intel_iommu',
      'intremap',
      '=',
      ',',
      ' ',
      'on',
      'off',
      'pt',
      '.strict',
      '1',
      '-',
    ),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const line = pieces.join('');
      const settings = readBootLine(line);
      if (!/intel[-_]iommu=/.test(line)) expect(settings.intelIommu).toBeNull();
      expect(decide(settings, build(false)).translation).toBe(
        settings.intelIommu === 'on' && !settings.noIommu,
      );
    }),
    { numRuns: 500 },
  );
});

test('words named like parts of every object are only words', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    expect(readBootLine(`${name}=1`).words[0]).toMatchObject({ known: true, suggestion: null });
});
