/**
 * The kernel command line as far as the IOMMU is concerned: what each word does, and what Linux silently
 * ignores. Sources: `drivers/iommu/intel/iommu.c` (intel_iommu=), `arch/x86/kernel/pci-dma.c` (iommu=),
 * `drivers/iommu/iommu.c` (iommu.*), `drivers/iommu/irq_remapping.c` (intremap=).
 */
import { nearest } from './nearest.ts';

export type BootWord = {
  readonly text: string;
  /** False for a word that the kernel ignores without a message, or only with one. */
  readonly known: boolean;
  /** What it does, in a sentence for people. */
  readonly effect: string;
  /** A valid word that was probably meant. */
  readonly suggestion: string | null;
};

export type BootSettings = {
  readonly line: string;
  readonly words: readonly BootWord[];
  /** `intel_iommu=on` or `off`, the last one; null if neither was given. */
  readonly intelIommu: 'on' | 'off' | null;
  /** `iommu=off`: the x86 code starts no IOMMU. */
  readonly noIommu: boolean;
  /** Default domain by command line: identity, translated, or not given. */
  readonly passthrough: boolean | null;
  /** Invalidation by `iommu.strict=`; null if not given. */
  readonly strict: boolean | null;
  /** `intel_iommu=strict`: the driver demands strict, whatever `iommu.strict=` says. */
  readonly driverStrict: boolean;
  /** False with `intel_iommu=sp_off`. */
  readonly superpages: boolean;
  readonly scalableMode: 'on' | 'off' | null;
  readonly forceDac: boolean;
  readonly interruptRemapping: boolean;
  /** Kernel messages printed while the line is parsed. */
  readonly messages: readonly string[];
};

/** What is said of words of other parts of the kernel. */
export const notOurs = 'not about the IOMMU';

type Draft = { -readonly [K in keyof BootSettings]: BootSettings[K] } & { messages: string[] };

type Option = { readonly effect: string; readonly apply?: (draft: Draft) => void; readonly message?: string };

/** Options of `intel_iommu=` in the order in which the kernel compares; each matches by prefix. */
const intelOptions: Readonly<Record<string, Option>> = {
  on: {
    effect: 'turns DMA remapping on',
    message: 'DMAR: IOMMU enabled',
    apply: (draft) => {
      draft.intelIommu = 'on';
    },
  },
  off: {
    effect: 'turns DMA remapping off; interrupt remapping stays',
    message: 'DMAR: IOMMU disabled',
    apply: (draft) => {
      draft.intelIommu = 'off';
    },
  },
  igfx_off: {
    effect: 'leaves out a unit of its own for integrated graphics; this machine has none',
    message: 'DMAR: Disable GFX device mapping',
  },
  forcedac: {
    effect: 'old name of iommu.forcedac=1',
    message: 'DMAR: intel_iommu=forcedac deprecated; use iommu.forcedac instead',
    apply: (draft) => {
      draft.forceDac = true;
    },
  },
  strict: {
    effect: 'old name of iommu.strict=1; invalidates at every unmap, whatever iommu.strict says',
    message: 'DMAR: intel_iommu=strict deprecated; use iommu.strict=1 instead',
    apply: (draft) => {
      draft.driverStrict = true;
    },
  },
  sp_off: {
    effect: 'maps with 4 KiB pages only',
    message: 'DMAR: Disable supported super page',
    apply: (draft) => {
      draft.superpages = false;
    },
  },
  sm_on: {
    effect: 'uses scalable mode if the unit has it',
    message: 'DMAR: Enable scalable mode if hardware supports',
    apply: (draft) => {
      draft.scalableMode = 'on';
    },
  },
  sm_off: {
    effect: 'keeps to legacy mode',
    message: 'DMAR: Scalable mode is disallowed',
    apply: (draft) => {
      draft.scalableMode = 'off';
    },
  },
  tboot_noforce: {
    effect: 'does not force the IOMMU on after a measured launch',
    message: 'DMAR: Intel-IOMMU: not forcing on after tboot. This could expose security risk for tboot',
  },
};

const ofOtherMachines = 'known, but means nothing to an Intel IOMMU';

/** Words of `iommu=`, matched by prefix too. `on` is not among them. */
const iommuOptions: Readonly<Record<string, Option>> = {
  off: {
    effect: 'starts no IOMMU for DMA at all',
    apply: (draft) => {
      draft.noIommu = true;
    },
  },
  pt: {
    effect: 'host devices get identity domains: looked up, not translated',
    apply: (draft) => {
      draft.passthrough = true;
    },
  },
  nopt: {
    effect: 'host devices get translated domains',
    apply: (draft) => {
      draft.passthrough = false;
    },
  },
  force: { effect: ofOtherMachines },
  noforce: { effect: ofOtherMachines },
  biomerge: { effect: ofOtherMachines },
  panic: { effect: ofOtherMachines },
  nopanic: { effect: ofOtherMachines },
  merge: { effect: ofOtherMachines },
  nomerge: { effect: ofOtherMachines },
  forcesac: { effect: ofOtherMachines, message: 'forcesac option ignored.' },
  allowdac: { effect: ofOtherMachines, message: 'allowdac option ignored.' },
  nodac: { effect: ofOtherMachines, message: 'nodac option ignored.' },
  usedac: { effect: ofOtherMachines },
  soft: { effect: ofOtherMachines },
};

type BooleanParameter = { readonly on: Option; readonly off: Option };

const booleanParameters: Readonly<Record<string, BooleanParameter>> = {
  'iommu.passthrough': {
    on: iommuOptions.pt,
    off: iommuOptions.nopt,
  },
  'iommu.strict': {
    on: {
      effect: 'strict: invalidates the IOTLB at every unmap',
      apply: (draft) => {
        draft.strict = true;
      },
    },
    off: {
      effect: 'lazy: unmaps are collected and invalidated together, up to 10 ms later',
      apply: (draft) => {
        draft.strict = false;
      },
    },
  },
  'iommu.forcedac': {
    on: {
      effect: 'hands out addresses above 4 GiB from the start',
      apply: (draft) => {
        draft.forceDac = true;
      },
    },
    off: { effect: 'tries addresses below 4 GiB first, as by default' },
  },
};

const intremapOptions: Readonly<Record<string, Option>> = {
  on: {
    effect: 'uses interrupt remapping',
    apply: (draft) => {
      draft.interruptRemapping = true;
    },
  },
  off: {
    effect: 'does not use interrupt remapping; VFIO then refuses to assign devices',
    apply: (draft) => {
      draft.interruptRemapping = false;
    },
  },
  nosid: { effect: 'does not check who sends an interrupt' },
  no_x2apic_optout: { effect: 'uses x2APIC even if the firmware asks not to' },
  nopost: { effect: 'does not post interrupts to guests' },
};

const parameterNames = ['intel_iommu', 'iommu', 'intremap', 'nointremap', ...Object.keys(booleanParameters)];

/** Whole words to offer for completion and as suggestions. */
export const bootWords: readonly string[] = [
  ...Object.keys(intelOptions).map((option) => `intel_iommu=${option}`),
  'iommu=pt',
  'iommu=nopt',
  'iommu=off',
  ...Object.keys(booleanParameters).flatMap((name) => [`${name}=1`, `${name}=0`]),
  'intremap=off',
  'nointremap',
];

/** Read a command line. Never fails: Linux boots with any line. */
export function readBootLine(line: string): BootSettings {
  const draft: Draft = {
    line,
    words: [],
    intelIommu: null,
    noIommu: false,
    passthrough: null,
    strict: null,
    driverStrict: false,
    superpages: true,
    scalableMode: null,
    forceDac: false,
    interruptRemapping: true,
    messages: [],
  };
  const words = line.split(/\s+/).filter((word) => word !== '');
  // The words fill the draft as they are read.
  draft.words = words.map((word) => readWord(word, draft));
  return draft;
}

function readWord(text: string, draft: Draft): BootWord {
  const equals = text.indexOf('=');
  // The kernel takes hyphens and underscores in a parameter's name for the same.
  const name = (equals < 0 ? text : text.slice(0, equals)).replaceAll('-', '_');
  const value = equals < 0 ? '' : text.slice(equals + 1);
  if (name === 'intel_iommu') return readOptions(text, name, value, intelOptions, draft);
  if (name === 'iommu') return readOptions(text, name, value, iommuOptions, draft);
  if (name === 'intremap') return readOptions(text, name, value, intremapOptions, draft);
  if (name === 'nointremap') return readOptions(text, 'intremap', 'off', intremapOptions, draft);
  if (Object.hasOwn(booleanParameters, name)) {
    return readBoolean(text, name, value, booleanParameters[name], draft);
  }
  // Kernels have many parameters: iomem= is right, and only two letters away from iommu=.
  const isOurs = /iommu|intrem|strict|passthr/i.test(text);
  const meant = isOurs
    ? nearest(name, parameterNames)
    : nearest(name, parameterNames, name.length > 6 ? 2 : 1);
  if (meant === null) {
    return { text, known: true, effect: notOurs, suggestion: null };
  }
  return ignored(text, 'unknown: Linux ignores it silently', value === '' ? meant : `${meant}=${value}`);
}

/** A comma-separated list of options, each matched by prefix as the kernel's strncmp does. */
function readOptions(
  text: string,
  name: string,
  value: string,
  options: Readonly<Record<string, Option>>,
  draft: Draft,
): BootWord {
  if (/^,*$/.test(value)) {
    return ignored(text, 'has no value: Linux ignores it', name === 'intel_iommu' ? 'intel_iommu=on' : null);
  }
  const effects: string[] = [];
  let wrong: string | null = null;
  for (let rest = value; rest !== ''; rest = rest.replace(/^[^,]*,*/, '')) {
    const [word] = rest.split(',', 1);
    if (word === '') continue;
    const match = longestPrefix(word, options);
    if (match === undefined) {
      wrong ??= word;
      // The kernel prints all that is left of the value, not the one word.
      if (name === 'intel_iommu') draft.messages.push(`DMAR: Unknown option - '${rest}'`);
      continue;
    }
    const option = options[match];
    option.apply?.(draft);
    if (option.message !== undefined) draft.messages.push(option.message);
    effects.push(option.effect);
  }
  if (wrong === null) return { text, known: true, effect: effects.join('; '), suggestion: null };
  const rest = effects.length > 0 ? `; the rest: ${effects.join('; ')}` : '';
  return ignored(text, `${ignoredOption(name, wrong)}${rest}`, suggestOption(name, wrong, options));
}

/** The option a word begins with; `forcesac` is not `force`. */
const longestPrefix = (word: string, options: Readonly<Record<string, Option>>): string | undefined =>
  Object.keys(options)
    .filter((option) => word.startsWith(option))
    .sort((a, b) => b.length - a.length)[0];

function ignoredOption(name: string, word: string): string {
  if (name === 'intel_iommu') return `"${word}" is unknown: Linux says so in its log and ignores it`;
  if (name === 'iommu' && word === 'on') {
    return 'Linux on x86 knows no iommu=on: it is ignored silently and turns nothing on';
  }
  return `"${word}" is unknown: Linux ignores it silently`;
}

function suggestOption(name: string, word: string, options: Readonly<Record<string, Option>>): string | null {
  if (name === 'iommu' && (word === 'on' || word === 'yes' || word === '1')) return 'intel_iommu=on';
  if (name === 'iommu' && word === 'strict') return 'iommu.strict=1';
  if (name === 'iommu' && word === 'lazy') return 'iommu.strict=0';
  const meant = nearest(word, Object.keys(options));
  return meant === null ? null : `${name}=${meant}`;
}

/** A boolean as kstrtobool reads it: y, t, 1, on and n, f, 0, off, by the first letters. */
function readBoolean(
  text: string,
  name: string,
  value: string,
  parameter: BooleanParameter,
  draft: Draft,
): BootWord {
  const isOn = /^(y|t|1|on)/i.test(value);
  if (!isOn && !/^(n|f|0|of)/i.test(value)) {
    return ignored(text, `"${value}" is neither 0 nor 1: Linux ignores it`, `${name}=1`);
  }
  const option = isOn ? parameter.on : parameter.off;
  option.apply?.(draft);
  return { text, known: true, effect: option.effect, suggestion: null };
}

const ignored = (text: string, effect: string, suggestion: string | null): BootWord => ({
  text,
  known: false,
  effect,
  suggestion,
});
