/**
 * The simulated PC: memory, one remapping unit, a Linux host with its devices, and two guests. It is built
 * from a boot line and a seed, and whoever runs it brings the time.
 */

import type { KernelBuild, Platform } from '../linux/boot/policy.ts';
import type { FileTree } from '../linux/files/file-tree.ts';
import { Kernel } from '../linux/kernel.ts';
import { isRoutedToPeer, type PciFunction, requesterIdOf } from '../linux/pci.ts';
import { KernelRefusal } from '../linux/refusal.ts';
import type { PerfEvent } from '../linux/unit/perf-event.ts';
import { PerformanceMonitoring } from '../linux/unit/performance-monitoring.ts';
import { cachesOf } from '../parameters/chip.ts';
import { cpuCostOf, queueTimesOf } from '../parameters/cpu.ts';
import { type Overrides, type Values, valuesWith } from '../parameters/registry.ts';
import { uncertainOf, unitOf } from '../parameters/unit.ts';
import type { Act, Timeline } from '../timing/event-queue.ts';
import { Latencies } from '../timing/latencies.ts';
import type { TimedUnit } from '../timing/timed-unit.ts';
import { timedUnitOf } from '../timing/times.ts';
import { highHalf, lowHalf } from '../vtd/bits.ts';
import { PhysicalMemory } from '../vtd/memory.ts';
import { bdf, parseBdf } from '../vtd/source-id.ts';
import { presets, type UnitDescription } from '../vtd/unit/capabilities.ts';
import { Iommu } from '../vtd/unit/iommu.ts';
import { BENCHMARK_DEVICE, type Benchmark, cpusOf, startBenchmark } from './benchmarks/benchmark.ts';
import { LiveBench } from './benchmarks/live-bench.ts';
import {
  type Buffers,
  ContiguousZone,
  GuestBuffers,
  HostBuffers,
  VirtualBuffers,
} from './devices/buffers.ts';
import type { Device } from './devices/device.ts';
import { DevicePort } from './devices/device-port.ts';
import { DmaPath, type InterruptResult } from './devices/dma.ts';
import { type Answering, Endpoints } from './devices/endpoints.ts';
import { startWorkload, type Wait, type Workload, workingSets } from './devices/workloads.ts';
import { type GuestModel, guestModels } from './guests/guest.ts';
import { LentBuffers } from './guests/lent-buffers.ts';
import { attachVirtualIommu } from './guests/virtual-iommu.ts';
import {
  BOUNCE,
  BOUNCE_ZONE,
  DATA_ZONE,
  DEVICE_WINDOW,
  MEMORY_BYTES,
  MemoryMap,
  type OwnerId,
  TABLE_ZONE,
  UNIT_BASE,
} from './memory-map.ts';
import { HUGE_PAGES_BYTES, ProcessBuffers } from './programs/process.ts';
import { Programs } from './programs/programs.ts';
import type { MadeCall } from './programs/vfio-calls.ts';
import type { VfioInterface } from './programs/vfio-program.ts';
import { Random } from './random.ts';
import { type DeviceModel, type Topology, topologyOf } from './topology.ts';

export type MachineOptions = {
  readonly boot: string;
  readonly seed: number;
  readonly build?: KernelBuild;
  readonly platform?: Platform;
  readonly unit?: UnitDescription;
  /** Parameters that are not to have their default. */
  readonly parameters?: Overrides;
  /** What the first device does in place of its own workload, while all others stand still. */
  readonly benchmark?: Benchmark;
  /** Events to count from boot on, on a unit with performance monitoring; no more than it has counters. */
  readonly perf?: readonly PerfEvent[];
};

/** A benchmark's events are its own; it is only looked at now and then. */
const BENCHMARK_WAIT_NS = 1e9;

/** How a guest gets a device. */
export type Assignment = {
  /** The guest sees an IOMMU before the device, and maps of its memory what the device is to reach. */
  readonly seesIommu?: boolean;
  /** By which files of the kernel; left out: a container, and iommufd for tables of a guest that are nested. */
  readonly by?: VfioInterface;
};

export class Machine {
  readonly options: MachineOptions;
  readonly values: Values;
  readonly memory = new PhysicalMemory(MEMORY_BYTES);
  readonly map = new MemoryMap();
  readonly unit: Iommu;
  readonly kernel: Kernel;
  readonly dma: DmaPath;
  /** The counts of the events asked for. */
  readonly perf: readonly { readonly text: string; read(): number }[];
  readonly devices: readonly Device[];
  private readonly clock: Timeline;
  private readonly timed: TimedUnit;
  private readonly contiguous = new ContiguousZone();
  private readonly topology: Topology;
  private readonly endpoints: Endpoints;
  private readonly guestOwners = new Map<GuestModel, OwnerId>();
  private readonly regionOwners = new Map<OwnerId, Device>();
  private readonly programs: Programs;
  /** Told of every call by which a program takes a device through VFIO, or gives it back. */
  onCall: ((made: MadeCall) => void) | null = null;

  constructor(options: MachineOptions, clock: Timeline) {
    this.options = options;
    this.clock = clock;
    this.values = valuesWith(options.parameters ?? {});
    const { values } = this;
    this.topology = topologyOf(values['pc.pciBus'] === 'yes');
    const { functions, devices } = this.topology;
    this.endpoints = new Endpoints(functions, () => this.unit, values['deviceTlb.timeoutMs'] * 1e6);
    this.unit = new Iommu(
      this.memory,
      unitOf(options.unit ?? presets.skylake, values),
      // The message is on its way to the CPU; the handler runs a little later.
      (_, vector) => clock.after(values['fault.interruptNs'], () => this.kernel.interrupt(vector)),
      { caches: cachesOf(values), uncertain: uncertainOf(values), link: this.endpoints.link },
    );
    this.kernel = new Kernel(
      {
        memory: this.memory,
        unit: this.unit,
        functions,
        windows: [DEVICE_WINDOW],
        unitBase: UNIT_BASE,
        tableZone: TABLE_ZONE,
        dataZone: DATA_ZONE,
        bounceZone: BOUNCE_ZONE,
        endpoints: {
          waitForDevices: () => this.endpoints.timeOut(),
          isPresent: (sourceId) => this.endpoints.isPresent(sourceId),
          stuck: (sourceId) => this.hang(sourceId),
        },
      },
      options.boot,
      clock,
      {
        build: options.build,
        cpus: Math.max(values.cpus, options.benchmark === undefined ? 1 : cpusOf(options.benchmark)),
        queueTimes: queueTimesOf(values),
        platform: options.platform,
        cpuCost: cpuCostOf(values),
        givesHint: values['invalidation.hint'] === 'on',
        timerHz: values['cpu.timerHz'],
        nsPerCycle: 1 / values['cpu.ghz'],
      },
    );
    this.timed = timedUnitOf(this.unit, values, clock);
    this.dma = new DmaPath(
      this.memory,
      this.unit,
      this.map,
      this.timed,
      (device, owner) => this.mayWrite(device, owner),
      (result) => this.deliver(result),
      (device, address) => this.reachesPeer(device, address),
    );
    this.perf = openEvents(this.unit, options.perf ?? []);
    this.programs = new Programs(this.kernel, this.map, this.contiguous, values['vfio.memlockMiB'], (made) =>
      this.onCall?.(made),
    );
    for (const guest of guestModels) {
      const owner = this.map.addOwner(`guest ${guest.name} RAM`);
      this.map.give(guest.base, guest.bytes, owner);
      this.guestOwners.set(guest, owner);
    }
    this.devices = devices.map((model) => this.addDevice(model));
    this.placeRegisters();
    this.bindHostDrivers();
    for (const device of this.devices) this.startAtBoot(device);
  }

  /** A device by name or by `03:00.0`, or undefined. */
  find(name: string): Device | undefined {
    const sourceId = parseBdf(name);
    return this.devices.find(({ model }) => model.name === name || model.sourceId === sourceId);
  }

  /** The default driver of a host for a device. */
  hostDriver(device: Device): string | null {
    return this.functionOf(device.model.sourceId)?.driver ?? null;
  }

  /** Start a device's workload on the buffers of whoever owns it. */
  start(device: Device): void {
    if (device.workload !== null) return;
    const { values } = this;
    const { port } = device;
    const { name, workload } = device.model;
    device.runs++;
    const { benchmark } = this.options;
    if (benchmark !== undefined && name === BENCHMARK_DEVICE && device.guest === null) {
      device.workload = this.benchmarkOn(device, benchmark);
      this.run(device);
      return;
    }
    const buffers = this.buffersFor(device);
    port.workingSet = workingSets[workload];
    device.workload = startWorkload(workload, {
      buffers,
      values,
      random: new Random(this.options.seed, `${name} ${device.runs}`),
      dma: (address, bytes, access) => port.ask(highHalf(address), lowHalf(address), bytes, access),
      isOver: (number) => port.port.isOver(number),
      unfinished: () => port.port.unfinished(),
      interrupt: () => this.raise(device),
      cpuSpent: () => buffers.takeCycles() / values['cpu.ghz'],
      slowness: device.emulated ? values['guest.emulationFactor'] : 1,
    });
    this.run(device);
  }

  /** A benchmark as a workload: it runs by itself until it is stopped. */
  private *benchmarkOn(device: Device, benchmark: Benchmark): Workload {
    const { kernel, map, contiguous: zone, dma: path, clock, values } = this;
    const bench = new LiveBench(device, { kernel, map, zone, path, clock, values, seed: this.options.seed });
    try {
      startBenchmark(bench, benchmark);
      for (;;) yield BENCHMARK_WAIT_NS;
    } finally {
      bench.stop();
    }
  }

  private run(device: Device): void {
    const run: Run = { device, number: device.runs, again: () => this.goOn(run) };
    this.clock.at(0, this.goOn, run);
  }

  /** Stop a device's workload; it gives its buffers back. */
  stop(device: Device): void {
    device.port.port.forget();
    device.workload?.return();
    device.workload = null;
  }

  /** Buffers that its driver maps on request, until the driver goes. */
  lend(device: Device): LentBuffers {
    device.lent ??= new LentBuffers(this.buffersFor(device));
    return device.lent;
  }

  /** Stop a device and give all its buffers back: its driver goes. */
  private withdraw(device: Device): void {
    this.stop(device);
    device.lent?.unmapAll();
    device.lent = null;
  }

  private buffersFor(device: Device): Buffers {
    const { kernel, values } = this;
    if (device.virtualIommu !== null) {
      return new VirtualBuffers(device.virtualIommu, kernel, values['guest.exitNs'] * values['cpu.ghz']);
    }
    if (device.guest !== null)
      return new GuestBuffers(device.guest, this.kernel.device(device.model.sourceId).fn.dmaMask);
    if (device.process !== null) return new ProcessBuffers(device.process);
    const cpu = this.topology.devices.indexOf(device.model) % values.cpus;
    return new HostBuffers(kernel, this.map, this.contiguous, device.model.sourceId, device.buffers, cpu);
  }

  /** Claimed through VFIO, and given no address space: nobody drives it. */
  isHeldBack({ model, guest, process }: Device): boolean {
    return this.kernel.device(model.sourceId).claimed && guest === null && process === null;
  }

  /**
   * Give a device to a guest: vfio-pci is bound to it, and QEMU takes it through VFIO and maps all memory of the guest.
   *
   * @throws KernelRefusal; the device is then with the host, as it was, or again
   */
  assign(device: Device, guest: GuestModel, { seesIommu = false, by }: Assignment = {}): void {
    const { kernel, memory, clock } = this;
    const { sourceId } = device.model;
    const nests = seesIommu && kernel.nests && by !== 'container';
    const purpose = nests ? 'nested' : seesIommu ? 'shadow' : 'memory';
    const qemu = this.programs.qemuOf(guest);
    this.lendTo(device, () => {
      const taking = qemu.take(device.model, purpose, by ?? (nests ? 'iommufd' : 'container'));
      device.heldBy = qemu;
      device.guest = guest;
      const { domain: owned } = taking;
      if (!seesIommu || owned === null) return;
      const nest = nests
        ? (root: number, levels: number) => qemu.nest(device.model, taking, root, levels)
        : null;
      device.virtualIommu = attachVirtualIommu(kernel, memory, clock, sourceId, guest, { owned, nest });
    });
    kernel.lendInterrupts(sourceId, guest.name);
    this.start(device);
  }

  /**
   * Let a process of the host drive a device from user space. Behind the IOMMU it reaches the memory of that process;
   * without, in the unsafe mode of VFIO for that, whatever it is told to.
   *
   * @throws KernelRefusal as assign does
   */
  giveToProcess(device: Device): void {
    const { program, memory } = this.programs.withDrivers();
    const { dmaMask } = this.kernel.device(device.model.sourceId).fn;
    if (memory.iova + HUGE_PAGES_BYTES - 1 > dmaMask) {
      const why = `testpmd has no memory below its mask of 0x${dmaMask.toString(16)}`;
      throw new KernelRefusal('ENOTSUP', `${device.model.name}: ${why}`);
    }
    this.lendTo(device, () => {
      program.take(device.model, 'memory', 'container');
      device.heldBy = program;
      device.process = memory;
    });
    this.start(device);
  }

  /** Take a device back, whoever has it; the host's driver is bound again. */
  takeBack(device: Device): void {
    this.withdraw(device);
    this.release(device);
    this.kernel.bindDriver(device.model.sourceId, this.hostDriver(device));
    this.start(device);
  }

  /**
   * Claim a device's group and give it no address space: every DMA is refused.
   *
   * @throws KernelRefusal as assign does
   */
  block(device: Device): void {
    const { kernel } = this;
    const { claimer } = this.programs;
    this.lendTo(device, () => {
      claimer.take(device.model, 'claim', 'container');
      device.heldBy = claimer;
      if (!kernel.device(device.model.sourceId).claimed)
        throw new KernelRefusal(
          'EOPNOTSUPP',
          `in Linux ${kernel.version} a group is not claimed before it is attached`,
        );
    });
  }

  /** Files of the kernel, and what strace wrote of the programs that took devices. */
  files(): FileTree {
    const tree = this.kernel.files();
    for (const { name, trace } of this.programs.started)
      tree.add(`/tmp/${name.replace(' ', '-')}.strace`, () => trace.map((line) => `${line}\n`).join(''));
    return tree;
  }

  /** Take a device from whoever drives it and bind vfio-pci; where it is then refused, the host has it. */
  private lendTo(device: Device, take: () => void): void {
    const { kernel } = this;
    const { sourceId } = device.model;
    const wasRunning = device.workload !== null;
    const wasEmulated = device.emulated;
    this.withdraw(device);
    this.release(device);
    try {
      kernel.bindDriver(sourceId, 'vfio-pci');
      take();
    } catch (error) {
      this.release(device);
      kernel.bindDriver(sourceId, this.hostDriver(device));
      device.emulated = wasEmulated;
      if (wasRunning) this.start(device);
      throw error;
    }
  }

  /** Whether a device has a device TLB, and what that does with invalidations. */
  deviceTlb(device: Device): Answering | null {
    return this.endpoints.answering(device.model.sourceId);
  }

  /**
   * Let a device answer invalidations of its TLB, keep silent, or be gone from its slot: its driver then goes as well,
   * and gives the buffers back.
   */
  setDeviceTlb(device: Device, to: Answering): void {
    this.endpoints.setAnswering(device.model.sourceId, to);
    if (to === 'gone') this.withdraw(device);
  }

  /** A device says that it carried out an invalidation which nobody sent. */
  completeUnasked(device: Device): void {
    this.endpoints.completeUnasked(device.model.sourceId);
  }

  /** Its driver lets go of a device; its buffers are given back. Who has it through vfio-pci is asked for it first. */
  unbind(device: Device): void {
    this.withdraw(device);
    this.release(device);
  }

  /** The host driver takes a device, and starts it. */
  bind(device: Device): void {
    this.kernel.bindDriver(device.model.sourceId, this.hostDriver(device));
    this.start(device);
  }

  /**
   * Do something that needs the host driver unbound, then bind it again.
   *
   * @throws whatever the action throws, after the driver is back
   */
  unbound(device: Device, action: () => void): void {
    const { kernel } = this;
    const { sourceId } = device.model;
    const { driver } = kernel.device(sourceId);
    const siblings = this.groupSiblings(sourceId);
    const wasRunning = device.workload !== null;
    this.withdraw(device);
    kernel.bindDriver(sourceId, null);
    const bound = siblings.map((id) => [id, kernel.device(id).driver] as const);
    for (const id of siblings) kernel.bindDriver(id, null);
    try {
      action();
    } finally {
      for (const [id, name] of bound) kernel.bindDriver(id, name);
      kernel.bindDriver(sourceId, driver);
      if (wasRunning) this.start(device);
    }
  }

  /** Whoever has a device through VFIO gives it up, and a guest's IOMMU goes before; nobody drives it then. */
  private release(device: Device): void {
    device.virtualIommu?.close();
    device.virtualIommu = null;
    device.heldBy?.giveBack(device.model);
    device.heldBy = null;
    device.guest = null;
    device.process = null;
    device.emulated = false;
    this.kernel.bindDriver(device.model.sourceId, null);
  }

  /** A device sends the interrupt that its driver set up, if one did. */
  private raise(device: Device): void {
    const [own] = this.kernel.interrupts.of(device.model.sourceId);
    if (own !== undefined) device.port.interrupt(own.message.address | 0, own.message.data);
  }

  /** An interrupt reaches a processor; a notification is read a little later, so that others may join it. */
  private deliver({ delivery, vector, processor, mode }: InterruptResult): void {
    if (delivery !== 'posted, notified') this.kernel.interrupt(vector, processor, mode);
    else
      this.clock.after(this.values['interrupt.notifyNs'], () =>
        this.kernel.interrupt(vector, processor, mode),
      );
  }

  private groupSiblings(sourceId: number): number[] {
    const { group } = this.kernel.device(sourceId);
    return this.topology.functions
      .map((fn) => fn.sourceId)
      .filter((id) => id !== sourceId && this.kernel.device(id).group === group && group !== null);
  }

  private addDevice(model: DeviceModel): Device {
    const requesterId = requesterIdOf(this.topology.functions, model.sourceId);
    const known: Omit<Device, 'port'> = {
      model,
      buffers: this.map.addOwner(`${model.name} buffer`),
      tlb: this.endpoints.tlbOf(model.sourceId),
      requesterId,
      counts: this.unit.translator.countRequester(requesterId),
      guest: null,
      process: null,
      heldBy: null,
      virtualIommu: null,
      emulated: false,
      workload: null,
      lent: null,
      runs: 0,
      requests: 0,
      bytes: 0,
      latencies: new Latencies(),
    };
    const chance = new Random(this.options.seed, `${model.name} cache`);
    // The two know each other.
    const device: Device = Object.assign(known, {
      port: new DevicePort(known as Device, this.dma, this.timed, this.values, this.clock, chance),
    });
    for (const { start, end } of this.functionOf(model.sourceId)?.reserved ?? []) {
      const owner = this.map.addOwner(`${model.name} firmware region`);
      this.map.give(start, end + 1 - start, owner);
      this.regionOwners.set(owner, device);
    }
    return device;
  }

  /** Registers of the devices with a name, then of the other functions that share a slot with one. */
  private placeRegisters(): void {
    const { functions, devices: deviceModels } = this.topology;
    for (const { name, sourceId } of deviceModels) this.map.addRegisters(sourceId, name);
    for (const { sourceId } of functions) {
      const isSibling = deviceModels.some((model) => model.sourceId >>> 3 === sourceId >>> 3);
      if (isSibling && deviceModels.every((model) => model.sourceId !== sourceId))
        this.map.addRegisters(sourceId, bdf(sourceId));
    }
  }

  /** Whether an address leads to another function without passing the unit. */
  private reachesPeer({ model }: Device, address: number): boolean {
    const peer = this.map.functionAt(address);
    return peer !== null && isRoutedToPeer(this.topology.functions, model.sourceId, peer);
  }

  private functionOf(sourceId: number): PciFunction | undefined {
    return this.topology.functions.find((fn) => fn.sourceId === sourceId);
  }

  private bindHostDrivers(): void {
    for (const fn of this.topology.functions) this.kernel.bindDriver(fn.sourceId, fn.driver);
  }

  /** At boot a device that a guest is to have is given to it; without an IOMMU the guest gets a stand-in. */
  private startAtBoot(device: Device): void {
    if (this.options.benchmark !== undefined && device.model.name !== BENCHMARK_DEVICE) return;
    const guest = guestModels.find(({ name }) => name === device.model.guest);
    if (guest === undefined) return this.start(device);
    try {
      this.assign(device, guest);
    } catch (error) {
      if (!(error instanceof KernelRefusal)) throw error;
      device.emulated = true;
      this.start(device);
    }
  }

  /** The CPU that runs a device's driver never comes back: nothing more is asked of the device. */
  private hang(sourceId: number): void {
    const device = this.devices.find(({ model }) => model.sourceId === sourceId);
    if (device === undefined) return;
    device.runs++;
    device.workload = null;
  }

  private mayWrite(device: Device, owner: OwnerId): boolean {
    if (owner === BOUNCE && device.guest === null && this.isBounced(device)) return true;
    if (owner === device.buffers || this.regionOwners.get(owner) === device) return true;
    if (device.process?.owner === owner) return true;
    return device.guest !== null && this.guestOwners.get(device.guest) === owner;
  }

  /** Whether buffers of a device can be copied through the bounce buffers. */
  private isBounced({ model }: Device): boolean {
    const { settings } = this.kernel;
    const { untrusted, dmaMask } = this.kernel.device(model.sourceId).fn;
    return untrusted || dmaMask < MEMORY_BYTES - 1 || settings.swiotlb === 'force';
  }

  /** Let a workload go on, and again after each wait that it asks for. */
  private readonly goOn: Act<Run> = (run) => {
    const { device, number, again } = run;
    if (device.runs !== number || device.workload === null) return;
    const wait = nextWait(device.workload);
    if (wait === null) device.workload = null;
    else if (typeof wait === 'number') this.clock.at(wait, this.goOn, run);
    else device.port.port.whenOver(wait.until, again);
  };
}

/** One run of a device's workload, so that a wake-up meant for an earlier one is recognised. */
type Run = { readonly device: Device; readonly number: number; readonly again: () => void };

/** Until a workload goes on; null where it ended, as a driver does that gets no memory it could give its device. */
function nextWait(workload: Workload): Wait | null {
  try {
    const { value, done } = workload.next();
    return done === true ? null : value;
  } catch (error) {
    if (error instanceof KernelRefusal) return null;
    throw error;
  }
}

function openEvents(unit: Iommu, events: readonly PerfEvent[]): Machine['perf'] {
  const driver = PerformanceMonitoring.find(unit);
  return events.map(({ text, name, filters }) => {
    const counter = driver?.open(name, filters) ?? null;
    if (driver === null || counter === null) throw new RangeError(`no counter is left for ${text}`);
    return { text, read: () => driver.read(counter) };
  });
}
