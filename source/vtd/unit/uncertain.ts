/**
 * Behaviour on which sources differ, or that the specification leaves to the unit: each a switch, so that either
 * reading can be simulated. A switch is declared here once; `--set uncertain.<name>` changes it.
 */
export const uncertainties = {
  faultCompression: {
    default: 'source',
    choices: ['source', 'fault', 'none'],
    meaning:
      'which fault is no new one while a record is held: any of that source, one of that source, reason and page, or none',
    source: 'optional by the specification; QEMU: any of that source',
  },
  contextReservedIsQualified: {
    default: true,
    meaning: 'FPD keeps reserved bits of a context entry (0xb) from being recorded',
    source: 'yes by our recollection of the specification, no by QEMU',
  },
  interruptRangeByPage: {
    default: false,
    meaning: 'a large page that covers 0xfeex_xxxx faults at every address, not only there',
    source: 'QEMU tests the whole page',
  },
  interruptRangeReadFaults: {
    default: true,
    meaning: 'a read in 0xfeex_xxxx is a fault of the unit; otherwise the root complex refuses it before',
    source: 'sources differ; QEMU: the root complex',
  },
  protectedMemoryCoversTranslations: {
    default: true,
    meaning:
      'protected memory regions also stop requests that tables translate, not only those that do without',
    source: 'register documents of client processors leave it to the unit',
  },
  interruptLengthFaults: {
    default: true,
    meaning:
      'a write to 0xfeex_xxxx of another length than 4 bytes is a fault of the unit; otherwise the root complex refuses it',
    source: 'our recollection of the specification; QEMU does not see the length',
  },
  interruptDataReserved: {
    default: true,
    meaning: 'bits 31:16 of the data of a remappable interrupt must be 0 without a sub-handle too (0x20)',
    source: 'our recollection of the specification; QEMU asks it only with a sub-handle',
  },
  xapicDestinationReserved: {
    default: true,
    meaning: 'destination bits of an interrupt-remapping entry that xAPIC mode does not use must be 0 (0x24)',
    source: 'our recollection of the specification; QEMU ignores them',
  },
  reservedValidationIsMismatch: {
    default: false,
    meaning: 'SVT = 11b fails the check of the sender (0x26); otherwise the entry is invalid (0x24)',
    source: 'QEMU: 0x26; not established',
  },
  malformedTranslationAborts: {
    default: true,
    meaning: 'a translation request that meets a wrong paging entry is aborted, not answered with R = W = 0',
    source: 'differs by revision of the specification',
  },
  interruptRangeIsUntranslated: {
    default: false,
    meaning:
      'a translation request for 0xfeex_xxxx is answered with W = U = 1, to send interrupts untranslated, not with R = W = 0',
    source: 'older revisions of the specification',
  },
  nestedInterruptRange: {
    default: true,
    meaning: 'the guest-physical address that a nested first stage gives must not lie in 0xfeex_xxxx either',
    source: 'our recollection of the specification',
  },
  nestedAbsentIsDenied: {
    default: true,
    meaning:
      "a guest's table under an absent second-stage entry is one it may not read (0x75, 0x76), not 0x79",
    source: 'our recollection of the specification',
  },
  legacySecondStageFaults: {
    default: false,
    meaning: 'second-stage faults in scalable mode have the codes of legacy mode',
    source: 'QEMU has them; Linux and VirtualBox tables have codes of their own',
  },
  flagsNeedSnoop: {
    default: true,
    meaning: 'setting A or D needs PWSNP of the PASID table entry, not ECAP.SMPWCS alone',
    source: 'our recollection of the specification',
  },
  flagsNeedCoherence: {
    default: true,
    meaning:
      'setting A or D of a first-stage entry is a fault (0x90) where walks do not snoop; otherwise it is done all the same',
    source: 'our recollection of the specification; QEMU sets them without ECAP.SMPWCS',
  },
  contextBits65Reserved: {
    default: true,
    meaning: 'bits 6:5 of a scalable context entry are reserved',
    source: 'all sources; one published entry of a live machine has them set',
  },
  contextDomainIsGlobal: {
    default: true,
    meaning:
      'a domain-selective context invalidation drops everything in scalable mode, whose entries have no domain',
    source: 'our recollection of the specification',
  },
  iotlbDomainDropsPasids: {
    default: true,
    meaning: 'a domain-selective IOTLB invalidation drops what is tagged by PASID, too',
    source: 'our recollection of the specification',
  },
  iotlbPageDropsPasids: {
    default: true,
    meaning:
      'a page-selective IOTLB invalidation drops all first-stage and nested entries of its domain, not none',
    source: 'QEMU, and the specification as its history quotes it (chapter 6.5.2)',
  },
  cachesNotPresent: {
    default: true,
    meaning: 'a unit with CAP.CM keeps what is not present or malformed, as it may',
    source: "the specification allows it; QEMU's unit keeps only what it can use",
  },
  absentPasidInEveryDomain: {
    default: true,
    meaning:
      'a PASID-selective PASID-cache invalidation drops an entry kept as not present whatever its domain, not as of domain 0',
    source: 'Linux relies on it: it names the domain that it has just put there',
  },
  scalableRegisterCommands: {
    default: false,
    meaning: 'CCMD and IOTLB_REG, which know no PASIDs, carry out commands in scalable mode too',
    source: 'QEMU; by the specification the queue is to be used there',
  },
} as const satisfies Record<string, Uncertainty>;

type Uncertainty = { readonly meaning: string; readonly source: string } & (
  | { readonly default: boolean }
  | { readonly default: string; readonly choices: readonly string[] }
);

export type UncertainName = keyof typeof uncertainties;

type ValueOf<T> = T extends { readonly choices: readonly (infer W)[] } ? W : boolean;

/** Yes or no, or one of some words. */
export type Uncertain = { readonly [N in UncertainName]: ValueOf<(typeof uncertainties)[N]> };

export const uncertainNames = Object.keys(uncertainties) as UncertainName[];

export const defaultUncertain = Object.fromEntries(
  uncertainNames.map((name) => [name, uncertainties[name].default]),
) as unknown as Uncertain;
