/** Commands that change the machine: what each does, what came of it, and its twin on a real machine. */

import type { DefaultType } from '../linux/boot/policy.ts';
import { assignment, blocking, strayDma, takingBack, typeChange, userDriver } from '../linux/real-twin.ts';
import type { Device } from '../machine/devices/device.ts';
import { findGuest } from '../machine/guests/guest.ts';
import type { Machine } from '../machine/machine.ts';
import { vfioInterfaces } from '../machine/programs/vfio-program.ts';
import type { Simulation } from '../simulation/simulation.ts';
import type { InterruptState, Transaction } from '../simulation/snapshot.ts';
import { hex, hexOf, parseHalves } from '../vtd/bits.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { addressFor, cycleBuffers, dmaToBuffers, mapBuffers, unmapBuffers } from './buffers.ts';
import type { Command, DeviceTarget } from './command.ts';
import { PAST_THE_IOMMU, sendRequest } from './device-requests.ts';
import { echo, lacksDriver } from './echo.ts';
import { findEntry, withFields } from './entry.ts';
import { isHosts } from './flip.ts';
import { noDevice, Refused, type Result } from './result.ts';

type MachineCommand = Extract<
  Command,
  {
    name:
      | 'device'
      | 'device-tlb'
      | 'dma'
      | 'echo'
      | 'map'
      | 'unmap'
      | 'cycle'
      | 'entry'
      | 'interrupt'
      | 'invalidation'
      | 'workload';
  }
>;

/**
 * Carry out a command on a simulation.
 *
 * @throws Refused or KernelRefusal, the latter with Linux's errno
 */
export function carryOut(simulation: Simulation, command: MachineCommand): Result {
  if (command.name === 'echo') return echo(simulation, command.text, command.path);
  if (command.name === 'device' && command.device === 'all') return moveAll(simulation, command.to);
  if (command.name === 'workload' && command.device === 'all') return setWorkloads(simulation, command.to);
  const device = simulation.machine.find(command.device);
  if (device === undefined) throw new Refused(noDevice(command.device));
  switch (command.name) {
    case 'device-tlb':
      return setDeviceTlb(simulation, device, command.to);
    case 'device':
      return move(simulation, device, command.to);
    case 'dma':
      if (command.request !== undefined || command.pasid !== undefined)
        return sendRequest(simulation, device, command);
      return command.address === 'buffers'
        ? dmaToBuffers(simulation, device, command)
        : stray(simulation, device, command);
    case 'map':
      return mapBuffers(simulation, device, command.count, command.bytes);
    case 'unmap':
      return unmapBuffers(simulation, device, command.which);
    case 'cycle':
      return cycleBuffers(simulation, device, command.count);
    case 'entry':
      return writeEntry(simulation, device, command);
    case 'interrupt':
      return strayInterrupt(simulation, device, command);
    case 'invalidation':
      return setInvalidation(simulation, device, command.to);
    case 'workload':
      return setWorkload(simulation, device, command.to);
  }
}

function move(simulation: Simulation, device: Device, to: DeviceTarget): Result {
  const { machine, journal } = simulation;
  const { name, sourceId } = device.model;
  if (to === 'host') {
    machine.takeBack(device);
    journal.command('take back', name, 'the host drives it again');
    return { text: `${name} belongs to the host again.`, linux: takingBack(sourceId) };
  }
  if (to === 'blocked') {
    machine.block(device);
    journal.command('block', name, 'no domain is attached');
    return { text: `${name} is in the blocking domain: all its DMA is refused.`, linux: blocking(sourceId) };
  }
  if (to === 'flip' || to === 'passthrough' || to === 'translated') return changeType(simulation, device, to);
  if (to === 'process') return giveToProcess(simulation, device);
  const [, letter, ...how] = to.split(' ');
  const guest = findGuest(letter);
  if (guest === undefined) throw new Refused(`there is no ${to}`);
  machine.assign(device, guest, {
    seesIommu: how.includes('viommu'),
    by: vfioInterfaces.find((each) => how.includes(each)),
  });
  const kind = device.virtualIommu?.kind ?? null;
  journal.command(
    'assign',
    name,
    `to guest ${guest.name}${kind === null ? '' : ` behind an IOMMU, ${kind}`}`,
  );
  return {
    text: `${name} belongs to guest ${guest.name}: ${reachOf(kind)}`,
    linux: assignment(sourceId, guest.name, kind, how.includes('iommufd')),
  };
}

/** A driver in user space: behind the IOMMU it has its own memory, without one all there is. */
function giveToProcess({ machine, journal }: Simulation, device: Device): Result {
  const { name, sourceId } = device.model;
  machine.giveToProcess(device);
  const isTranslated = machine.kernel.policy.translation;
  journal.command('assign', name, `to a process of the host${isTranslated ? '' : ', without an IOMMU'}`);
  const reach = isTranslated
    ? "it reaches that process's memory and nothing else."
    : 'it reaches whatever physical address it is told, and nothing stops it. The kernel is tainted.';
  return {
    text: `A process of the host drives ${name}: ${reach}`,
    linux: userDriver(sourceId, isTranslated),
  };
}

/** What a guest's device can reach, by the IOMMU that the guest sees before it. */
function reachOf(kind: 'nested' | 'shadow' | null): string {
  switch (kind) {
    case null:
      return "it reaches that guest's memory and nothing else.";
    case 'nested':
      return 'the unit walks the tables of the guest, nested in those of the host.';
    case 'shadow':
      return 'the unit cannot nest, so the host keeps a shadow of the tables of the guest.';
  }
}

function changeType(
  simulation: Simulation,
  device: Device,
  to: 'flip' | 'passthrough' | 'translated',
): Result {
  const { kernel } = simulation.machine;
  const { name, sourceId } = device.model;
  const record = kernel.device(sourceId);
  requireDomain(simulation, device);
  const isIdentity = record.defaultType === 'identity';
  const wanted = to === 'flip' ? (isIdentity ? 'translated' : 'passthrough') : to;
  const translated: DefaultType = kernel.policy.strict || record.fn.untrusted ? 'DMA' : 'DMA-FQ';
  const type =
    wanted === 'passthrough' ? 'identity' : isIdentity ? translated : (record.defaultType ?? translated);
  return writeType(
    simulation,
    device,
    type,
    wanted === 'passthrough'
      ? `${name} is in passthrough: its addresses are physical addresses.`
      : `${name} is translated: it reaches only what is mapped for it.`,
  );
}

/** Write the group's type file, with the driver unbound where Linux asks for it. */
function writeType(simulation: Simulation, device: Device, type: DefaultType, text: string): Result {
  const { machine, journal } = simulation;
  const { kernel } = machine;
  const { name, sourceId } = device.model;
  const record = kernel.device(sourceId);
  const before = record.defaultType;
  if (before === type) return { text: `${name} is ${type} already.`, linux: [] };
  const live = before === 'DMA' && type === 'DMA-FQ';
  if (live) kernel.setGroupType(sourceId, type);
  else machine.unbound(device, () => kernel.setGroupType(sourceId, type));
  journal.command('type', name, `${before} → ${type}`);
  return { text, linux: typeChange(sourceId, record.group ?? 0, live ? null : record.driver, type) };
}

function moveAll(simulation: Simulation, to: DeviceTarget): Result {
  if (to !== 'flip' && to !== 'passthrough' && to !== 'translated') {
    throw new Refused(`all devices can be flipped, put in passthrough or translated, not ${to}`);
  }
  const { machine } = simulation;
  if (!machine.kernel.policy.translation) throw new Refused(iommuOff('the host devices have'));
  const hosts = machine.devices.filter(isHosts(machine));
  const isIdentity = (device: Device) =>
    machine.kernel.device(device.model.sourceId).defaultType === 'identity';
  const wanted = to === 'flip' ? (hosts.every(isIdentity) ? 'translated' : 'passthrough') : to;
  const linux = hosts.flatMap((device) => changeType(simulation, device, wanted).linux);
  const names = hosts.map(({ model }) => model.name).join(', ');
  const state = wanted === 'passthrough' ? 'in passthrough' : 'translated';
  return { text: `${names}: ${state}. Guests' devices and untrusted ones stay as they are.`, linux };
}

function setInvalidation(simulation: Simulation, device: Device, to: 'strict' | 'lazy' | 'flip'): Result {
  const { kernel } = simulation.machine;
  const { name, sourceId } = device.model;
  requireDomain(simulation, device);
  const { defaultType } = kernel.device(sourceId);
  if (defaultType === 'identity')
    throw new Refused(`${name} is in passthrough: nothing is mapped, so nothing is invalidated`);
  const strict = to === 'flip' ? defaultType === 'DMA-FQ' : to === 'strict';
  return writeType(
    simulation,
    device,
    strict ? 'DMA' : 'DMA-FQ',
    strict
      ? `${name} is strict: each unmap invalidates the IOTLB before it returns.`
      : `${name} is lazy: unmaps are invalidated together, up to 10 ms later.`,
  );
}

function setDeviceTlb(
  { machine, journal }: Simulation,
  device: Device,
  to: Extract<Command, { name: 'device-tlb' }>['to'],
): Result {
  const { name, sourceId } = device.model;
  if (machine.deviceTlb(device) === null) {
    const able = machine.devices.filter((each) => machine.deviceTlb(each) !== null);
    throw new Refused(
      `${name} has no device TLB; ${able.map(({ model }) => model.name).join(' and ')} have one`,
    );
  }
  journal.command('device tlb', name, to);
  if (to === 'unasked') machine.completeUnasked(device);
  else machine.setDeviceTlb(device, to);
  const isAsked = machine.kernel.usesAts(sourceId);
  const asked = isAsked || to === 'answers' ? '' : ' Nothing asks it now: its ATS is off.';
  return {
    text: `${deviceTlbText(name, to)}${asked}`,
    linux:
      to === 'gone'
        ? [`# pull ${name} out of its slot`]
        : ['# nothing types this: a device does it that is broken'],
  };
}

function deviceTlbText(name: string, to: Extract<Command, { name: 'device-tlb' }>['to']): string {
  switch (to) {
    case 'answers':
      return `${name} answers invalidations again.`;
    case 'silent':
      return `${name} does not answer invalidations of its device TLB any more.`;
    case 'gone':
      return `${name} is gone from its slot; its driver gave the buffers back.`;
    case 'unasked':
      return `${name} answered an invalidation that nobody sent.`;
  }
}

function setWorkload(simulation: Simulation, device: Device, to: 'start' | 'stop' | 'flip'): Result {
  const { machine, journal } = simulation;
  const { name, workload } = device.model;
  const start = to === 'flip' ? device.workload === null : to === 'start';
  if (start && machine.isHeldBack(device)) {
    throw new Refused(`${name} is in the blocking domain: no driver runs it`);
  }
  if (start && machine.deviceTlb(device) === 'gone') throw new Refused(`${name} is gone from its slot`);
  if (start && lacksDriver(simulation, device)) throw new Refused(`${name} has no driver: it was unbound`);
  if (start) machine.start(device);
  else machine.stop(device);
  journal.command(start ? 'start' : 'stop', name, workload);
  return { text: `${name}: ${workload} ${start ? 'started' : 'stopped'}.`, linux: [] };
}

function setWorkloads(simulation: Simulation, to: 'start' | 'stop' | 'flip'): Result {
  const { machine } = simulation;
  // Nobody runs a device that is held back.
  const driven = machine.devices.filter(
    (device) =>
      to === 'stop' ||
      !(
        machine.isHeldBack(device) ||
        machine.deviceTlb(device) === 'gone' ||
        lacksDriver(simulation, device)
      ),
  );
  const wanted = to === 'flip' ? (driven.some(({ workload }) => workload !== null) ? 'stop' : 'start') : to;
  for (const device of driven) setWorkload(simulation, device, wanted);
  return { text: `All devices: workloads ${wanted === 'start' ? 'started' : 'stopped'}.`, linux: [] };
}

/** Write fields of an entry in memory, and let the unit forget what it knew. */
function writeEntry(
  { machine, journal }: Simulation,
  device: Device,
  { table, address, fields }: Extract<Command, { name: 'entry' }>,
): Result {
  const { name } = device.model;
  const entry = findEntry(machine, device, table, addressFor(device, address ?? '0x0'));
  if (entry === null) throw new Refused(`the tables of ${name} have no ${table} entry for that`);
  let words: Int32Array;
  try {
    words = withFields(entry, fields);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Refused(error.message);
  }
  const did = cachedDomain(machine, device);
  machine.memory.writeWords(entry.at, words);
  // A root entry is for a whole bus. The others are the device's own.
  if (table === 'root' || did === null) machine.kernel.invalidateEverything();
  else machine.kernel.invalidateDevice(device.requesterId, did);
  const change = fields.map(({ field, value }) => `${field} = ${Number(value) < 10 ? Number(value) : value}`);
  journal.command('entry', name, `${entry.layout.name}: ${change.join(', ')}`);
  return {
    text: `The ${entry.layout.name} of ${name} at ${hex(entry.at)}: ${change.join(', ')}; then invalidated.`,
    linux: ['# nothing types this: a bug or an attack writes into the tables'],
  };
}

/** The domain id by which the unit may have cached a device's way: the one in its entry, whoever wrote it there. */
function cachedDomain(machine: Machine, device: Device): number | null {
  for (const table of ['pasid', 'context'] as const) {
    const entry = findEntry(machine, device, table, '0x0');
    const { DID }: Readonly<Record<string, bigint>> = entry?.layout.decode(entry.words) ?? {};
    if (DID !== undefined) return Number(DID);
  }
  return null;
}

/** One request of a device's own, wherever it points; then what became of it. */
function stray(simulation: Simulation, device: Device, command: Extract<Command, { name: 'dma' }>): Result {
  const { machine, journal } = simulation;
  const { name } = device.model;
  const address = addressFor(device, command.address);
  const halves = parseHalves(address);
  if (halves === null) throw new Refused(`${address} is no address`);
  const corruptedBefore = journal.corruptedPages.size;
  const detail = journal.detail;
  journal.detail = true;
  journal.command('dma', name, `${command.type} ${address}, ${command.bytes} B`);
  machine.dma.transfer(device, halves.hi, halves.lo, command.bytes, command.type === 'write' ? WRITE : READ);
  journal.detail = detail;
  const made = journal.transactions.get(name)?.at(-1);
  if (made !== undefined) journal.sent.set(name, made);
  // Time for the kernel to take the fault interrupt, so that its message is there to be read.
  if (made?.outcome === 'blocked') simulation.advance(simulation.now + machine.values['fault.interruptNs']);
  return { text: whatBecameOf(simulation, device, command.type, made, corruptedBefore), linux: strayDma };
}

/** One interrupt message of a device's own making. */
function strayInterrupt(
  simulation: Simulation,
  device: Device,
  { address, data }: Extract<Command, { name: 'interrupt' }>,
): Result {
  const { machine, journal } = simulation;
  const { name } = device.model;
  const detail = journal.detail;
  journal.detail = true;
  journal.command('interrupt', name, `data ${data} to ${address}`);
  machine.dma.interrupt(device, Number(address) | 0, Number(data) | 0);
  journal.detail = detail;
  const made = journal.transactions.get(name)?.at(-1);
  // Time for the kernel to take the fault interrupt, so that its message is there to be read.
  if (made?.outcome === 'blocked') simulation.advance(simulation.now + machine.values['fault.interruptNs']);
  return { text: interruptText(simulation, device, made?.interrupt, made?.fault ?? 0), linux: strayDma };
}

/** What became of an interrupt message. */
function interruptText(
  { machine }: Simulation,
  { model: { name, sourceId } }: Device,
  interrupt: InterruptState | undefined,
  fault: number,
): string {
  if (fault !== 0) {
    const code = `0x${fault.toString(16).padStart(2, '0')}`;
    return `Blocked: fault ${code}, ${faultReason(fault).meaning}. No processor was interrupted.`;
  }
  if (interrupt === undefined || interrupt.delivery === null)
    return 'Refused, but not by the IOMMU: an interrupt is a write of four bytes.';
  const target = `vector ${interrupt.vector} on processor ${interrupt.processor}`;
  const isOwn = machine.kernel.interrupts
    .of(sourceId)
    .some(({ at }) => hexOf(0, at.vector) === interrupt.vector && at.processor === interrupt.processor);
  if (interrupt.delivery === 'remapped') return `Remapped to ${target}, as entry ${interrupt.index} says.`;
  if (interrupt.delivery !== 'as written') return `Posted for the guest, as entry ${interrupt.index} says.`;
  return isOwn
    ? `Delivered as written: ${target}, which is ${name}'s own.`
    : `Delivered as written: ${target}. Nobody gave ${name} that vector, and nothing stopped it.`;
}

function whatBecameOf(
  simulation: Simulation,
  device: Device,
  type: string,
  made: Transaction | undefined,
  corruptedBefore: number,
): string {
  const { journal } = simulation;
  const { name } = device.model;
  if (made === undefined) return `${name} did nothing.`;
  if (made.interrupt !== undefined && made.bytes === 4)
    return interruptText(simulation, device, made.interrupt, made.fault);
  if (made.outcome === 'blocked' && made.fault === 0) {
    return `Refused, but not by the IOMMU, which is off: only interrupts go to ${made.address}.`;
  }
  if (made.outcome === 'blocked') {
    const code = `0x${made.fault.toString(16).padStart(2, '0')}`;
    return `Blocked: fault ${code}, ${faultReason(made.fault).meaning}. Nothing was ${type === 'write' ? 'written' : 'read'}.`;
  }
  const where = `${made.output} (${made.landed})`;
  if (made.outcome === 'peer-to-peer')
    return `It ${type === 'write' ? 'wrote' : 'read'} ${where}: ${PAST_THE_IOMMU}.`;
  if (type === 'read') return `It read ${where}.`;
  if (made.landed === 'no memory') return `It wrote ${where}: the write went nowhere.`;
  if (!made.corrupted) return `It wrote ${where}, which is ${name}'s to write.`;
  const pages = journal.corruptedPages.size;
  const also = pages > corruptedBefore ? '' : ' again';
  return `The stray write landed at ${where}${also}: nothing stopped it. Corrupted pages: ${pages}.`;
}

function requireDomain({ machine }: Simulation, device: Device): void {
  const { name } = device.model;
  if (!machine.kernel.policy.translation) throw new Refused(iommuOff(`${name} has`));
  if (device.guest !== null) {
    throw new Refused(
      `${name} belongs to guest ${device.guest.name}: VFIO always translates. o takes it back`,
    );
  }
  if (machine.kernel.device(device.model.sourceId).claimed) {
    throw new Refused(`${name} is held by VFIO in the blocking domain. o takes it back`);
  }
}

const iommuOff = (who: string): string =>
  `the IOMMU is off: ${who} no domain to change. b edits the boot line`;
