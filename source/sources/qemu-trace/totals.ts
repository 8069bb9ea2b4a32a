/** The totals of a whole trace: the report of `dmascope replay FILE --format json`. */
import { hex } from '../../vtd/bits.ts';
import { RecordingFold } from './recording-fold.ts';
import { counters, deviceCounts, Tally } from './tally.ts';
import type { Trace } from './trace.ts';

/** The shape of the JSON, documented in `docs/replay.md`; `schema` counts up when it changes incompatibly. */
export function totals(trace: Trace) {
  const fold = new RecordingFold(trace).advance(trace.entries.length);
  const { unit, tally, devices, faults } = fold;
  return {
    schema: 1,
    source: 'trace',
    file: trace.file,
    boot: trace.command?.boot ?? null,
    kernelLine: trace.command?.kernelLine ?? null,
    lines: trace.lines,
    otherLines: trace.other,
    recordedNs: trace.recordedNs,
    unit: {
      ...unit.registers(),
      // A kernel that shuts down turns translation off again: what counts is whether it was on.
      translation: unit.onNs !== null,
      translationOnNs: unit.onNs,
      translationOffNs: unit.offNs,
    },
    counters: withInvalidations(tally),
    devices: devices.map(({ device, tally: mine, domains }) => {
      const { requests, iotlb_lookup, iotlb_hit, page_walks, faults: refused } = deviceCounts(mine);
      return {
        name: device.name,
        bdf: device.bdf,
        group: device.group,
        requests,
        translations: mine.translations,
        iotlb_lookup,
        iotlb_hit,
        page_walks,
        faults: refused,
        domains: [...domains].sort((a, b) => a - b),
      };
    }),
    faults: faults.faults.map(({ reason, dmesg, ...fault }) => ({ ...fault, reason: hex(reason, 2), dmesg })),
    phases: phases(trace),
  };
}

export type TraceTotals = ReturnType<typeof totals>;

function phases({ entries }: Trace) {
  const found: { name: string; timeNs: number; lines: number | null; kept: number | null; tally: Tally }[] =
    [];
  for (const { timeNs, event } of entries) {
    if (event.kind === 'phase') {
      const { name, lines, kept } = event.phase;
      found.push({ name, timeNs, lines, kept, tally: new Tally() });
    } else found.at(-1)?.tally.add(event);
  }
  return found.map(({ tally, ...phase }) => ({ ...phase, counters: withInvalidations(tally) }));
}

const withInvalidations = (tally: Tally) => ({
  ...counters(tally),
  translations: tally.translations,
  invalidations: { ...tally.invalidations },
});
