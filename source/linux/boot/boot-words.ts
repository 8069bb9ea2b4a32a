/**
 * The words of the kernel command line that are about the IOMMU, as data: what each sets, what the kernel prints
 * when it reads it, in which versions it exists, and what it is without effect on. Sources: the file named with
 * each parameter, and `Documentation/admin-guide/kernel-parameters.txt`. Versions are those of the releases x.y.0;
 * stable updates have some of the changes earlier.
 */
import type { KernelVersion } from '../version.ts';

/** What the words decide. A word that comes later overrides an earlier one that sets the same. */
export type WordSettings = {
  /** `intel_iommu=on` or `off`, the last one; null if neither was given. */
  readonly intelIommu: 'on' | 'off' | null;
  /** `intel_iommu=off` was given: the platform's wish to have the IOMMU on does not count. */
  readonly noPlatformOptIn: boolean;
  /** A measured launch does not force the IOMMU on. */
  readonly noTbootForce: boolean;
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
  /** False with `intel_iommu=igfx_off`. */
  readonly mapsGraphics: boolean;
  readonly scalableMode: 'on' | 'off' | null;
  readonly forceDac: boolean;
  /** False with `intel_iommu=nobounce`, of old kernels. */
  readonly bounce: boolean;
  readonly interruptRemapping: boolean;
  /** False with `intremap=nosid`: who sends an interrupt is not checked. */
  readonly sourceIdCheck: boolean;
  /** False with `intremap=nopost`. */
  readonly postedInterrupts: boolean;
  /** False with `pci=noats`. */
  readonly ats: boolean;
  /** `force` bounces every buffer, `noforce` none. */
  readonly swiotlb: 'force' | 'noforce' | null;
  /** VFIO assigns devices without interrupt remapping too. */
  readonly allowUnsafeInterrupts: boolean;
  /** Likewise iommufd. */
  readonly allowUnsafeInterruptsOfIommufd: boolean;
  /** VFIO gives devices to user space without any IOMMU. */
  readonly unsafeNoIommuMode: boolean;
};

export const settingsWithoutWords: WordSettings = {
  intelIommu: null,
  noPlatformOptIn: false,
  noTbootForce: false,
  noIommu: false,
  passthrough: null,
  strict: null,
  driverStrict: false,
  superpages: true,
  mapsGraphics: true,
  scalableMode: null,
  forceDac: false,
  bounce: true,
  interruptRemapping: true,
  sourceIdCheck: true,
  postedInterrupts: true,
  ats: true,
  swiotlb: null,
  allowUnsafeInterrupts: false,
  allowUnsafeInterruptsOfIommufd: false,
  unsafeNoIommuMode: false,
};

/** One word behind a parameter's `=`. */
export type WordRule = {
  readonly word: string;
  /** What it does, in a sentence for people. */
  readonly effect: string;
  readonly sets?: Partial<WordSettings>;
  /** What the kernel prints when it reads it. */
  readonly message?: string;
  /** The first version that knows it like this, and the first that does not any more. */
  readonly since?: KernelVersion;
  readonly before?: KernelVersion;
  /** The kernel reads nothing behind it. */
  readonly last?: true;
};

export type ParameterRule = {
  readonly name: string;
  /**
   * How the value is read: words between commas, each compared by how it begins (strncmp) or as a whole; a
   * boolean (kstrtobool), whose rules are those of 1 and 0; no value at all.
   */
  readonly value: 'words by prefix' | 'whole words' | 'boolean' | 'none';
  readonly rules: readonly WordRule[];
  /** Read before all others (early_param), with a warning where the value makes no sense. */
  readonly early: boolean;
  /** What becomes of other words. */
  readonly others: 'ignored' | 'printed' | 'not about the IOMMU';
  readonly since?: KernelVersion;
  /** The kernel file that reads it. */
  readonly source: string;
};

const ofOtherMachines = 'known, but means nothing to an Intel IOMMU';

const passthroughOn: WordRule = {
  word: 'pt',
  effect: 'host devices get identity domains: looked up, not translated',
  sets: { passthrough: true },
};

const passthroughOff: WordRule = {
  word: 'nopt',
  effect: 'host devices get translated domains',
  sets: { passthrough: false },
};

const yes = (rule: Omit<WordRule, 'word'>): WordRule => ({ ...rule, word: '1' });
const no = (rule: Omit<WordRule, 'word'>): WordRule => ({ ...rule, word: '0' });

export const parameterRules: readonly ParameterRule[] = [
  {
    name: 'intel_iommu',
    value: 'words by prefix',
    early: false,
    others: 'printed',
    source: 'drivers/iommu/intel/iommu.c',
    rules: [
      {
        word: 'on',
        effect: 'turns DMA remapping on',
        sets: { intelIommu: 'on' },
        message: 'DMAR: IOMMU enabled',
      },
      {
        word: 'off',
        effect: 'turns DMA remapping off; interrupt remapping stays',
        sets: { intelIommu: 'off', noPlatformOptIn: true },
        message: 'DMAR: IOMMU disabled',
      },
      {
        word: 'igfx_off',
        effect: 'leaves out a unit of its own for integrated graphics, and passes graphics cards through',
        sets: { mapsGraphics: false },
        message: 'DMAR: Disable GFX device mapping',
        before: '6.10',
      },
      {
        word: 'igfx_off',
        effect: 'leaves out a unit of its own for integrated graphics; this machine has none',
        message: 'DMAR: Disable GFX device mapping',
        since: '6.10',
      },
      {
        word: 'forcedac',
        effect: 'hands out addresses above 4 GiB from the start',
        sets: { forceDac: true },
        message: 'DMAR: Forcing DAC for PCI devices',
        before: '5.13',
      },
      {
        word: 'forcedac',
        effect: 'old name of iommu.forcedac=1',
        sets: { forceDac: true },
        message: 'DMAR: intel_iommu=forcedac deprecated; use iommu.forcedac instead',
        since: '5.13',
      },
      {
        word: 'strict',
        effect: 'invalidates the IOTLB at every unmap',
        sets: { driverStrict: true },
        message: 'DMAR: Disable batched IOTLB flush',
        before: '5.15',
      },
      {
        word: 'strict',
        effect: 'old name of iommu.strict=1; invalidates at every unmap, whatever iommu.strict says',
        sets: { driverStrict: true },
        message: 'DMAR: intel_iommu=strict deprecated; use iommu.strict=1 instead',
        since: '5.15',
      },
      {
        word: 'sp_off',
        effect: 'maps with 4 KiB pages only',
        sets: { superpages: false },
        message: 'DMAR: Disable supported super page',
      },
      {
        word: 'sm_on',
        effect: 'uses scalable mode if the unit has it',
        sets: { scalableMode: 'on' },
        message: 'DMAR: Intel-IOMMU: scalable mode supported',
        before: '5.15',
      },
      {
        word: 'sm_on',
        effect: 'uses scalable mode if the unit has it',
        sets: { scalableMode: 'on' },
        message: 'DMAR: Enable scalable mode if hardware supports',
        since: '5.15',
      },
      {
        word: 'sm_off',
        effect: 'keeps to legacy mode',
        sets: { scalableMode: 'off' },
        message: 'DMAR: Scalable mode is disallowed',
        since: '5.15',
      },
      {
        word: 'tboot_noforce',
        effect: 'does not force the IOMMU on after a measured launch',
        sets: { noTbootForce: true },
        message: 'Intel-IOMMU: not forcing on after tboot. This could expose security risk for tboot',
        before: '5.8',
      },
      {
        word: 'tboot_noforce',
        effect: 'does not force the IOMMU on after a measured launch',
        sets: { noTbootForce: true },
        message: 'DMAR: Intel-IOMMU: not forcing on after tboot. This could expose security risk for tboot',
        since: '5.8',
      },
      {
        word: 'nobounce',
        effect: 'gives untrusted devices whole pages, without bounce buffers',
        sets: { bounce: false },
        message: 'DMAR: Intel-IOMMU: No bounce buffer. This could expose security risks of DMA attacks',
        before: '5.11',
      },
    ],
  },
  {
    // `on` is not among these.
    name: 'iommu',
    value: 'words by prefix',
    early: true,
    others: 'ignored',
    source: 'arch/x86/kernel/pci-dma.c',
    rules: [
      { word: 'off', effect: 'starts no IOMMU for DMA at all', sets: { noIommu: true } },
      passthroughOn,
      passthroughOff,
      { word: 'force', effect: ofOtherMachines },
      { word: 'noforce', effect: ofOtherMachines },
      { word: 'biomerge', effect: ofOtherMachines },
      { word: 'panic', effect: ofOtherMachines },
      { word: 'nopanic', effect: ofOtherMachines },
      { word: 'merge', effect: ofOtherMachines },
      { word: 'nomerge', effect: ofOtherMachines },
      { word: 'forcesac', effect: ofOtherMachines, message: 'forcesac option ignored.' },
      { word: 'allowdac', effect: ofOtherMachines, message: 'allowdac option ignored.' },
      { word: 'nodac', effect: ofOtherMachines, message: 'nodac option ignored.' },
      { word: 'usedac', effect: `${ofOtherMachines}; Linux reads no word behind it`, last: true },
      { word: 'soft', effect: ofOtherMachines },
    ],
  },
  {
    name: 'iommu.passthrough',
    value: 'boolean',
    early: true,
    others: 'ignored',
    source: 'drivers/iommu/iommu.c',
    rules: [
      yes({ effect: passthroughOn.effect, sets: passthroughOn.sets }),
      no({ effect: passthroughOff.effect, sets: passthroughOff.sets }),
    ],
  },
  {
    name: 'iommu.strict',
    value: 'boolean',
    early: true,
    others: 'ignored',
    source: 'drivers/iommu/iommu.c',
    rules: [
      yes({ effect: 'strict, but only on other architectures in this version', before: '5.13' }),
      no({ effect: 'lazy, but only on other architectures in this version', before: '5.13' }),
      yes({
        effect: 'strict: invalidates the IOTLB at every unmap',
        sets: { strict: true },
        since: '5.13',
      }),
      no({
        effect: 'lazy: unmaps are collected and invalidated together, up to 10 ms later',
        sets: { strict: false },
        since: '5.13',
      }),
    ],
  },
  {
    name: 'iommu.forcedac',
    value: 'boolean',
    early: true,
    others: 'ignored',
    since: '5.13',
    source: 'drivers/iommu/dma-iommu.c',
    rules: [
      yes({ effect: 'hands out addresses above 4 GiB from the start', sets: { forceDac: true } }),
      no({ effect: 'tries addresses below 4 GiB first, as by default', sets: { forceDac: false } }),
    ],
  },
  {
    name: 'intremap',
    value: 'words by prefix',
    early: true,
    others: 'ignored',
    source: 'drivers/iommu/irq_remapping.c',
    rules: [
      {
        word: 'on',
        effect: 'uses interrupt remapping, and posts interrupts to guests',
        sets: { interruptRemapping: true, postedInterrupts: true },
      },
      {
        word: 'off',
        effect: 'does not use interrupt remapping; VFIO then refuses to assign devices',
        sets: { interruptRemapping: false, postedInterrupts: false },
      },
      { word: 'nosid', effect: 'does not check who sends an interrupt', sets: { sourceIdCheck: false } },
      { word: 'no_x2apic_optout', effect: 'uses x2APIC even if the firmware asks not to' },
      { word: 'nopost', effect: 'does not post interrupts to guests', sets: { postedInterrupts: false } },
      {
        word: 'posted_msi',
        effect: 'gathers interrupts of the host in posted descriptors (CONFIG_X86_POSTED_MSI); not done here',
        since: '6.10',
      },
    ],
  },
  {
    name: 'nointremap',
    value: 'none',
    early: true,
    others: 'ignored',
    source: 'drivers/iommu/irq_remapping.c',
    rules: [
      {
        word: '',
        effect: 'does not use interrupt remapping; VFIO then refuses to assign devices',
        sets: { interruptRemapping: false },
      },
    ],
  },
  {
    name: 'pci',
    value: 'whole words',
    early: true,
    others: 'not about the IOMMU',
    source: 'drivers/pci/pci.c',
    rules: [
      {
        word: 'noats',
        effect: 'devices do not ask for translations to keep: no ATS',
        sets: { ats: false },
        message: 'PCIe: ATS is disabled',
      },
    ],
  },
  {
    name: 'swiotlb',
    value: 'whole words',
    early: true,
    others: 'not about the IOMMU',
    source: 'kernel/dma/swiotlb.c',
    rules: [
      {
        word: 'force',
        effect: 'copies the buffers of devices in identity domains through a bounce buffer',
        sets: { swiotlb: 'force' },
      },
      {
        word: 'noforce',
        effect: 'has no bounce buffer: a device that cannot reach a page gets an error',
        sets: { swiotlb: 'noforce' },
      },
    ],
  },
  {
    name: 'vfio_iommu_type1.allow_unsafe_interrupts',
    value: 'boolean',
    early: false,
    others: 'ignored',
    source: 'drivers/vfio/vfio_iommu_type1.c',
    rules: [
      yes({
        effect: 'VFIO assigns devices without interrupt remapping: a guest can forge interrupts',
        sets: { allowUnsafeInterrupts: true },
      }),
      no({
        effect: 'VFIO asks for interrupt remapping, as by default',
        sets: { allowUnsafeInterrupts: false },
      }),
    ],
  },
  {
    name: 'iommufd.allow_unsafe_interrupts',
    value: 'boolean',
    early: false,
    others: 'ignored',
    source: 'drivers/iommu/iommufd/device.c',
    rules: [
      yes({
        effect: 'iommufd binds devices without interrupt remapping: a guest can forge interrupts',
        sets: { allowUnsafeInterruptsOfIommufd: true },
        since: '6.2',
      }),
      no({
        effect: 'iommufd asks for interrupt remapping, as by default',
        sets: { allowUnsafeInterruptsOfIommufd: false },
        since: '6.2',
      }),
    ],
  },
  {
    name: 'vfio.enable_unsafe_noiommu_mode',
    value: 'boolean',
    early: false,
    others: 'ignored',
    source: 'drivers/vfio/group.c',
    rules: [
      yes({
        effect: 'VFIO gives devices without an IOMMU to user space: nothing holds their DMA back',
        sets: { unsafeNoIommuMode: true },
      }),
      no({
        effect: 'VFIO refuses devices without an IOMMU, as by default',
        sets: { unsafeNoIommuMode: false },
      }),
    ],
  },
];

/** Parameters that people write for the IOMMU and that this kernel does not have, or not for this machine. */
export const strangers: Readonly<Record<string, { readonly effect: string; readonly known: boolean }>> = {
  amd_iommu: { effect: "about AMD's IOMMU; this machine's is Intel's", known: true },
  amd_iommu_intr: { effect: "about AMD's IOMMU; this machine's is Intel's", known: true },
  pcie_acs_override: {
    effect: 'a word of a patch that is not in Linux: ignored, and groups stay as they are',
    known: false,
  },
};
