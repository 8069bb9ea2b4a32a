/**
 * A Linux host on one machine: boots with a command line, gives every device a domain, offers the DMA API,
 * lends devices to guests and handles faults.
 */
import { DeliveryMode } from '../vtd/formats/interrupt-remapping-entry.ts';
import type { PhysicalMemory } from '../vtd/memory.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import { type BootSettings, readBootLine } from './boot/boot-line.ts';
import { logInterruptRemapping, logPolicy, logTables, logUnit } from './boot/boot-log.ts';
import {
  decide,
  defaultBuild,
  defaultTypeFor,
  demandedType,
  type KernelBuild,
  type Platform,
  type Policy,
  plainPlatform,
  usesScalableMode,
} from './boot/policy.ts';
import type { Clock } from './clock.ts';
import { BounceBuffers } from './dma-api/bounce-buffers.ts';
import { type CpuCost, CpuMeter, type CpuUse, defaultCpuCost } from './dma-api/cpu-cost.ts';
import { type Direction, DmaApi, type Mapping, type Segment } from './dma-api/dma-api.ts';
import { iovaTuningOf, type Reserved } from './dma-api/iova.ts';
import { type DeviceRecord, DeviceTable, pciAddress } from './domains/device-table.ts';
import { firstDid, type NestedDomain, type PagingDomain } from './domains/domain.ts';
import { DomainFactory } from './domains/domain-factory.ts';
import { setGroupType } from './domains/group-type.ts';
import type { FileTree } from './files/file-tree.ts';
import { kernelFiles } from './files/kernel-files.ts';
import { FAULT_VECTOR } from './interrupts/interrupt-vectors.ts';
import { type DeviceInterrupt, Interrupts } from './interrupts/interrupts.ts';
import { KernelLog } from './log/kernel-log.ts';
import { faultMessage, faultStatusMessage } from './log/messages.ts';
import { PageFrames } from './page-frames.ts';
import { dmaAliases, formGroups, type PciFunction } from './pci.ts';
import { KernelRefusal } from './refusal.ts';
import type { QueueTimes } from './unit/queue-contention.ts';
import type { QueueErrorCounts, QueueHost } from './unit/queue-errors.ts';
import { UnitDriver } from './unit/unit-driver.ts';
import { isSince, type KernelVersion } from './version.ts';
import { holds } from './version-rules.ts';
import { attachGroup } from './vfio/container.ts';
import { claimOwnership, detachOwned, releaseOwnership } from './vfio/dma-owner.ts';
import { NESTING_SINCE } from './vfio/iommufd.ts';
import type { VfioParts } from './vfio/parts.ts';
import { mapForOwner, unmapForOwner } from './vfio/user-mappings.ts';
import { Vfio } from './vfio/vfio.ts';

/** The machine a kernel boots on. */
export type Hardware = {
  readonly memory: PhysicalMemory;
  readonly unit: Iommu;
  readonly functions: readonly PciFunction[];
  /** Memory windows of the PCI host bridge, in which the registers of devices lie. */
  readonly windows: readonly Reserved[];
  /** From the ACPI DMAR table. */
  readonly unitBase: number;
  /** Where page tables, and where data pages, are taken from: first byte and first byte after. */
  readonly tableZone: readonly [start: number, end: number];
  readonly dataZone: readonly [start: number, end: number];
  /** Where pages that stand in for buffers of untrusted devices are taken from; without it they get no such buffers. */
  readonly bounceZone?: readonly [start: number, end: number];
  /** Devices that may not answer; without it all do, at once. */
  readonly endpoints?: Omit<QueueHost, 'version' | 'say'>;
};

const answering: NonNullable<Hardware['endpoints']> = {
  waitForDevices: () => 0,
  isPresent: () => true,
  stuck: () => {},
};

export type KernelOptions = {
  readonly build?: KernelBuild;
  readonly platform?: Platform;
  readonly cpuCost?: CpuCost;
  /** How CPUs get into each other's way at the invalidation queue; not at all if not given. */
  readonly queueTimes?: QueueTimes;
  /** CPUs, each with magazines of addresses and a flush queue of its own; 1 if not given. */
  readonly cpus?: number;
  /** Whether the unit is told where an unmap left the tables as they are (IH); so if not given. */
  readonly givesHint?: boolean;
  /** CONFIG_HZ; 0, and if not given: timers do not count in ticks. */
  readonly timerHz?: number;
  /** Nanoseconds of a CPU cycle; a cycle of 3.1 GHz if not given. */
  readonly nsPerCycle?: number;
};

/** Things worth telling that the kernel does, for whoever watches. */
export type KernelObserver = {
  unmapped(sourceId: number, address: number, bytes: number, how: 'strict' | 'lazy'): void;
  /** A fault record was read; `message` is what Linux prints for it. */
  fault(words: Int32Array, message: string): void;
  message(text: string): void;
};

/** Pages between one new data frame and the next: a prime, so that buffers scatter as on a busy machine. */
const DATA_STRIDE = 7919;

/** Of a CPU at 3.1 GHz. */
const NS_PER_CYCLE = 1 / 3.1;
const NO_CONTENTION: QueueTimes = { heldNs: 0, waiterNs: 0 };

/** The source id of the IOAPIC by the scopes of the ACPI DMAR table; a client machine has f0:1f.0 there. */
const IOAPIC = 0xf0f8;

export class Kernel {
  readonly version: KernelVersion;
  readonly settings: BootSettings;
  readonly policy: Policy;
  /** The unit, if it is used, is in scalable mode. */
  readonly isScalable: boolean;
  /** Interrupts of devices are remapped. */
  readonly remapsInterrupts: boolean;
  readonly interrupts: Interrupts;
  /** vfio-pci, and the files by which processes take devices. */
  readonly vfio: Vfio;
  readonly log: KernelLog;
  readonly dataFrames: PageFrames;
  readonly domains: DomainFactory;
  /** Fault interrupts handled. */
  faultInterrupts = 0;
  observer: KernelObserver | null = null;
  private readonly hardware: Hardware;
  private readonly unit: Iommu;
  private readonly driver: UnitDriver;
  private readonly devices: DeviceTable;
  private readonly dma: DmaApi;
  private readonly meter: CpuMeter;
  private isBooted = false;
  private readonly vfioParts: VfioParts;

  constructor(hardware: Hardware, line: string, clock: Clock, options: KernelOptions = {}) {
    const { memory, unit, functions } = hardware;
    this.hardware = hardware;
    this.unit = unit;
    const build = options.build ?? defaultBuild;
    const { version } = build;
    this.version = version;
    this.settings = readBootLine(line, version);
    this.isScalable = usesScalableMode(this.settings, build, unit.capabilities);
    this.policy = decide(this.settings, build, {
      cachingMode: unit.capabilities.cachingMode,
      firstStage: this.isScalable && unit.capabilities.firstStage,
      externalPort: functions.some(({ untrusted }) => untrusted),
      platform: options.platform ?? plainPlatform,
    });
    this.log = new KernelLog(clock);
    const nsPerCycle = options.nsPerCycle ?? NS_PER_CYCLE;
    this.meter = new CpuMeter(options.cpuCost ?? defaultCpuCost, {
      cpus: options.cpus ?? 1,
      nsPerCycle,
      clock,
      queue: options.queueTimes ?? NO_CONTENTION,
    });
    this.dataFrames = new PageFrames(...hardware.dataZone, DATA_STRIDE);
    const frames = new PageFrames(...hardware.tableZone);
    const endpoints = hardware.endpoints ?? answering;
    this.driver = new UnitDriver(unit, memory, frames, {
      version,
      say: (text) => this.say(text),
      ...endpoints,
    });
    this.driver.givesHint = options.givesHint ?? true;
    const { invalidate } = options.cpuCost ?? defaultCpuCost;
    this.driver.invalidationNs = invalidate * nsPerCycle;
    const { driver, settings, meter } = this;
    const dids = {
      first: firstDid(this.isScalable, version),
      countsReserved: holds('countsReservedIds', version),
    };
    this.devices = new DeviceTable(driver, !settings.forceDac, dids, (text) => this.tell(0.32, text));
    const iovaTuning = { ...iovaTuningOf(version), cpus: options.cpus ?? 1, clock };
    const { windows } = hardware;
    const { isScalable } = this;
    this.domains = new DomainFactory({
      unit,
      memory,
      frames,
      driver,
      settings,
      isScalable,
      version,
      windows,
      iovaTuning,
      tickNs: options.timerHz ? 1e9 / options.timerHz : 0,
      meter,
    });
    const pool = hardware.bounceZone;
    const bounce =
      pool === undefined || settings.swiotlb === 'noforce'
        ? null
        : new BounceBuffers(memory, new PageFrames(...pool));
    this.dma = new DmaApi({
      driver,
      meter,
      version,
      say: (text) => this.say(text),
      ...(settings.bounce ? { bounce: bounce ?? 'inactive' } : {}),
      direct: { pool: bounce, isForced: settings.swiotlb === 'force' },
      readsWhatIsWritten: !unit.capabilities.zeroLengthRead && holds('readsForZeroLength', version),
    });

    logTables(this.log, settings, unit.capabilities, hardware.unitBase, functions);
    // Interrupt remapping sets the queue up first; without it, DMA remapping does.
    this.remapsInterrupts = settings.interruptRemapping && unit.capabilities.interruptRemapping;
    if (this.remapsInterrupts || this.policy.translation) driver.enableQueue();
    const table = this.remapsInterrupts ? driver.enableInterruptRemapping() : null;
    this.interrupts = new Interrupts(memory, frames, table, settings.sourceIdCheck);
    this.interrupts.setUpIoApic(IOAPIC);
    logInterruptRemapping(this.log, table, hardware.unitBase);
    logPolicy(this.log, this.policy, version);
    for (const message of this.policy.messages.start) this.log.boot(0.307, message);
    this.vfioParts = {
      devices: this.devices,
      domains: this.domains,
      driver,
      meter,
      version,
      interruptRemapping: this.remapsInterrupts,
      allowUnsafeInterrupts: settings.allowUnsafeInterrupts,
      allowUnsafeInterruptsOfIommufd: settings.allowUnsafeInterruptsOfIommufd,
      unsafeNoIommuMode: settings.unsafeNoIommuMode,
      say: (text) => this.say(text),
    };
    this.vfio = new Vfio(this.vfioParts);
    if (this.policy.translation) this.startTranslation(functions);
    else for (const fn of functions) this.devices.add(fn, null);
    this.log.boot(2.21, 'VFIO - User Level meta-driver version: 0.3');
  }

  /** What each CPU spent in IOMMU code since boot. */
  get cpuUse(): readonly CpuUse[] {
    return this.meter.cpus;
  }

  /** CPU cycles spent in IOMMU code since boot. */
  get cycles(): number {
    return this.meter.cycles;
  }

  /** Whether ATS of a device is enabled. */
  usesAts(sourceId: number): boolean {
    return this.driver.usesAts(sourceId);
  }

  /** Errors of the invalidation queue that the kernel met. */
  get queueErrors(): QueueErrorCounts {
    return this.driver.queueErrors;
  }

  /** What is known of a device. */
  device(sourceId: number): DeviceRecord {
    return this.devices.of(sourceId);
  }

  /** Files of sysfs and debugfs as they would be read now. */
  files(): FileTree {
    const { unit, hardware, devices, version, policy, settings, log, driver } = this;
    return kernelFiles({
      unit,
      memory: hardware.memory,
      unitBase: hardware.unitBase,
      devices,
      version,
      isUsed: policy.translation,
      // Up to 5.5 the files come once the unit translates, then as soon as the driver starts.
      isStarted: policy.translation || (isSince(version, '5.6') && !settings.noIommu),
      interruptTable: driver.interruptTable,
      log: log.lines,
      latencies: driver.latencies,
      writeType: (record, text) => this.setGroupType(record.fn.sourceId, text),
      line: settings.line,
      isTainted: this.vfio.isTainted,
    });
  }

  /** Print a line of any driver to the kernel log. */
  say(text: string): void {
    this.log.print(text);
    this.observer?.message(text);
  }

  /**
   * An interrupt was delivered to a processor.
   *
   * @returns whose it is, or null if it is no device's
   */
  interrupt(vector: number, processor = 0, mode: number = DeliveryMode.FIXED): DeviceInterrupt | null {
    if (mode === DeliveryMode.NMI) {
      this.say(`Uhhuh. NMI received for unknown reason 3d on CPU ${processor}.`);
      this.say('Dazed and confused, but trying to continue');
      return null;
    }
    // SMIs are firmware's, and INIT and ExtINT do nothing to a processor that runs a kernel like this one.
    if (mode !== DeliveryMode.FIXED && mode !== DeliveryMode.LOWEST) return null;
    if (vector === FAULT_VECTOR && processor === 0) {
      this.handleFaults();
      return null;
    }
    const before = this.interrupts.unexpected;
    const handled = this.interrupts.handle({ vector, processor });
    if (this.interrupts.unexpected > before)
      this.say(`__common_interrupt: ${processor}.${vector} No irq handler for vector`);
    return handled === 'posted' ? null : handled;
  }

  /** dma_map_page: make memory reachable for a device. See DmaApi. */
  map(sourceId: number, physical: number, bytes: number, direction: Direction, cpu = 0): Mapping {
    return this.dma.map(this.devices.of(sourceId), physical, bytes, direction, cpu);
  }

  /** dma_map_sg: the same for pieces of memory. See DmaApi. */
  mapList(sourceId: number, segments: readonly Segment[], direction: Direction, cpu = 0): readonly Mapping[] {
    return this.dma.mapList(this.devices.of(sourceId), segments, direction, cpu);
  }

  /** dma_unmap: take a mapping back. See DmaApi. */
  unmap(sourceId: number, mapping: Mapping, cpu = 0): void {
    const how = this.dma.unmap(mapping, cpu);
    if (how !== null) this.observer?.unmapped(sourceId, mapping.address, mapping.bytes, how);
  }

  /** Bind a driver to a device, or none. vfio-pci may refuse, as Vfio.bind says; then none is bound. */
  bindDriver(sourceId: number, driver: string | null): void {
    const record = this.devices.of(sourceId);
    this.interrupts.tearDown(sourceId);
    if (record.driver === 'vfio-pci') this.vfio.unbind(record);
    record.driver = null;
    if (driver === 'vfio-pci') return this.vfio.bind(record);
    record.driver = driver;
    if (driver !== null) this.interrupts.setUp(sourceId, driver);
  }

  /** Write `/sys/kernel/iommu_groups/<group>/type`. See setGroupType of group-type.ts. */
  setGroupType(sourceId: number, type: string): void {
    const { devices, domains, policy, version, unit } = this;
    const { passThrough } = unit.capabilities;
    const say = (text: string) => this.say(text);
    setGroupType(devices.of(sourceId), type, { devices, domains, policy, version, passThrough, say });
  }

  /** Claim a device's group for a user. See claimOwnership of dma-owner.ts. */
  claim(sourceId: number): void {
    claimOwnership(this.devices.of(sourceId), this.vfioParts);
  }

  /**
   * Attach a claimed group to an address space of its owner's, as VFIO_SET_IOMMU does: a new one, or one that its
   * container has already. See attachGroup of container.ts.
   */
  attachUnmanaged(sourceId: number, largestLeaf: number, existing: PagingDomain | null = null): PagingDomain {
    return attachGroup(this.devices.of(sourceId), largestLeaf, existing, this.vfioParts);
  }

  /** Whether a guest's first-stage tables can be used by the unit itself. */
  get nests(): boolean {
    return this.isScalable && this.unit.capabilities.nested && isSince(this.version, NESTING_SINCE);
  }

  /** Invalidate for a guest what its first stage maps (IOMMU_HWPT_INVALIDATE): a range of pages, or everything. */
  invalidateNested(
    domain: NestedDomain,
    range: { iova: number; pages: number; leafOnly: boolean } | null,
  ): void {
    const { mode } = this.driver;
    if (range === null) mode.flushDomain(domain);
    else mode.flushPages(domain, range.iova, range.pages, range.leafOnly);
    this.meter.charge('invalidate');
  }

  /** Map memory for the owner of an address space. See user-mappings.ts. */
  mapForOwner(domain: PagingDomain, iova: number, pieces: readonly Segment[], permissions?: number): void {
    mapForOwner(domain, iova, pieces, this.driver, permissions);
    this.meter.charge('map');
  }

  /** Unmap it. */
  unmapForOwner(domain: PagingDomain, iova: number, bytes: number): void {
    unmapForOwner(domain, iova, bytes, this.driver);
    this.meter.charge('unmap');
    this.meter.charge('invalidate');
  }

  /** Set up the interrupt of a claimed device for a guest; the unit posts it where it can. */
  lendInterrupts(sourceId: number, guest: string): void {
    const posts = this.unit.capabilities.postedInterrupts && this.settings.postedInterrupts;
    this.interrupts.lend(sourceId, guest, posts);
  }

  /** Give a claimed device back: its default domain is attached again. */
  release(sourceId: number): void {
    const record = this.devices.of(sourceId);
    detachOwned(record, this.devices, this.domains);
    releaseOwnership(record, this.devices);
  }

  /** Invalidate everything that the unit caches, as after a change of tables behind the kernel's back. */
  invalidateEverything(): void {
    this.driver.mode.invalidateEverything();
  }

  /** Invalidate what the unit caches of a device and of a domain. */
  invalidateDevice(sourceId: number, did: number): void {
    this.driver.mode.invalidateDevice(sourceId, did);
  }

  /** The fault interrupt: `dmar_fault` of `drivers/iommu/intel/dmar.c`. */
  private handleFaults(): void {
    this.faultInterrupts++;
    const { status, records } = this.driver.takeFaults();
    const say = (text: string) => {
      if (this.log.allows('dmar_fault')) this.say(text);
    };
    // The cause of an interrupt of the queue may be gone by now.
    if (status === 0) return;
    say(faultStatusMessage(status));
    for (const words of records) {
      const message = faultMessage(words, this.version);
      say(message);
      this.observer?.fault(words, message);
    }
    // Linux asks its rate limit once more before it sees that no record is left.
    this.log.allows('dmar_fault');
  }

  /** Set the unit up, attach every device to its default domain, and only then turn translation on. */
  private startTranslation(functions: readonly PciFunction[]): void {
    const { log, policy, driver, devices } = this;
    logUnit(log, functions, this.unit.capabilities, this.version);
    driver.setRoot(this.isScalable);
    for (const message of policy.messages.unit) log.boot(0.31, message);
    const groups = formGroups(functions);
    functions.forEach((fn, index) => {
      const group = groups.get(fn.sourceId) ?? null;
      const { aliases } = devices.add(fn, group, dmaAliases(functions, fn.sourceId));
      driver.probe(fn, aliases, this.settings.ats);
      log.boot(0.3121 + index * 0.0001, `pci ${pciAddress(fn.sourceId)}: Adding to iommu group ${group}`);
    });
    this.setUpGroups();
    driver.enableTranslation(true);
    driver.disableProtectedRegions();
    log.boot(0.4, 'DMAR: Intel(R) Virtualization Technology for Directed I/O');
    this.isBooted = true;
  }

  /**
   * Give all groups their default domains. Where one gets none, all devices lose their groups, and translation is
   * turned on all the same: nothing reaches memory then (bus_iommu_probe, iommu_device_unregister).
   */
  private setUpGroups(): void {
    const { devices, log, version } = this;
    try {
      for (const record of devices.all()) {
        if (record.attached === null) this.setUpGroup(devices.groupOf(record));
      }
    } catch (error) {
      if (!(error instanceof KernelRefusal)) throw error;
      for (const record of devices.all()) {
        if (holds('saysRemoval', version))
          log.boot(0.33, `pci ${pciAddress(record.fn.sourceId)}: Removing from iommu group ${record.group}`);
        devices.remove(record);
      }
    }
  }

  /** Print a line while booting, at so many seconds, or afterwards. */
  private tell(seconds: number, text: string): void {
    if (this.isBooted) this.say(text);
    else this.log.boot(seconds, text);
  }

  /** Give the devices of a group their default domain; what one of them must have, all get. */
  private setUpGroup(members: readonly DeviceRecord[]): void {
    const { devices, domains, policy, version } = this;
    const { passThrough } = this.unit.capabilities;
    const demanded = members.find(({ fn }) => demandedType(fn, policy, passThrough, version) !== null);
    const type = defaultTypeFor((demanded ?? members[0]).fn, policy, passThrough, version);
    const domain = domains.newDefault(
      members.map(({ fn }) => fn),
      type,
    );
    for (const member of members) {
      member.defaultType = type;
      member.defaultDomain = domain;
      devices.attach(member, domain);
    }
  }
}
