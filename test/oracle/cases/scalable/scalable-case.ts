/** Made-up cases in scalable mode: PASID structures, one kind of tables, requests, changes, and odd descriptors. */
import fc from 'fast-check';
import {
  type Case,
  devices,
  type Step,
  transfers,
  type UnitWords,
} from '../../../../source/conformance/case-file.ts';
import { mostly } from '../context.ts';
import { dataBlocks, LEVELS } from '../memory.ts';
import { addressOf } from '../requests.ts';
import { DOMAINS, ROOT, table, watched } from '../tables.ts';
import { usualWidth } from '../translation-case.ts';
import { type Change, change, type Parts, Software } from './changes.ts';
import { wideDescriptor } from './descriptors.ts';
import {
  context,
  directoryEntry,
  pasid,
  root,
  structures,
  structuresIn,
  WRONG_WIDTHS_IN_USE,
} from './structures.ts';
import { firstStage, secondStage, type TableKind } from './table-kind.ts';

type Request = Extract<Step, { op: 'dma' }>;

type Choice<Entry> =
  | { readonly do: 'step'; readonly step: Step }
  | { readonly do: 'change'; readonly change: Change<Entry> }
  /** A request before a change and the same after it, to where the change matters. */
  | { readonly do: 'probe'; readonly change: Change<Entry>; readonly request: Request };

/** One in so many structures has something wrong with it. */
const SOMETIMES = 30;

const length = fc.oneof(
  { weight: 4, arbitrary: fc.constant(8) },
  { weight: 1, arbitrary: fc.constantFrom(1, 4, 12, 64, 0x1000, 0x1008) },
);

const interrupts = fc.constantFrom(0xfee0_0000n, 0xfeef_fff8n, 0xfedf_fffcn, 0xfeef_fffcn);

export function request<Entry>(kind: TableKind<Entry>): fc.Arbitrary<Request> {
  const usual = fc
    .tuple(
      fc.constantFrom(0, ...kind.indices[4]),
      fc.constantFrom(...kind.indices[3]),
      fc.constantFrom(...kind.indices[2]),
      fc.constantFrom(...kind.indices[1]),
      fc.constantFrom(0, 8, 0x123, 0xff8, 0xffc),
    )
    .map(
      ([four, three, two, one, offset]) =>
        kind.canonical(addressOf([four, three, two, one])) + BigInt(offset),
    );
  const beyond = fc
    .tuple(usual, fc.constantFrom(39, 40, 47, 48, 52, 63))
    .map(([address, bit]) => address ^ (1n << BigInt(bit)));
  return fc.record({
    op: fc.constant('dma'),
    device: fc.constantFrom(...Object.values(devices)),
    transfer: fc.constantFrom(...transfers),
    address: fc.oneof(
      { weight: 30, arbitrary: usual },
      { weight: 2, arbitrary: beyond },
      { weight: 1, arbitrary: interrupts },
    ),
    length,
  });
}

export const slots = <Entry>(kind: TableKind<Entry>) =>
  Array.from({ length: DOMAINS }, (_, domain) =>
    LEVELS.flatMap((level) =>
      kind.indices[level].map((index, slot) => ({
        domain,
        level,
        slot,
        address: table(domain, level) + 8 * index,
      })),
    ),
  ).flat();

export const entriesOf = <Entry>(
  kind: TableKind<Entry>,
  isSound: boolean,
): fc.Arbitrary<Record<number, Entry[]>[]> =>
  fc.array(
    fc.record(
      Object.fromEntries(
        LEVELS.map((level) => [
          level,
          fc.tuple(...kind.indices[level].map(() => kind.entry(level, isSound))),
        ]),
      ) as Record<number, fc.Arbitrary<Entry[]>>,
    ),
    { minLength: DOMAINS, maxLength: DOMAINS },
  );

function partsOf<Entry>(unit: UnitWords, kind: TableKind<Entry>, isSound: boolean): Parts<Entry> {
  const wrong = isSound ? null : SOMETIMES;
  return {
    entry: (level) => kind.entry(level, isSound),
    root: root(wrong),
    context: context(wrong),
    directory: directoryEntry(wrong),
    pasid: pasid(kind.type, usualWidth(unit), wrong, WRONG_WIDTHS_IN_USE),
  };
}

function caseOf<Entry>(
  unit: UnitWords,
  kind: TableKind<Entry>,
  name: string,
  isSound: boolean,
  choices: fc.Arbitrary<Choice<Entry>[]>,
): fc.Arbitrary<Case> {
  const wrong = isSound ? null : SOMETIMES;
  const built = structures(kind.type, usualWidth(unit), wrong);
  return fc.record({ built, entries: entriesOf(kind, isSound), choices }).map((found): Case => {
    const software = new Software(kind, found.entries, found.built.pasids);
    /** The request, led to where the change is. */
    const aimed = (at: Change<Entry>, { address, ...rest }: Request): Request => {
      if (at.what !== 'entry') return { ...rest, address, device: at.device };
      const path = [4, 3, 2, 1].map((level) => Number((address >> BigInt(3 + 9 * level)) & 0x1ffn));
      path[4 - at.level] = kind.indices[at.level][at.slot];
      return { ...rest, device: software.userOf(at.domain), address: kind.canonical(addressOf(path)) };
    };
    const steps = found.choices.flatMap((choice): Step[] => {
      if (choice.do === 'step') return [choice.step];
      if (choice.do === 'change') return software.apply(choice.change);
      const before = aimed(choice.change, choice.request);
      const applied = software.apply(choice.change);
      return [before, ...applied, { op: 'clearFaults' }, aimed(choice.change, choice.request)];
    });
    const mem = slots(kind).map(({ domain, level, slot, address }) => ({
      address,
      qwords: [kind.value(found.entries[domain][level][slot], domain, level)],
    }));
    // The flags that walks have set.
    const flags = kind.isFirstStage ? slots(kind).map(({ address }): Step => ({ op: 'peek', address })) : [];
    return {
      name,
      scalable: true,
      rtaddr: BigInt(ROOT),
      mem: [...structuresIn(found.built), ...mem, ...dataBlocks],
      watch: watched,
      steps: [{ op: 'enable' }, ...steps, ...flags],
      expect: null,
    };
  });
}

const step = <Entry>(found: fc.Arbitrary<Step>): fc.Arbitrary<Choice<Entry>> =>
  found.map((of) => ({ do: 'step', step: of }));

function walks<Entry>(unit: UnitWords, kind: TableKind<Entry>, name: string): fc.Arbitrary<Case> {
  const made = change(kind, partsOf(unit, kind, false));
  const choice = fc.oneof(
    { weight: 10, arbitrary: step<Entry>(request(kind)) },
    { weight: 4, arbitrary: step<Entry>(fc.constant({ op: 'clearFaults' })) },
    { weight: 3, arbitrary: made.map((found): Choice<Entry> => ({ do: 'change', change: found })) },
    { weight: 1, arbitrary: step<Entry>(fc.constant({ op: 'faults' })) },
  );
  return caseOf(unit, kind, name, false, fc.array(choice, { minLength: 1, maxLength: 14 }));
}

function changes<Entry>(unit: UnitWords, kind: TableKind<Entry>, name: string): fc.Arbitrary<Case> {
  const made = change(kind, partsOf(unit, kind, true));
  const choice = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .record({ change: made, request: request(kind) })
        .map((found): Choice<Entry> => ({ do: 'probe', ...found })),
    },
    { weight: 4, arbitrary: step<Entry>(request(kind)) },
    { weight: 1, arbitrary: step<Entry>(fc.constant({ op: 'clearFaults' })) },
  );
  return caseOf(unit, kind, name, true, fc.array(choice, { minLength: 1, maxLength: 6 }));
}

function queues<Entry>(unit: UnitWords, kind: TableKind<Entry>, name: string): fc.Arbitrary<Case> {
  const posted = fc
    .array(wideDescriptor, { maxLength: 4 })
    .map((descriptors): Step => ({ op: 'qi256', descriptors }));
  const tail = fc
    .constantFrom(0n, 0x10n, 0x20n, 0x40n, 0x1fe0n, 0x2000n)
    .map((value): Step => ({ op: 'reg', register: 'IQT', value }));
  const choice = fc.oneof(
    { weight: 6, arbitrary: step<Entry>(posted) },
    { weight: 6, arbitrary: step<Entry>(request(kind)) },
    { weight: 1, arbitrary: step<Entry>(tail) },
    {
      weight: 2,
      arbitrary: step<Entry>(
        fc
          .constantFrom('IQH', 'IQT', 'ICS', 'FSTS', 'GSTS')
          .map((register): Step => ({ op: 'rdreg', register })),
      ),
    },
    { weight: 2, arbitrary: step<Entry>(fc.constant({ op: 'clearFaults' })) },
    { weight: 1, arbitrary: step<Entry>(fc.constant({ op: 'peek', address: 0x18_4000 })) },
  );
  const wide = caseOf(unit, kind, name, true, fc.array(choice, { minLength: 1, maxLength: 10 }));
  return fc.tuple(wide, mostly(false, 30, true)).map(([found, isNarrow]) => {
    return isNarrow ? { ...found, steps: found.steps.map(narrowed) } : found;
  });
}

/** Descriptors of 128 bits in the place of wider ones. */
function narrowed(found: Step): Step {
  if (found.op !== 'qi256') return found;
  return { op: 'qi', descriptors: found.descriptors.map(([lo, hi]) => [lo, hi]) };
}

/** Anything may be wrong with structures and tables. */
export const scalableCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  unit.firstStage ? walks(unit, firstStage, 'first stage') : walks(unit, secondStage, 'second stage');

/** All is right, and changes under the eyes of those who use it. */
export const scalableChangeCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  unit.firstStage ? changes(unit, firstStage, 'first stage') : changes(unit, secondStage, 'second stage');

/** Any descriptors. */
export const scalableQueueCase = (unit: UnitWords): fc.Arbitrary<Case> =>
  unit.firstStage ? queues(unit, firstStage, 'first stage') : queues(unit, secondStage, 'second stage');
