/** What a recording shows at a position, without playing it. */
import type { Snapshot } from '../../simulation/snapshot.ts';
import { History } from './history.ts';
import { RecordingFold } from './recording-fold.ts';
import type { Trace } from './trace.ts';
import { traceSnapshot } from './trace-snapshot.ts';

/**
 * The snapshot after so many entries of a trace, paused; the same position always gives the same one.
 */
export function stateAt(trace: Trace, position: number): Snapshot {
  const fold = new RecordingFold(trace).advance(position);
  const timeNs = trace.entries[fold.position - 1]?.timeNs ?? 0;
  const isEnd = fold.position >= trace.entries.length;
  return traceSnapshot(trace, fold, new History(trace.entries), {
    timeNs,
    state: isEnd ? 'ended' : 'paused',
    speed: 1,
    notice: null,
    focus: { view: 'dma', device: null, address: null },
  });
}
