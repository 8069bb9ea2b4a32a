/** Departures in what becomes of requests in scalable mode. */
import { WRITE } from '../../vtd/formats/paging-entry.ts';
import type { Step as WalkStep } from '../../vtd/translation/step.ts';
import type { Request, Situation } from '../situation.ts';
import { faultOf } from '../situation.ts';
import { type Departure, isField } from './departure.ts';
import { isStillPassed } from './lasting-pass-through.ts';

/** Fault reasons of scalable mode by those of legacy mode that QEMU has in their place. */
const legacyReasons: Readonly<Record<string, readonly string[]>> = {
  '0x38': ['0x8'],
  '0x39': ['0x1'],
  '0x3a': ['0xa'],
  '0x40': ['0x9'],
  '0x41': ['0x2'],
  '0x42': ['0xb'],
  '0x78': ['0x7'],
  '0x79': ['0x5', '0x6'],
  '0x7a': ['0xc'],
  '0x7b': ['0x3'],
  '0x84': ['0x4'],
  '0x85': ['0x5'],
  '0x86': ['0x6'],
};

const FPD = 2;
const FIRST_STAGE = 1;
/** Bits of an address, in which QEMU's width is cut off. */
const FULL_WIDTH = 48;
const NOT_CANONICAL = 0x80;
/** A and D */
const FLAGS = 0x60n;

/** Whether FPD is set in a PASID structure on the way of a request. */
const isSuppressed = ({ steps }: Request): boolean =>
  steps.some(({ stage, words }) => stage.startsWith('PASID') && words.length > 0 && (words[0] & FPD) !== 0);

/** Where the first-stage entry of the page lies that a request was walked to, if it allowed the request. */
function firstStageLeaf(request: Request): number | null {
  const leaf = stepOf(request, 'first-stage entry');
  return leaf === undefined || leaf.verdict === 'blocked' ? null : leaf.address;
}

/** The last step of a request at that stage. */
const stepOf = ({ steps }: Request, name: WalkStep['stage']): WalkStep | undefined =>
  steps.findLast(({ stage }) => stage === name);

/** The PASID table entry that decided a request, cached or read. */
const requestEntry = ({ steps }: Request): readonly number[] =>
  steps.findLast(({ stage, words }) => /^PASID (table entry|cache)/.test(stage) && words.length > 0)
    ?.words ?? [0];

/** Whether all bits from the sign on are equal. */
function isCanonical(address: bigint, width: number): boolean {
  const upper = address >> BigInt(width - 1);
  return upper === 0n || upper === (1n << BigInt(65 - width)) - 1n;
}

/**
 * The requests that the simulated unit has refused for a reason, by now: where nothing is recorded, only a later step
 * may show that.
 */
const refused = ({ earlier, requests }: Situation, reason: number): readonly Request[] =>
  [...earlier, ...requests].filter((request) => faultOf(request) === reason);

export const scalableDepartures: readonly Departure[] = [
  {
    name: 'fault reasons of legacy mode',
    why: 'In scalable mode QEMU records root, context and second-stage faults with the reasons of legacy mode (1 to c); the specification has 38 to 42 and 78 to 86.',
    apart: false,
    explains: (situation) =>
      situation.entry.scalable &&
      isField(situation, 'fault.reason') &&
      situation.fields.every(({ expected, got }) => legacyReasons[expected]?.includes(got)),
  },
  {
    name: 'PASID of a request without one',
    why: 'QEMU records the PASID that such a request is translated with, and sets PP; by the specification PP is about what the request carried.',
    apart: false,
    explains: (situation) => situation.entry.scalable && isField(situation, 'fault.pasid'),
  },
  {
    name: 'reserved bits of PASID structures',
    why: 'QEMU does not look at them; the specification has 52 for a directory entry and 5a for a table entry.',
    apart: true,
    explains: (situation) => [0x52, 0x5a].some((reason) => refused(situation, reason).length > 0),
  },
  {
    name: 'FPD of PASID structures',
    why: 'QEMU records a fault found in PASID structures while it reads the context entry, before it looks at their FPD; by the specification those faults are qualified.',
    apart: true,
    explains: (situation) =>
      situation.requests.some((request) => {
        const fault = faultOf(request);
        return fault > 0x50 && fault <= 0x5d && isSuppressed(request);
      }),
  },
  {
    name: 'accessed and dirty where one is set',
    why: 'QEMU leaves an entry alone that has A or D, so that a write does not set D after a read; by the specification every write needs both.',
    apart: false,
    explains: (situation) => {
      const { entry, at, fields } = situation;
      const step = entry.steps[at];
      if (step.op !== 'peek' || !isField(situation, 'val')) return false;
      const isWritten = situation.earlier.some(
        (request) => request.access === WRITE && firstStageLeaf(request) === step.address,
      );
      return (
        isWritten &&
        fields.every(({ expected, got }) => {
          return (BigInt(got) & FLAGS) !== 0n && (BigInt(got) | FLAGS) === BigInt(expected);
        })
      );
    },
  },
  {
    name: 'context entry with absent features',
    why: 'QEMU ignores DTE, PASIDE, PRE and RID_PRIV on a unit without these; by the specification they are reserved there (42).',
    apart: true,
    explains: (situation) =>
      refused(situation, 0x42).some((request) => {
        const words = stepOf(request, 'context entry')?.words ?? [];
        return (words[0] & 0x1c) !== 0 || (words[2] & 0x10_0000) !== 0;
      }),
  },
  {
    name: 'XD without NXE',
    why: 'QEMU ignores bit 63 of a first-stage entry; by the specification it is reserved unless NXE is set (72).',
    apart: true,
    explains: (situation) =>
      refused(situation, 0x72).some((request) => (stepOf(request, 'first-stage entry')?.words[1] ?? 0) < 0),
  },
  {
    name: 'type of an absent PASID entry',
    why: 'QEMU checks PGTT and AW of a PASID table entry (5b) before P (59).',
    apart: false,
    explains: (situation) =>
      isField(situation, 'fault.reason') &&
      situation.fields.every(({ expected, got }) => expected === '0x59' && got === '0x5b'),
  },
  {
    name: 'end of pass-through in scalable mode',
    why: 'QEMU goes on passing the requests of a device through when its PASID table entry changes, until its context entry is invalidated.',
    apart: true,
    explains: (situation) =>
      situation.entry.scalable && situation.unit.passThrough && isStillPassed(situation),
  },
  {
    name: 'canonical addresses of a narrow entry',
    why: 'QEMU takes the width of canonical first-stage addresses from AW (80), which is about the second stage; the specification takes it from FSPM.',
    apart: true,
    explains: ({ entry, requests, earlier }) =>
      entry.scalable &&
      [...earlier, ...requests].some((request) => {
        const [word] = requestEntry(request);
        const width = Math.min(30 + 9 * ((word >>> 2) & 7), FULL_WIDTH);
        return (
          ((word >>> 6) & 7) === FIRST_STAGE &&
          faultOf(request) !== NOT_CANONICAL &&
          !isCanonical(request.address, width)
        );
      }),
  },
  {
    name: 'PASID structures behind a cached context entry',
    why: 'QEMU checks PASID structures when it reads the context entry; while it has that cached, it follows whatever they have become.',
    apart: true,
    explains: ({ entry, requests, earlier }) =>
      entry.scalable &&
      [...earlier, ...requests].some((request) => {
        const fault = faultOf(request);
        const isCached = request.steps.some(
          ({ stage, verdict }) => stage === 'context cache' && verdict === 'hit',
        );
        return fault >= 0x50 && fault <= 0x5d && isCached;
      }),
  },
];
