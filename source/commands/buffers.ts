/** Commands about buffers: what a driver maps, lets its device use, and unmaps. */
import type { Device } from '../machine/devices/device.ts';
import type { Simulation } from '../simulation/simulation.ts';
import { hex, highHalf, lowHalf } from '../vtd/bits.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { lacksDriver } from './echo.ts';
import { Refused, type Result } from './result.ts';

const PAGE = 4096;

/** A driver that can map: the host's, or a guest's. */
function driverOf(simulation: Simulation, device: Device) {
  const { machine } = simulation;
  const { name } = device.model;
  if (machine.isHeldBack(device)) {
    throw new Refused(`${name} is in the blocking domain: no driver maps anything for it`);
  }
  if (lacksDriver(simulation, device)) throw new Refused(`${name} has no driver: it was unbound`);
  return machine.lend(device);
}

/** An address as it stands in a command: `buffer` is the one that was mapped or unmapped last. */
export function addressFor({ lent, model }: Device, address: string): string {
  if (address !== 'buffer') return address;
  if (lent?.last == null)
    throw new Refused(`no buffer was mapped for ${model.name}: map ${model.name} maps one`);
  return hex(lent.last.address);
}

/** DMA to all buffers that are mapped, so many bytes of each. */
export function dmaToBuffers(
  simulation: Simulation,
  device: Device,
  { type, bytes }: { readonly type: 'read' | 'write'; readonly bytes: number },
): Result {
  const { mapped } = driverOf(simulation, device);
  const { name } = device.model;
  if (mapped.length === 0) throw new Refused(`no buffer is mapped for ${name}: map ${name} maps one`);
  const before = device.requests;
  for (const buffer of mapped) {
    const [hi, lo] = [highHalf(buffer.address), lowHalf(buffer.address)];
    const size = Math.min(bytes, buffer.bytes);
    simulation.machine.dma.transfer(device, hi, lo, size, type === 'write' ? WRITE : READ);
  }
  const made = `${device.requests - before} requests`;
  simulation.journal.command('dma', name, `${type} ${mapped.length} buffers, ${made}`);
  return { text: `${name} used ${mapped.length} buffers by ${made}.`, linux: [] };
}

export function mapBuffers(simulation: Simulation, device: Device, count: number, bytes: number): Result {
  const lent = driverOf(simulation, device);
  const { name } = device.model;
  for (let i = 0; i < count; i++) lent.map(bytes, 'both');
  pass(simulation, lent.takeCycles());
  const at = hex(lent.last?.address ?? 0);
  simulation.journal.command('map', name, `${count} of ${bytes} B, the last at ${at}`);
  const what = count === 1 ? `A buffer of ${bytes} B is` : `${count} buffers of ${bytes} B are`;
  return {
    text: `${what} mapped for ${name}${count === 1 ? ` at ${at}` : `, the last at ${at}`}.`,
    linux: [],
  };
}

export function unmapBuffers(
  simulation: Simulation,
  device: Device,
  which: 'oldest' | 'newest' | 'all',
): Result {
  const lent = driverOf(simulation, device);
  const { name } = device.model;
  const count = which === 'all' ? lent.mapped.length : Math.min(1, lent.mapped.length);
  if (count === 0) throw new Refused(`no buffer is mapped for ${name}: map ${name} maps one`);
  for (let i = 0; i < count; i++) lent.unmap(which === 'newest' ? 'newest' : 'oldest');
  pass(simulation, lent.takeCycles());
  const at = hex(lent.last?.address ?? 0);
  simulation.journal.command('unmap', name, count === 1 ? at : `${count} buffers`);
  const what = count === 1 ? `The buffer at ${at} is` : `${count} buffers are`;
  return {
    text: `${what} unmapped. A well-behaved ${name} no longer uses ${count === 1 ? 'it' : 'them'}.`,
    linux: [],
  };
}

/** What a network card's driver does for each packet it receives, without the waiting for packets. */
export function cycleBuffers(simulation: Simulation, device: Device, count: number): Result {
  const lent = driverOf(simulation, device);
  const { name } = device.model;
  const started = simulation.now;
  for (let i = 0; i < count; i++) {
    const { address } = lent.map(PAGE, 'fromDevice');
    simulation.machine.dma.transfer(device, highHalf(address), lowHalf(address), PAGE, WRITE);
    lent.unmap('newest');
    pass(simulation, lent.takeCycles());
  }
  const us = ((simulation.now - started) / 1000).toFixed(1);
  simulation.journal.command('cycle', name, `${count} times, ${us} µs of the CPU`);
  return {
    text: `${name}: ${count} pages mapped, written and unmapped. The IOMMU code took ${us} µs of the CPU.`,
    linux: [],
  };
}

/** Let the time pass that the CPU spent. */
function pass(simulation: Simulation, cycles: number): void {
  simulation.advance(simulation.now + cycles / simulation.machine.values['cpu.ghz']);
}
