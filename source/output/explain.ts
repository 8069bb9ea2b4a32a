/** `dmascope explain`: one DMA on a machine made for it, and what became of it. */
import { carryOutAll } from '../commands/carry-out-all.ts';
import type { Command } from '../commands/command.ts';
import { Refused } from '../commands/result.ts';
import { Session } from '../commands/session.ts';
import type { MachineOptions } from '../machine/machine.ts';
import type { Transaction } from '../simulation/snapshot.ts';
import { parseHalves } from '../vtd/bits.ts';
import { Granularity } from '../vtd/formats/invalidation-descriptor.ts';

export type Question = {
  readonly machine: MachineOptions;
  /** Done before the DMA. */
  readonly commands: readonly Command[];
  /** Simulated time that passes before the DMA, so that drivers have set their devices up. */
  readonly timeNs: number;
  /** A name of the topology. */
  readonly device: string;
  /** `0x…`, any 64-bit address; or `buffer`, the one that `map` or `unmap` had last. */
  readonly address: string;
  readonly type: 'read' | 'write';
  /** Leave the caches of the unit as they are; otherwise they are empty, and the walk is whole. */
  readonly warm: boolean;
};

export type Answer = {
  readonly boot: string;
  readonly request: Transaction;
  /** The line that the kernel printed about a fault, or null. */
  readonly message: string | null;
  /** Why commands before the DMA were refused. */
  readonly refusals: readonly string[];
};

const LONGEST_BYTES = 64;
const PAGE = 4096;

/**
 * Boot, do the DMA, and tell what happened. It is a request like any other: its fault is recorded and printed.
 *
 * @throws Refused where the device does no such DMA, as there is no buffer
 */
export function ask({ machine, commands, timeNs, device, address, type, warm }: Question): Answer {
  const session = new Session(machine);
  const { refusals } = carryOutAll(session, commands);
  session.advance(session.simulation.now + timeNs);
  if (!warm) emptyCaches(session);
  // Not past the end of a page, where another walk begins.
  const offset = (parseHalves(address)?.lo ?? 0) & (PAGE - 1);
  const bytes = Math.min(LONGEST_BYTES, PAGE - offset);
  const { journal } = session.simulation;
  const sentBefore = journal.sent.get(device);
  const faultsBefore = journal.faults.length;
  const { text } = session.apply({ name: 'dma', device, type, address, bytes });
  // The device goes on meanwhile: neither its last request nor the last fault need be of this one.
  const request = journal.sent.get(device);
  if (request === undefined || request === sentBefore) throw new Refused(text);
  const message = request.fault === 0 ? null : (journal.faults[faultsBefore]?.dmesg ?? null);
  return { boot: session.bootOptions.boot, request, message, refusals };
}

function emptyCaches({ simulation }: Session): void {
  const { invalidator } = simulation.machine.unit;
  invalidator.context(Granularity.GLOBAL, 0, 0, 0);
  invalidator.pasidCacheGlobal();
  invalidator.iotlbGlobal();
}
