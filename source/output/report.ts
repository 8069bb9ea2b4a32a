/** The report of a headless run: the machine after so much simulated time, for programs to read. */
import type { Session } from '../commands/session.ts';
import { gbpsOf } from '../simulation/comparison.ts';
import type { FaultEntry } from '../simulation/journal.ts';
import { deviceIdentity, latencyOf, unitRegisters } from '../simulation/state.ts';
import { hex } from '../vtd/bits.ts';
import { namedCounts } from '../vtd/performance/counters.ts';

/** The shape of the JSON, documented in `docs/report.md`; `schema` counts up when it changes incompatibly. */
export function report({ simulation, bootOptions }: Session) {
  const { machine, journal } = simulation;
  const { unit, kernel } = machine;
  return {
    schema: 1,
    boot: bootOptions.boot,
    seed: bootOptions.seed,
    parameters: bootOptions.parameters ?? {},
    ignoredWords: kernel.settings.words.filter(({ known }) => !known).map(({ text }) => text),
    simulatedNs: Math.round(simulation.now),
    iommuReason: kernel.policy.reason,
    unit: unitRegisters(unit),
    iommu_cpu_cycles: kernel.cycles,
    counters: {
      ...namedCounts(unit.translator.counts),
      invalidations: { ...unit.invalidator.counts },
    },
    cpus: kernel.cpuUse.map(({ cycles, queueWaitNs }) => ({
      iommuCycles: Math.round(cycles),
      queueWaitNs: Math.round(queueWaitNs),
    })),
    perf: machine.perf.map((event) => ({ event: event.text, count: event.read() })),
    devices: machine.devices.map((device, index) => {
      // What a machine-readable report leaves out: words for people, and what follows from the domain.
      const { description: _, lane: __, ...identity } = deviceIdentity(simulation, device);
      const { requests, bytes, ...counts } = simulation.countsOf(index);
      const throughputGbps = gbpsOf(bytes, simulation.now);
      return { ...identity, dma: { requests, bytes, throughputGbps, latency: latencyOf(device) }, ...counts };
    }),
    faults: journal.faults.map(faultLine),
    vfio: journal.calls.map(({ timeNs, program, device, text, errno, effect }) => ({
      timeNs: Math.round(timeNs),
      program,
      device,
      call: text,
      errno,
      effect,
    })),
    dmesg: kernel.log.lines.slice(),
    memory: {
      corruptedPages: journal.corruptedPages.size,
      corrupted: [...journal.corruptedPages.values()].map(({ address, timeNs, device, bytes, owner }) => ({
        address,
        timeNs: Math.round(timeNs),
        device,
        bytes,
        owner,
      })),
    },
    halted: simulation.halted,
  };
}

export type Report = ReturnType<typeof report>;

const faultLine = ({ timeNs, device, bdf, type, address, reason, dmesg }: FaultEntry) => ({
  timeNs: Math.round(timeNs),
  device,
  bdf,
  type,
  address,
  reason: hex(reason, 2),
  dmesg,
});
