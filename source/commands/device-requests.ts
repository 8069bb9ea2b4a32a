/** Requests that a device sends by hand: with a PASID, or as one that keeps translations itself. */
import { strayDma } from '../linux/real-twin.ts';
import type { Device } from '../machine/devices/device.ts';
import type { RequestKind } from '../machine/devices/dma.ts';
import type { Simulation } from '../simulation/simulation.ts';
import type { Transaction } from '../simulation/snapshot.ts';
import { hex, parseHalves } from '../vtd/bits.ts';
import { faultReason } from '../vtd/faults/fault-reason.ts';
import { READ, WRITE } from '../vtd/formats/paging-entry.ts';
import { addressFor } from './buffers.ts';
import type { Command } from './command.ts';
import { Refused, type Result } from './result.ts';

const PAGE = 4096;

/** What there is to say of a request that was routed to a peer. */
export const PAST_THE_IOMMU = 'routed there below the IOMMU, which never saw it (no ACS request redirect)';

type Dma = Extract<Command, { name: 'dma' }>;

const kinds = {
  translate: 'translation',
  translated: 'translated',
  'page-request': 'page request',
} as const satisfies Record<NonNullable<Dma['request']>, RequestKind>;

/** Send one request, within one page; then what became of it. */
export function sendRequest(simulation: Simulation, device: Device, command: Dma): Result {
  const { machine, journal } = simulation;
  const { name } = device.model;
  const { request, type, bytes, pasid = -1 } = command;
  if (request !== undefined && device.tlb === null) {
    const able = machine.devices.filter(({ tlb }) => tlb !== null).map(({ model }) => model.name);
    throw new Refused(`${name} has no ATS, and so no TLB of its own; ${able.join(' and ')} have`);
  }
  const address = addressFor(device, command.address);
  const halves = parseHalves(address);
  if (halves === null) throw new Refused(`${address} is no address`);
  if ((halves.lo & (PAGE - 1)) + bytes > PAGE)
    throw new Refused(`such a request stays within one page; ${bytes} bytes at ${address} do not`);
  const detail = journal.detail;
  journal.detail = true;
  const suffix = pasid < 0 ? '' : `, pasid ${pasid}`;
  journal.command('dma', name, `${request === undefined ? '' : `${request} `}${type} ${address}${suffix}`);
  const kind = request === undefined ? 'untranslated' : kinds[request];
  const access = type === 'write' ? WRITE : READ;
  machine.dma.send(device, { kind, ...halves, bytes, access, pasid });
  journal.detail = detail;
  const made = journal.transactions.get(name)?.at(-1);
  if (made !== undefined) journal.sent.set(name, made);
  if (made !== undefined && made.fault !== 0)
    simulation.advance(simulation.now + machine.values['fault.interruptNs']);
  return {
    text: made === undefined ? `${name} did nothing.` : whatBecameOf(name, type, made),
    linux: strayDma,
  };
}

function whatBecameOf(name: string, type: 'read' | 'write', made: Transaction): string {
  const { request, outcome, fault, output, landed, corrupted } = made;
  if (outcome === 'blocked') {
    if (fault !== 0) return `Refused: fault ${hex(fault, 2)}, ${faultReason(fault).meaning}.`;
    const why = made.steps.at(-1)?.clause ?? 'the unit does not accept it';
    return `Refused without a fault: ${why}.`;
  }
  if (request === 'page request') return `The page request of ${name} was taken.`;
  const where = `${output} (${landed})`;
  if (request === 'translation')
    return `${name} was told that it is ${where}, and keeps that until it has to forget it.`;
  const did = type === 'write' ? 'wrote' : 'read';
  if (outcome === 'peer-to-peer') return `It ${did} ${where}: ${PAST_THE_IOMMU}.`;
  const trusted = request === 'translated' ? ' The unit takes its word for the address.' : '';
  return `It ${did} ${where}${corrupted ? ', which is not its to write' : ''}.${trusted}`;
}
