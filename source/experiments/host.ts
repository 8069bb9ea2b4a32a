/** A host for experiments: a kernel, one device behind a remapping unit, and simulated time. */

import { defaultBuild, type KernelBuild } from '../linux/boot/policy.ts';
import type { Direction, Mapping, Segment } from '../linux/dma-api/dma-api.ts';
import { Kernel } from '../linux/kernel.ts';
import { FULL_ACS, type PciFunction } from '../linux/pci.ts';
import { type Bench, split } from '../machine/benchmarks/bench.ts';
import { UNIT_BASE } from '../machine/memory-map.ts';
import { cachesOf } from '../parameters/chip.ts';
import { cpuCostOf, queueTimesOf } from '../parameters/cpu.ts';
import type { Values } from '../parameters/registry.ts';
import { uncertainOf, unitOf } from '../parameters/unit.ts';
import { EventQueue, type Timeline } from '../timing/event-queue.ts';
import type { Port } from '../timing/ports.ts';
import type { TimedUnit } from '../timing/timed-unit.ts';
import { portOf, timedUnitOf } from '../timing/times.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { PhysicalMemory } from '../vtd/memory.ts';
import { sourceId } from '../vtd/source-id.ts';
import { presets, type UnitDescription } from '../vtd/unit/capabilities.ts';
import { Iommu } from '../vtd/unit/iommu.ts';

const MiB = 2 ** 20;
const MEMORY_BYTES = 4096 * MiB;
const TABLE_ZONE = [16 * MiB, 256 * MiB] as const;
const DATA_ZONE = [256 * MiB, 2304 * MiB] as const;
/** Where contiguous memory begins, on a boundary of large pages. */
export const CONTIGUOUS = 2304 * MiB;

/** The unit of every experiment, but for what parameters change of it. */
export const experimentUnit: UnitDescription = presets.skylake;

export type HostOptions = {
  readonly boot: string;
  readonly build?: KernelBuild;
  readonly cpus?: number;
  readonly values: Values;
  /** In place of one network card behind a port. */
  readonly functions?: readonly FunctionModel[];
};

/** What a PCI function of an experiment is; the rest is as usual. */
export type FunctionModel = Pick<PciFunction, 'sourceId' | 'bridge' | 'driver'>;

const port = { sourceId: sourceId(0, 0x1c, 0), bridge: null, driver: 'pcieport' };
const card = { sourceId: sourceId(3, 0, 0), bridge: port.sourceId, driver: 'ixgbe' };
const usual: Omit<PciFunction, keyof FunctionModel> = {
  multifunction: false,
  kind: 'function',
  acs: FULL_ACS,
  untrusted: false,
  ats: false,
  dmaMask: 2 ** 48 - 1,
  reserved: [],
};

export class Host implements Bench {
  /** The device, 03:00.0. */
  readonly device = card.sourceId;
  readonly memory = new PhysicalMemory(MEMORY_BYTES);
  readonly unit: Iommu;
  readonly kernel: Kernel;
  readonly timed: TimedUnit;
  readonly port: Port;
  readonly seed = 1;
  readonly values: Values;
  private nextContiguous = CONTIGUOUS;
  private time = 0;
  private readonly queue = new EventQueue();
  readonly clock: Timeline = {
    now: () => this.time,
    after: (delay, run) => this.queue.schedule(this.time + delay, run),
    at: (delay, act, subject) => this.queue.at(this.time + delay, act, subject),
  };

  constructor({ boot, build = defaultBuild, cpus = 1, values, functions = [port, card] }: HostOptions) {
    this.values = values;
    this.unit = new Iommu(this.memory, unitOf(experimentUnit, values), () => {}, {
      caches: cachesOf(values),
      uncertain: uncertainOf(values),
    });
    this.kernel = new Kernel(
      {
        memory: this.memory,
        unit: this.unit,
        functions: functions.map((fn) => ({ ...usual, ...fn })),
        windows: [],
        unitBase: UNIT_BASE,
        tableZone: TABLE_ZONE,
        dataZone: DATA_ZONE,
      },
      boot,
      this.clock,
      {
        build,
        cpus,
        cpuCost: cpuCostOf(values),
        nsPerCycle: 1 / values['cpu.ghz'],
        queueTimes: queueTimesOf(values),
        givesHint: values['invalidation.hint'] === 'on',
        timerHz: values['cpu.timerHz'],
      },
    );
    this.timed = timedUnitOf(this.unit, values, this.clock);
    this.port = portOf(this.timed, values, this.clock);
  }

  newPage(): number {
    return this.kernel.dataFrames.allocate();
  }

  freePage(page: number): void {
    this.kernel.dataFrames.release(page);
  }

  contiguous(bytes: number, alignment = 1): number {
    const start = Math.ceil(this.nextContiguous / alignment) * alignment;
    this.nextContiguous = start + bytes;
    return start;
  }

  map(physical: number, bytes: number, direction: Direction, cpu = 0): Mapping {
    return this.kernel.map(this.device, physical, bytes, direction, cpu);
  }

  mapList(segments: readonly Segment[], direction: Direction, cpu: number): readonly Mapping[] {
    return this.kernel.mapList(this.device, segments, direction, cpu);
  }

  unmap(mapping: Mapping, cpu = 0): void {
    this.kernel.unmap(this.device, mapping, cpu);
  }

  cycles(): number {
    return this.kernel.cycles;
  }

  touch(address: number): number {
    return this.unit.translator.translate(this.device, ...split(address), READ | WRITE);
  }

  /** Let time pass until `enough`, or nothing is left to happen. */
  run(enough: () => boolean): void {
    while (!enough()) {
      const next = this.queue.nextTime();
      if (next === Number.POSITIVE_INFINITY) return;
      this.time = next;
      this.queue.runNext();
    }
  }
}
