import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readTrace, type Trace } from '../../../source/sources/qemu-trace/trace.ts';

const folder = fileURLToPath(new URL('../../../fixtures/traces', import.meta.url));

export type Recording = 'on' | 'on-pt' | 'on-strict' | 'off';

export const fileOf = (name: Recording): string => path.join(folder, `${name}.trace.gz`);

export const recording = (name: Recording): Promise<Trace> => readTrace(fileOf(name));

/** How many entries have happened when a phase begins, with the phase itself. */
export function positionOf(trace: Trace, phase: string): number {
  const index = trace.entries.findIndex(
    ({ event }) => event.kind === 'phase' && event.phase.name.startsWith(phase),
  );
  if (index < 0) throw new Error(`the recording has no phase ${phase}`);
  return index + 1;
}
