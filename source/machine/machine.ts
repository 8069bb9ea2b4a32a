/**
 * The simulated PC: memory, one remapping unit, a Linux host with its devices, and two guests. It is built
 * from a boot line and a seed, and whoever runs it brings the time.
 */

import type { KernelBuild, Platform } from '../linux/boot/policy.ts';
import { Kernel } from '../linux/kernel.ts';
import { isRoutedToPeer } from '../linux/pci.ts';
import { KernelRefusal } from '../linux/refusal.ts';
import type { PerfEvent } from '../linux/unit/perf-event.ts';
import { PerformanceMonitoring } from '../linux/unit/performance-monitoring.ts';
import { cachesOf } from '../parameters/chip.ts';
import { cpuCostOf } from '../parameters/cpu.ts';
import { type Overrides, type Values, valuesWith } from '../parameters/registry.ts';
import { uncertainOf, unitOf } from '../parameters/unit.ts';
import type { Act, Timeline } from '../timing/event-queue.ts';
import { Latencies } from '../timing/latencies.ts';
import type { TimedUnit } from '../timing/timed-unit.ts';
import { timedUnitOf } from '../timing/times.ts';
import { DeviceTlb } from '../vtd/ats/device-tlb.ts';
import type { EndpointLink } from '../vtd/ats/endpoint-link.ts';
import { highHalf, lowHalf } from '../vtd/bits.ts';
import { PhysicalMemory } from '../vtd/memory.ts';
import { bdf, parseBdf } from '../vtd/source-id.ts';
import { presets, type UnitDescription } from '../vtd/unit/capabilities.ts';
import { Iommu } from '../vtd/unit/iommu.ts';
import { type Buffers, ContiguousZone, GuestBuffers, HostBuffers, VirtualBuffers } from './buffers.ts';
import type { Device } from './device.ts';
import { DevicePort } from './device-port.ts';
import { DmaPath, type InterruptResult } from './dma.ts';
import { type GuestModel, guestModels } from './guest.ts';
import { LentBuffers } from './lent-buffers.ts';
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
import { Random } from './random.ts';
import { type DeviceModel, deviceModels, functions } from './topology.ts';
import { attachVirtualIommu } from './virtual-iommu.ts';
import { startWorkload, type Wait, type Workload, workingSets } from './workloads.ts';

export type MachineOptions = {
  readonly boot: string;
  readonly seed: number;
  readonly build?: KernelBuild;
  readonly platform?: Platform;
  readonly unit?: UnitDescription;
  /** Parameters that are not to have their default. */
  readonly parameters?: Overrides;
  /** Events to count from boot on, on a unit with performance monitoring; no more than it has counters. */
  readonly perf?: readonly PerfEvent[];
};

/** Translations that a device with ATS keeps; our choice, as makers do not tell. */
const DEVICE_TLB_ENTRIES = 64;

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
  private readonly tlbs = new Map(
    functions.filter(({ ats }) => ats).map(({ sourceId }) => [sourceId, new DeviceTlb(DEVICE_TLB_ENTRIES)]),
  );
  private readonly guestOwners = new Map<GuestModel, OwnerId>();
  private readonly regionOwners = new Map<OwnerId, Device>();

  constructor(options: MachineOptions, clock: Timeline) {
    this.options = options;
    this.clock = clock;
    this.values = valuesWith(options.parameters ?? {});
    const { values } = this;
    this.unit = new Iommu(
      this.memory,
      unitOf(options.unit ?? presets.skylake, values),
      // The message is on its way to the CPU; the handler runs a little later.
      (_, vector) => clock.after(values['fault.interruptNs'], () => this.kernel.interrupt(vector)),
      { caches: cachesOf(values), uncertain: uncertainOf(values), link: this.linkToDevices() },
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
      },
      options.boot,
      clock,
      {
        build: options.build,
        platform: options.platform,
        cpuCost: cpuCostOf(values),
        givesHint: values['invalidation.hint'] === 'on',
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
    for (const guest of guestModels) {
      const owner = this.map.addOwner(`guest ${guest.name} RAM`);
      this.map.give(guest.base, guest.bytes, owner);
      this.guestOwners.set(guest, owner);
    }
    this.devices = deviceModels.map((model) => this.addDevice(model));
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
    return functions.find((fn) => fn.sourceId === device.model.sourceId)?.driver ?? null;
  }

  /** Start a device's workload on the buffers of whoever owns it. */
  start(device: Device): void {
    if (device.workload !== null) return;
    const { values } = this;
    const { port } = device;
    const { name, workload } = device.model;
    const buffers = this.buffersFor(device);
    device.runs++;
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
    if (device.guest !== null) return new GuestBuffers(device.guest);
    return new HostBuffers(kernel, this.map, this.contiguous, device.model.sourceId, device.buffers);
  }

  /**
   * Give a device to a guest as VFIO does: the host driver goes, the group's ownership is claimed, and all of
   * the guest's memory is mapped for it.
   *
   * @param seesIommu the guest sees an IOMMU before the device, and maps of its memory what the device is to reach
   * @throws KernelRefusal; the device is then as it was
   */
  assign(device: Device, guest: GuestModel, seesIommu = false): void {
    const { kernel } = this;
    const { sourceId } = device.model;
    const before = kernel.device(sourceId).driver;
    const wasRunning = device.workload !== null;
    this.withdraw(device);
    if (device.guest !== null || kernel.device(sourceId).claimed) this.release(device);
    try {
      kernel.bindDriver(sourceId, null);
      kernel.claim(sourceId);
    } catch (error) {
      kernel.bindDriver(sourceId, before);
      if (wasRunning) this.start(device);
      throw error;
    }
    if (seesIommu) {
      device.virtualIommu = attachVirtualIommu(kernel, this.memory, this.clock, sourceId, guest);
    } else {
      const domain = kernel.attachUnmanaged(sourceId, guest.largestLeaf);
      kernel.mapForOwner(domain, 0, [{ physical: guest.base, bytes: guest.bytes }]);
    }
    kernel.lendInterrupts(sourceId, guest.name);
    device.guest = guest;
    device.emulated = false;
    this.start(device);
  }

  /** Take a device back from a guest or from the blocking domain; the host's driver is bound again. */
  takeBack(device: Device): void {
    const { kernel } = this;
    const { sourceId } = device.model;
    this.withdraw(device);
    if (kernel.device(sourceId).claimed) this.release(device);
    device.guest = null;
    device.emulated = false;
    kernel.bindDriver(sourceId, this.hostDriver(device));
    this.start(device);
  }

  /** Claim a device through VFIO and give it no address space: every DMA is refused. */
  block(device: Device): void {
    const { kernel } = this;
    const { sourceId } = device.model;
    const before = kernel.device(sourceId).driver;
    const wasRunning = device.workload !== null;
    this.withdraw(device);
    if (kernel.device(sourceId).claimed) this.release(device);
    try {
      kernel.bindDriver(sourceId, null);
      kernel.claim(sourceId);
      device.guest = null;
    } catch (error) {
      kernel.bindDriver(sourceId, before);
      if (wasRunning) this.start(device);
      throw error;
    }
  }

  /** The host driver lets go of a device; its buffers are given back. */
  unbind(device: Device): void {
    this.withdraw(device);
    this.kernel.bindDriver(device.model.sourceId, null);
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

  /** VFIO gives a device up, and a guest's IOMMU before it goes. */
  private release(device: Device): void {
    device.virtualIommu?.close();
    device.virtualIommu = null;
    this.kernel.release(device.model.sourceId);
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
    return functions
      .map((fn) => fn.sourceId)
      .filter((id) => id !== sourceId && this.kernel.device(id).group === group && group !== null);
  }

  private addDevice(model: DeviceModel): Device {
    const known: Omit<Device, 'port'> = {
      model,
      buffers: this.map.addOwner(`${model.name} buffer`),
      tlb: this.tlbs.get(model.sourceId) ?? null,
      counts: this.unit.translator.countRequester(model.sourceId),
      guest: null,
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
    for (const { start, end } of functions.find((fn) => fn.sourceId === model.sourceId)?.reserved ?? []) {
      const owner = this.map.addOwner(`${model.name} firmware region`);
      this.map.give(start, end + 1 - start, owner);
      this.regionOwners.set(owner, device);
    }
    return device;
  }

  /** Registers of the devices with a name, then of the other functions that share a slot with one. */
  private placeRegisters(): void {
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
    return peer !== null && isRoutedToPeer(functions, model.sourceId, peer);
  }

  private bindHostDrivers(): void {
    for (const fn of functions) this.kernel.bindDriver(fn.sourceId, fn.driver);
  }

  /** At boot a device that a guest is to have is given to it; without an IOMMU the guest gets a stand-in. */
  private startAtBoot(device: Device): void {
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

  /** Devices of this machine do as they are told, at once; none is slow to forget, and none keeps silent. */
  private linkToDevices(): EndpointLink {
    return {
      invalidate: (message) => {
        this.tlbs.get(message.sourceId)?.invalidate(message);
        this.unit.invalidationCompleted(message.sourceId, message.tag);
      },
      respond: () => {},
    };
  }

  private mayWrite(device: Device, owner: OwnerId): boolean {
    if (owner === BOUNCE && device.guest === null && this.isBounced(device)) return true;
    if (owner === device.buffers || this.regionOwners.get(owner) === device) return true;
    return device.guest !== null && this.guestOwners.get(device.guest) === owner;
  }

  /** Whether buffers of a device can be copied through the bounce buffers. */
  private isBounced({ model }: Device): boolean {
    const { settings } = this.kernel;
    return this.kernel.device(model.sourceId).fn.untrusted || settings.swiotlb === 'force';
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
