/** Everything that can be decoded by its name. What a kind takes follows from its declared layout. */
import { contextEntry } from '../../vtd/formats/context-entry.ts';
import { faultRecord } from '../../vtd/formats/fault-record.ts';
import { firstStageEntryLayout, firstStageTableEntry } from '../../vtd/formats/first-stage-entry.ts';
import {
  messageLayout,
  remappableMessage,
  remappableRte,
  rteLayout,
} from '../../vtd/formats/interrupt-message.ts';
import { interruptEntryLayout, remappedEntry } from '../../vtd/formats/interrupt-remapping-entry.ts';
import { iotlbDescriptor } from '../../vtd/formats/invalidation-descriptor.ts';
import type { Layout } from '../../vtd/formats/layout.ts';
import { pageRequestEntry } from '../../vtd/formats/page-request.ts';
import { pagingEntryLayout, tableEntry } from '../../vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../../vtd/formats/pasid-directory-entry.ts';
import { pasidTableEntry } from '../../vtd/formats/pasid-table-entry.ts';
import { postedInterruptDescriptor } from '../../vtd/formats/posted-interrupt-descriptor.ts';
import { rootEntry } from '../../vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../../vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../../vtd/formats/scalable-root-entry.ts';
import { translationCompletion } from '../../vtd/formats/translation-completion.ts';
import { registerLayouts } from '../../vtd/unit/registers.ts';
import type { Explanation, Subject } from './decoded.ts';
import { anyDescriptorLayout, explainDescriptor } from './explain-descriptor.ts';
import { explainCompletion, explainPageRequest } from './explain-device-tlb.ts';
import { explainContextEntry, explainPagingEntry, explainRootEntry } from './explain-entry.ts';
import { explainFaultRecord } from './explain-fault.ts';
import {
  explainInterruptEntry,
  explainMessage,
  explainPostedDescriptor,
  explainRedirectionEntry,
} from './explain-interrupt.ts';
import { explainRegister } from './explain-register.ts';
import {
  explainFirstStageEntry,
  explainPasidDirectoryEntry,
  explainPasidTableEntry,
  explainScalableContextEntry,
  explainScalableRootEntry,
  scalableUnits,
} from './explain-scalable-entry.ts';
import type { Unit } from './reserved.ts';

export type Kind = {
  readonly name: string;
  /** `context-entry LO HI`. */
  readonly usage: string;
  readonly bits: number;
  readonly hasLevel: boolean;
  /** Values it takes, low first; together they have all its bits. */
  readonly parameters: readonly string[];
  /** How many of them must be given; the others are 0 if left out. */
  readonly required: number;
  /** The units it is held against; left out: those of legacy mode. */
  readonly units?: readonly Unit[];
  layoutOf(lowest: number, level: number, second: number): Layout;
  explain(subject: Subject): Explanation;
};

type Explain = Kind['explain'];
const fieldsOnly: Explain = () => ({ means: [], ifReserved: 'they must be 0' });

/** A format that is always the same. */
const fixed = (name: string, layout: Layout, explain: Explain = fieldsOnly): Kind =>
  kind(name, layout, () => layout, explain);

function kind(
  name: string,
  { bits, ordered }: Layout,
  layoutOf: Kind['layoutOf'],
  explain: Explain,
  hasLevel = false,
  parameters = parameterNames(bits),
): Kind {
  // A value without any field, such as the upper one of a root entry, need not be typed.
  const required = 1 + Math.floor((ordered[0].high * parameters.length) / bits);
  const words = parameters.map((parameter, i) => (i < required ? parameter : `[${parameter}]`));
  const usage = [name, ...(hasLevel ? ['LEVEL'] : []), ...words].join(' ');
  return { name, usage, bits, hasLevel, parameters, required, layoutOf, explain };
}

/** What there is in scalable mode only. */
const scalable = (of: Kind): Kind => ({ ...of, units: scalableUnits });

function parameterNames(bits: number): readonly string[] {
  if (bits <= 64) return ['VALUE'];
  return bits === 128 ? ['LO', 'HI'] : Array.from({ length: bits / 64 }, (_, i) => `QW${i}`);
}

/** A new format is a line here; a new register one in `registerLayouts`. */
export const kinds: readonly Kind[] = [
  fixed('root-entry', rootEntry, explainRootEntry),
  fixed('context-entry', contextEntry, explainContextEntry),
  kind(
    'paging-entry',
    tableEntry,
    (lowest, level) => pagingEntryLayout(level, lowest),
    explainPagingEntry,
    true,
  ),
  scalable(fixed('scalable-root-entry', scalableRootEntry, explainScalableRootEntry)),
  scalable(fixed('scalable-context-entry', scalableContextEntry, explainScalableContextEntry)),
  scalable(fixed('pasid-directory-entry', pasidDirectoryEntry, explainPasidDirectoryEntry)),
  scalable(fixed('pasid-table-entry', pasidTableEntry, explainPasidTableEntry)),
  scalable(
    kind(
      'first-stage-entry',
      firstStageTableEntry,
      (lowest, level) => firstStageEntryLayout(level, lowest),
      explainFirstStageEntry,
      true,
    ),
  ),
  kind('descriptor', iotlbDescriptor, anyDescriptorLayout, explainDescriptor),
  fixed('fault-record', faultRecord, explainFaultRecord),
  fixed('page-request', pageRequestEntry, explainPageRequest),
  fixed('translation-completion', translationCompletion, explainCompletion),
  kind('irte', remappedEntry, (lowest) => interruptEntryLayout(lowest), explainInterruptEntry),
  fixed('posted-interrupt-descriptor', postedInterruptDescriptor, explainPostedDescriptor),
  kind('msi', remappableMessage, messageLayout, explainMessage, false, ['ADDRESS', 'DATA']),
  kind('ioapic-entry', remappableRte, (_, __, second) => rteLayout(second), explainRedirectionEntry),
  ...Object.entries(registerLayouts).map(([name, layout]) =>
    fixed(name, layout, (subject) => explainRegister(name, subject)),
  ),
];

/** The names of all kinds, registers apart. */
export const kindNames = {
  formats: kinds.map(({ name }) => name).filter((name) => !Object.hasOwn(registerLayouts, name)),
  registers: Object.keys(registerLayouts),
} as const;

/** By name in upper or lower case; a register also as the specification writes it, `GSTS_REG`. */
export function kindNamed(word: string): Kind | null {
  const name = word.toLowerCase().replace(/_reg$/, '');
  return kinds.find((candidate) => candidate.name.toLowerCase() === name) ?? null;
}
