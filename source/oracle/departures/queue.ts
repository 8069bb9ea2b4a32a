/** Departures in what the invalidation queue does with its descriptors. */
import { runCase } from '../../conformance/run-cases.ts';
import { descriptorAt, type Situation } from '../situation.ts';
import { type Departure, status } from './departure.ts';

const IQE = 0x10n;
const MEMORY_END = 0x2000_0000n;

/** Which of the two units stopped its queue in this step, while the other went on. */
function stopped({ ours, theirs }: Situation): 'ours' | 'theirs' | null {
  if (!('iqh' in ours) || !('iqh' in theirs)) return null;
  if (ours.iqh === theirs.iqh) return null;
  const [we, they] = [ours, theirs].map((answer) => (status(answer) & IQE) !== 0n);
  // Both may have stopped, each at another descriptor: the one that got less far met the reason.
  if (we && they) return BigInt(ours.iqh) < BigInt(theirs.iqh) ? 'ours' : 'theirs';
  return we ? 'ours' : they ? 'theirs' : null;
}

/** The descriptor at which one of the units stopped, and the other not. */
function culprit(situation: Situation, side: 'ours' | 'theirs'): readonly bigint[] | null {
  if (stopped(situation) !== side) return null;
  const answer = situation[side];
  return 'iqh' in answer ? descriptorAt(situation, answer.iqh) : null;
}

/** Whether software cleared IQE in an earlier step, or in this one, while the queue of the simulated unit was stopped. */
const clearedQueueError = ({ unit, entry, at }: Situation): boolean =>
  entry.steps.slice(0, at + 1).some((step, index) => {
    const clears =
      step.op === 'clearFaults' ||
      (step.op === 'reg' && step.register === 'FSTS' && (step.value & IQE) !== 0n);
    if (!clears) return false;
    const steps = [...entry.steps.slice(0, index), { op: 'rdreg', register: 'FSTS' } as const];
    const last = runCase(unit, { ...entry, steps }).steps.at(-1);
    return last?.op === 'rdreg' && (BigInt(last.val) & IQE) !== 0n;
  });

export const queueDepartures: readonly Departure[] = [
  {
    name: 'queue after clearing IQE',
    why: 'When software clears IQE, QEMU fetches again only with the next write of the tail; the specification has it go on at once.',
    apart: true,
    explains: (situation) => {
      const { ours, theirs, entry, at } = situation;
      if (!clearedQueueError(situation)) return false;
      // From then on one queue stands still while the other goes on, which shows wherever queues show.
      if ('iqh' in ours || ours.op === 'rdreg' || entry.steps[at].op === 'peek') return true;
      return (status(ours) ^ status(theirs)) === IQE;
    },
  },
  {
    name: 'wait that asks for nothing',
    why: 'QEMU stops at a wait with neither IF nor SW set; the specification allows it, as a fence.',
    apart: true,
    explains: (situation) => {
      const [lo] = culprit(situation, 'theirs') ?? [0n];
      return (lo & 0xfn) === 5n && (lo & 0x30n) === 0n;
    },
  },
  {
    name: 'status write outside memory',
    why: 'QEMU stops the queue when the status of a wait cannot be written; the write is posted, so nothing can notice.',
    apart: true,
    explains: (situation) => {
      const [lo, hi] = culprit(situation, 'theirs') ?? [0n, 0n];
      return (lo & 0xfn) === 5n && (lo & 0x20n) !== 0n && hi >= MEMORY_END;
    },
  },
  {
    name: 'reserved bits of an interrupt-entry descriptor',
    why: 'QEMU before 10 does not look at them.',
    mendedIn: 10,
    apart: true,
    explains: (situation) => {
      const [lo] = culprit(situation, 'ours') ?? [0n];
      return (lo & 0xfn) === 4n;
    },
  },
  {
    name: '128-bit descriptors in scalable mode',
    why: 'QEMU carries them out; by the specification scalable mode needs 256-bit ones, and the queue stops (IQEI 5).',
    apart: true,
    explains: (situation) =>
      situation.entry.scalable &&
      situation.entry.steps[situation.at].op === 'qi' &&
      culprit(situation, 'ours') !== null,
  },
  {
    name: 'descriptors of absent features',
    why: 'QEMU accepts device-TLB and PASID descriptors on a unit with neither; the specification stops the queue (IQEI 3).',
    apart: true,
    explains: (situation) => {
      const [lo] = culprit(situation, 'ours') ?? [0n];
      return (situation.unit.scalableMode ? [3n, 8n] : [3n, 6n, 7n]).includes(lo & 0xfn);
    },
  },
  {
    name: 'PASID-cache descriptors',
    why: 'QEMU has no PASID cache and looks at nothing in them; by the specification a reserved bit or granularity stops the queue (IQEI 4).',
    apart: true,
    explains: (situation) => {
      const [lo] = culprit(situation, 'ours') ?? [0n];
      return (lo & 0xfn) === 7n;
    },
  },
];
