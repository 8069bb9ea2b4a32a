/** A recorded run of a real Linux on QEMU's unit, by the phases of its script. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Entry } from '../../../source/sources/qemu-trace/event.ts';
import { parseTrace } from '../../../source/sources/qemu-trace/trace.ts';

/** The kernel command lines of the runs, without what they have in common. */
export const bootLines = {
  default: '',
  on: 'intel_iommu=on',
  'on-strict': 'intel_iommu=on iommu.strict=1',
  'on-pt': 'intel_iommu=on iommu=pt',
  'sm-on': 'intel_iommu=on,sm_on',
  off: 'intel_iommu=off',
} as const;

export type RunName = keyof typeof bootLines;

/** What a request met in the IOTLB, or what was invalidated there: recorded, and in the same words simulated. */
export type Happening = {
  /** Since the run began; of what was simulated the time of the recording that it follows. */
  readonly timeNs: number;
} & (
  | {
      readonly kind: 'lookup';
      readonly isHit: boolean;
      readonly address: number;
      /** READ and WRITE as the leaf entry grants them. */
      readonly permissions: number;
    }
  | { readonly kind: 'pages'; readonly address: number; readonly pages: number }
  | { readonly kind: 'domain' }
);

export type RecordedPhase = {
  /** `dd-nvme-read`, `type identity`: without what differs between runs. */
  readonly name: string;
  /** All lines of the phase, of which the recording may hold only the first. */
  readonly lines: number;
  readonly isCut: boolean;
  readonly entries: readonly Entry[];
};

export type RecordedRun = { readonly name: RunName; readonly phases: readonly RecordedPhase[] };

const runs = new Map<RunName, RecordedRun>();

/** Read a run from `fixtures/traces`; each is read once. */
export function recordedRun(name: RunName): RecordedRun {
  let run = runs.get(name);
  if (run === undefined) {
    const file = `fixtures/traces/${name}.trace.gz`;
    run = { name, phases: phasesOf(gunzipSync(readFileSync(file)).toString(), file) };
    runs.set(name, run);
  }
  return run;
}

function phasesOf(text: string, file: string): RecordedPhase[] {
  const phases: (RecordedPhase & { entries: Entry[] })[] = [];
  for (const entry of parseTrace(text, file).entries) {
    const { event } = entry;
    if (event.kind !== 'phase') {
      phases.at(-1)?.entries.push(entry);
      continue;
    }
    const { name, lines, kept } = event.phase;
    const [first, second] = name.split(' ');
    phases.push({
      name: first === 'type' ? `${first} ${second}` : first,
      lines: lines ?? 0,
      isCut: kept !== lines,
      entries: [],
    });
  }
  return phases;
}

/** The phase of a name. */
export function phaseOf(run: RecordedRun, name: string): RecordedPhase {
  const phase = run.phases.find((each) => each.name === name);
  if (phase === undefined) throw new Error(`the run ${run.name} has no phase ${name}`);
  return phase;
}

/** What a phase shows of one device and of its domain. */
export function happeningsOf(phase: RecordedPhase, sourceId: number, did: number): Happening[] {
  const found: Happening[] = [];
  for (const { event, timeNs } of phase.entries) {
    if (event.kind === 'lookup' && event.sourceId === sourceId) {
      const permissions = Number(BigInt(event.entry) & 3n);
      found.push({ timeNs, kind: 'lookup', isHit: event.hit, address: Number(event.iova), permissions });
    } else if (event.kind === 'invalidation' && event.did === did) {
      if (event.count === 'iotlb_domain') found.push({ timeNs, kind: 'domain' });
      else if (event.count === 'iotlb_page')
        found.push({ timeNs, kind: 'pages', address: Number(event.address), pages: 2 ** (event.mask ?? 0) });
    }
  }
  return found;
}

const RIGHTS = ['--', 'r-', '-w', 'rw'];

/** `miss fffc0000 rw`, `pages fffc0000 16`, `domain`. */
export function textOf(happening: Happening): string {
  switch (happening.kind) {
    case 'lookup': {
      const { isHit, address, permissions } = happening;
      return `${isHit ? 'hit' : 'miss'} ${address.toString(16)} ${RIGHTS[permissions]}`;
    }
    case 'pages':
      return `pages ${happening.address.toString(16)} ${happening.pages}`;
    case 'domain':
      return 'domain';
  }
}

/**
 * Lines that QEMU writes: for a request its context entry, its page and its translation, of which legacy mode leaves the
 * context entry out where the page was found; for an invalidation and the wait after it nine, from the new tail on.
 */
export function linesOf(
  { name }: RecordedRun,
  { requests, misses, waits }: { requests: number; misses: number; waits: number },
): number {
  return 2 * requests + (name === 'sm-on' ? requests : misses) + 9 * waits;
}

/** The same for what was simulated. */
export function linesFor(run: RecordedRun, happenings: readonly Happening[]): number {
  const { requests, misses, pages, domains } = countsOf(happenings);
  return linesOf(run, { requests, misses, waits: pages + domains });
}

/** How often each kind happened. */
export function countsOf(happenings: readonly Happening[]) {
  const lookups = happenings.filter(({ kind }) => kind === 'lookup');
  return {
    requests: lookups.length,
    misses: lookups.filter((each) => each.kind === 'lookup' && !each.isHit).length,
    pages: happenings.filter(({ kind }) => kind === 'pages').length,
    domains: happenings.filter(({ kind }) => kind === 'domain').length,
  };
}
