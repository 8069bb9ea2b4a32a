/**
 * Pass-through that outlasts its end. QEMU takes a device out of translation when the device's tables say so, and looks
 * again when the root table is set or the device's context entry is invalidated.
 */
import type { Step } from '../../conformance/case-file.ts';
import { commandOf } from '../../conformance/invalidation-command.ts';
import type { Request, Situation } from '../situation.ts';

const PAGE = ~0xfffn;
const PRESENT = 1n;
const PASS_THROUGH = 4n;
const PASID_BITS = 0xf_ffffn;
/** Of a context-cache descriptor, and of CCMD moved down: a device-selective one names a device and a function mask. */
const CONTEXT_CACHE = 1n;
const DEVICE_SELECTIVE = 3n;

/** Whether a device has made a request, by the end of the step, that QEMU may have passed while it was not to be. */
export function isStillPassed({ entry, at, requests, earlier }: Situation): boolean {
  const all = [...earlier, ...requests];
  const memory = new Map<bigint, bigint>();
  const write = (address: number, qwords: readonly bigint[]) => {
    qwords.forEach((qword, index) => {
      memory.set(BigInt(address + 8 * index), qword);
    });
  };
  for (const { address, qwords } of entry.mem) write(address, qwords);
  const devices = [...new Set(all.map(({ device }) => device))];
  const passed = new Set<number>();
  const lookAgain = (device: number) => {
    if (saysPassThrough(memory, entry.rtaddr, device)) passed.add(device);
    else passed.delete(device);
  };
  return entry.steps.slice(0, at + 1).some((step, index) => {
    if (step.op === 'poke') write(step.address, step.qwords);
    for (const device of devices) if (invalidatesContext(step, device)) lookAgain(device);
    if (step.op !== 'dma') return false;
    const { device } = step;
    const isEnded = passed.has(device) && all.some((request) => request.at === index && !isPassing(request));
    if (saysPassThrough(memory, entry.rtaddr, device)) passed.add(device);
    return isEnded;
  });
}

const isPassing = ({ steps }: Request): boolean => steps.some(({ stage }) => stage === 'pass-through');

/** Whether the tables lead a device to a PASID table entry for pass-through. */
function saysPassThrough(memory: ReadonlyMap<bigint, bigint>, rtaddr: bigint, device: number): boolean {
  const at = (address: bigint) => memory.get(address) ?? 0n;
  const [bus, func] = [BigInt(device >> 8), BigInt(device & 0xff)];
  const root = at((rtaddr & PAGE) + 16n * bus + 8n * (func >> 7n));
  const contextAt = (root & PAGE) + 32n * (func & 0x7fn);
  const context = at(contextAt);
  const pasid = at(contextAt + 8n) & PASID_BITS;
  const directory = at((context & PAGE) + 8n * (pasid >> 6n));
  const found = at((directory & PAGE) + 64n * (pasid & 0x3fn));
  const isReached = (root & context & directory & found & PRESENT) !== 0n;
  return isReached && ((found >> 6n) & 7n) === PASS_THROUGH;
}

/** Whether a step invalidates the context entry of a device, if the unit carries it out. */
function invalidatesContext(step: Step, device: number): boolean {
  const covers = (granularity: bigint, source: bigint, functionMask: bigint) => {
    if (granularity !== DEVICE_SELECTIVE) return granularity !== 0n;
    // One, two or three of the function bits count for nothing.
    const ignored = [0, 4, 6, 7][Number(functionMask)];
    return (Number(source) | ignored) === (device | ignored);
  };
  const byRegister = (register: string, value: bigint) =>
    register === 'CCMD' &&
    value >> 63n === 1n &&
    covers((value >> 61n) & 3n, (value >> 16n) & 0xffffn, (value >> 32n) & 3n);
  switch (step.op) {
    case 'enable':
      return true;
    case 'inv':
      return commandOf(step).some(([register, value]) => byRegister(register, value));
    case 'reg':
      return byRegister(step.register, step.value);
    case 'qi':
    case 'qi256':
      return step.descriptors.some(
        ([lo]) =>
          (lo & 0xfn) === CONTEXT_CACHE && covers((lo >> 4n) & 3n, (lo >> 32n) & 0xffffn, (lo >> 48n) & 3n),
      );
    default:
      return false;
  }
}
