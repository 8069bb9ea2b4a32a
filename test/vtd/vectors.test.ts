import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isQualified } from '../../source/vtd/faults/fault-reason.ts';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import { faultRecord } from '../../source/vtd/formats/fault-record.ts';
import * as firstStage from '../../source/vtd/formats/first-stage-entry.ts';
import * as interruptMessages from '../../source/vtd/formats/interrupt-message.ts';
import * as interruptEntries from '../../source/vtd/formats/interrupt-remapping-entry.ts';
import * as descriptors from '../../source/vtd/formats/invalidation-descriptor.ts';
import type { Layout } from '../../source/vtd/formats/layout.ts';
import * as paging from '../../source/vtd/formats/paging-entry.ts';
import { READ } from '../../source/vtd/formats/paging-entry.ts';
import { pasidDirectoryEntry } from '../../source/vtd/formats/pasid-directory-entry.ts';
import { pasidTableEntry } from '../../source/vtd/formats/pasid-table-entry.ts';
import { postedInterruptDescriptor } from '../../source/vtd/formats/posted-interrupt-descriptor.ts';
import { rootEntry } from '../../source/vtd/formats/root-entry.ts';
import { scalableContextEntry } from '../../source/vtd/formats/scalable-context-entry.ts';
import { scalableRootEntry } from '../../source/vtd/formats/scalable-root-entry.ts';
import type { Uncertain } from '../../source/vtd/translation/translator.ts';
import { type PresetName, presets, type UnitDescription } from '../../source/vtd/unit/capabilities.ts';
import type { PageRequestOutcome } from '../../source/vtd/unit/iommu.ts';
import * as registers from '../../source/vtd/unit/registers.ts';
import {
  type Access,
  type Answer,
  type AnyInvalidation,
  Bench,
  deviceId,
  high,
  type InterruptAnswer,
  low,
  qwords,
  type TranslationAnswer,
  type TranslationOptions,
  unitWith,
} from '../support/unit.ts';

/**
 * Each vector is a machine in a state and what it then does. `memory` holds qwords by address; a vector adds to
 * that of its file. A request that faults must leave exactly its own record, unless `record` says otherwise.
 */
type Hex = string;
type Request = {
  readonly dma: Access;
  readonly at: Hex;
  readonly from?: string;
  readonly pasid?: number;
  readonly priv?: boolean;
  readonly output?: Hex;
  readonly how?: Answer['outcome'];
  readonly fault?: number;
  readonly record?: [Hex, Hex] | null;
  readonly reads?: number;
};
type InterruptRequest = {
  /** Address and data of the message. */
  readonly interrupt: readonly [Hex, Hex];
  readonly from?: string;
  readonly bytes?: number;
  readonly delivery?: InterruptAnswer['delivery'];
  readonly vector?: Hex;
  readonly destination?: Hex;
  readonly mode?: number;
  readonly level?: boolean;
  readonly logical?: boolean;
  readonly fault?: number;
  /** The entry that the fault record names. */
  readonly index?: Hex;
  readonly record?: [Hex, Hex] | null;
  readonly reads?: number;
};
/** A translation request: how the device is answered, and the entry of a successful completion. */
type Translation = TranslationOptions & {
  readonly translation: Hex;
  readonly from?: string;
  readonly reply: TranslationAnswer['reply'];
  readonly completion?: Hex;
  readonly fault?: number;
  readonly record?: [Hex, Hex] | null;
  readonly reads?: number;
};
/** A request with a translated address, or a zero-length read. */
type Other = {
  readonly translated?: Access;
  readonly zeroLengthRead?: true;
  readonly at: Hex;
  readonly from?: string;
  readonly pasid?: number;
  readonly output?: Hex;
  readonly fault?: number;
  readonly record?: [Hex, Hex] | null;
};
/** A page request, the last of its group. */
type PageRequestStep = {
  readonly pageRequest: Hex;
  readonly from?: string;
  readonly pasid?: number;
  readonly becomes: PageRequestOutcome;
  readonly fault?: number;
};
type Step =
  | Request
  | PageRequestStep
  | InterruptRequest
  | { readonly irta: Hex }
  | { readonly ire: boolean }
  | { readonly cfi: boolean }
  | Translation
  | Other
  | { readonly poke: Record<Hex, Hex> }
  | { readonly invalidate: AnyInvalidation }
  | { readonly peek: Record<Hex, Hex> }
  | { readonly srtp: Hex }
  | { readonly te: boolean }
  | { readonly write: Record<Hex, Hex> }
  | { readonly read: Record<Hex, Hex> };
/** A preset, which parameters may follow: `qemu cap.CM=1`; or registers of its own. */
type Unit = string | { readonly cap: Hex; readonly ecap: Hex; readonly hostAddressWidth: number };
type Setup = {
  readonly unit: Unit;
  readonly device: string;
  readonly rtaddr: Hex;
  readonly memory: Record<Hex, Hex>;
  readonly uncertain?: Partial<Uncertain>;
};
type Vector = Partial<Setup> & { readonly title: string; readonly steps: Step[] };
type DecodeVector = {
  readonly title: string;
  readonly layout: string;
  readonly raw: Hex[];
  readonly fields: Record<string, Hex | number>;
};
type VectorFile = Setup & { readonly vectors?: Vector[]; readonly decode?: DecodeVector[] };

const folder = new URL('../../fixtures/vectors/', import.meta.url);
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name): [string, VectorFile] => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8'))]);

describe.each(files)('%s', (_, { vectors = [], decode = [], ...file }) => {
  for (const vector of vectors) {
    const setup = { ...file, ...vector, memory: { ...file.memory, ...vector.memory } };
    // Where interrupts are remapped the queue is on anyway.
    const invalidates =
      vector.steps.some((step) => 'invalidate' in step) && !vector.steps.some((step) => 'irta' in step);
    test(vector.title, () => run(setup, vector.steps, false));
    if (vector.steps.some((step) => 'dma' in step && (step.fault ?? 0) !== 0))
      test(`${vector.title} (with FPD)`, () => runUnderFpd(setup, vector.steps));
    if (invalidates && !isScalable(setup))
      test(`${vector.title} (queued)`, () => run(setup, vector.steps, true));
  }

  for (const { title, layout, raw, fields } of decode) {
    test(title, () => {
      const decoded = layoutNamed(layout).decode(qwords(...raw)) as Record<string, bigint>;
      const named = Object.fromEntries(Object.keys(fields).map((name) => [name, decoded[name]]));
      const expected = Object.entries(fields).map(([name, value]) => [name, BigInt(value)]);
      expect(named).toEqual(Object.fromEntries(expected));
    });
  }
});

/** The same with FPD set in every context entry: what FPD keeps from being recorded is not, all else is as before. */
function runUnderFpd(setup: Setup, steps: Step[]): void {
  const isReserved = setup.uncertain?.contextReservedIsQualified === false;
  const expected = steps.map((step): Step => {
    if (!('dma' in step || 'translation' in step || 'at' in step) || step.fault === undefined) return step;
    // A read in the interrupt range is refused before a context entry is looked at.
    const isEarly =
      (BigInt('at' in step ? step.at : step.translation) & ~0xf_ffffn) === 0xfee0_0000n &&
      (step.fault === 6 || step.fault === 0x86);
    // Interrupt requests obey the FPD of their own table entry.
    const isInterrupt = step.fault >= 0x20 && step.fault < 0x30;
    const isHidden =
      isQualified(step.fault) && !isEarly && !isInterrupt && !(isReserved && step.fault === 0xb);
    return isHidden ? { ...step, record: null } : step;
  });
  run(setup, expected, false, true);
}

function run(
  { unit, device, rtaddr, memory, uncertain }: Setup,
  steps: Step[],
  queued: boolean,
  fpd = false,
): void {
  const bench = new Bench({ unit: describeUnit(unit), uncertain });
  for (const [address, value] of Object.entries(memory)) bench.poke(BigInt(address), BigInt(value));
  if (isScalable({ rtaddr }) && bench.iommu.capabilities.scalableMode) bench.startScalable(BigInt(rtaddr));
  else bench.start(BigInt(rtaddr));
  if (queued) bench.enableQueue();

  steps.forEach((step, index) => {
    if (fpd && ('translation' in step || 'at' in step)) setFpd(bench, step.from ?? device);
    if ('translation' in step) translation(bench, device, step, `step ${index}: ${JSON.stringify(step)}`);
    else if ('pageRequest' in step)
      pageRequest(bench, device, step, `step ${index}: ${JSON.stringify(step)}`);
    else if ('translated' in step || 'zeroLengthRead' in step)
      other(bench, device, step as Other, `step ${index}: ${JSON.stringify(step)}`);
    else if ('interrupt' in step)
      interruptRequest(bench, device, step, `step ${index}: ${JSON.stringify(step)}`);
    else if ('irta' in step) bench.startInterrupts(BigInt(step.irta));
    else if ('ire' in step)
      bench.command(step.ire ? registers.Global.IRE : 0, step.ire ? 0 : registers.Global.IRE);
    else if ('cfi' in step)
      bench.command(step.cfi ? registers.Global.CFI : 0, step.cfi ? 0 : registers.Global.CFI);
    else if ('dma' in step) request(bench, device, step, `step ${index}: ${JSON.stringify(step)}`);
    else if ('peek' in step) {
      for (const [address, value] of Object.entries(step.peek)) {
        expect(asHex([bench.peek(BigInt(address))]), `step ${index}: ${address}`).toEqual(
          asHex([BigInt(value)]),
        );
      }
    } else if ('invalidate' in step) bench.invalidate(step.invalidate);
    else if ('srtp' in step) bench.setRoot(BigInt(step.srtp));
    else if ('write' in step) {
      for (const [offset, value] of Object.entries(step.write)) bench.write(Number(offset), Number(value));
    } else if ('read' in step) {
      for (const [offset, value] of Object.entries(step.read)) {
        expect(bench.reg(Number(offset)).toString(16), `step ${index}: register ${offset}`).toBe(
          BigInt(value).toString(16),
        );
      }
    } else if ('te' in step)
      bench.command(step.te ? registers.Global.TE : 0, step.te ? 0 : registers.Global.TE);
    else if ('poke' in step) {
      for (const [address, value] of Object.entries(step.poke)) bench.poke(BigInt(address), BigInt(value));
    }
  });
}

/** Set FPD in the context entry of a device, where there is one. */
function setFpd(bench: Bench, device: string): void {
  const id = deviceId(device);
  const root = bench.reg64(registers.Offset.RTADDR);
  const half = isScalable({ rtaddr: `${root}` }) ? 8 * ((id >> 7) & 1) : 0;
  const rootAt = Number(root & ~0xfffn) + 16 * (id >> 8) + half;
  if (!bench.memory.has(rootAt)) return;
  const table = Number(bench.peek(rootAt) & ~0xfffn);
  const at = table + (isScalable({ rtaddr: `${root}` }) ? 32 * (id & 0x7f) : 16 * (id & 0xff));
  if (bench.memory.has(at)) bench.poke(at, bench.peek(at) | 2n);
}

function request(bench: Bench, device: string, step: Request, title: string): void {
  const { dma, at, from = device, output, how, fault = 0, reads, pasid, priv } = step;
  const answer = bench.dma(from, dma, BigInt(at), pasid, priv);

  expect({ output: answer.output, fault: answer.fault }, title).toEqual({
    output: output === undefined ? null : BigInt(output),
    fault,
  });
  if (output === undefined && how === undefined) expect(answer.outcome, title).toBe('blocked');
  if (how !== undefined) expect(answer.outcome, title).toBe(how);
  if (reads !== undefined) expect(answer.reads, title).toBe(reads);

  const record = step.record === undefined && fault !== 0 ? recordOf(from, step) : (step.record ?? null);
  expectRecord(bench, record, title);
}

function translation(bench: Bench, device: string, step: Translation, title: string): void {
  const { translation: at, from = device, reply, completion = null, fault = 0, reads, pasid = -1 } = step;
  const answer = bench.translation(from, BigInt(at), step);
  const asked = answer.completion === null ? null : `0x${answer.completion.toString(16)}`;
  expect({ reply: answer.reply, completion: asked, fault: answer.fault }, title).toEqual({
    reply,
    completion,
    fault,
  });
  if (reads !== undefined) expect(answer.reads, title).toBe(reads);
  const dma = step.execute === true ? 'execute' : 'read';
  const [page, hi] = recordOf(from, { dma, at, fault, pasid, priv: step.priv });
  const made: [Hex, Hex] = [page, `${BigInt(hi) | (1n << 60n)}`];
  const isRecorded = fault !== 0 && step.record !== null;
  expectRecord(bench, isRecorded ? (step.record ?? made) : null, title);
}

function pageRequest(bench: Bench, device: string, step: PageRequestStep, title: string): void {
  const { pageRequest: at, from = device, pasid = -1, becomes, fault = 0 } = step;
  const outcome = bench.iommu.pageRequest({
    sourceId: deviceId(from),
    hi: high(BigInt(at)),
    lo: low(BigInt(at)),
    access: READ,
    pasid,
    privileged: false,
    group: 0,
    isLast: true,
  });
  expect({ outcome, fault: bench.iommu.translator.fault }, title).toEqual({ outcome: becomes, fault });
  // Neither a read nor a write: T1 = 0, T2 = 1.
  const [page, hi] = recordOf(from, { dma: 'write', at, fault, pasid });
  expectRecord(bench, fault === 0 ? null : [page, `${BigInt(hi) | (1n << 28n)}`], title);
}

function other(bench: Bench, device: string, step: Other, title: string): void {
  const { translated, at, from = device, pasid = -1, output, fault = 0 } = step;
  const answer =
    translated === undefined
      ? bench.zeroLengthRead(from, BigInt(at), pasid)
      : bench.translated(from, translated, BigInt(at), pasid);
  expect({ output: answer.output, fault: answer.fault }, title).toEqual({
    output: output === undefined ? null : BigInt(output),
    fault,
  });
  const [page, hi] = recordOf(from, { dma: translated ?? 'read', at, fault, pasid });
  const made: [Hex, Hex] = [page, `${BigInt(hi) | (translated === undefined ? 0n : 2n << 60n)}`];
  expectRecord(bench, fault !== 0 && step.record !== null ? (step.record ?? made) : null, title);
}

/** Exactly this record is held, or none; then software drains it. */
function expectRecord(bench: Bench, record: readonly Hex[] | null, title: string): void {
  const held = bench.records().filter(([, hi]) => hi >> 63n === 1n);
  expect(held.map(asHex), title).toEqual(record === null ? [] : [asHex(record.map(BigInt))]);
  // Without FRI, which moves on where there is more than one record.
  expect(bench.reg(registers.Offset.FSTS) & 0xff, title).toBe(record === null ? 0 : 2);
  bench.clearFaults();
  expect(bench.reg(registers.Offset.FSTS), title).toBe(0);
}

function interruptRequest(bench: Bench, device: string, step: InterruptRequest, title: string): void {
  const { interrupt, from = device, bytes, delivery = 'none', fault = 0, reads, index = '0' } = step;
  const [address, data] = interrupt.map(Number);
  const answer = bench.interrupt(from, address, data, bytes);
  expect({ delivery: answer.delivery, fault: answer.fault }, title).toEqual({ delivery, fault });
  if (step.vector !== undefined) expect(answer.vector, title).toBe(Number(step.vector));
  if (step.destination !== undefined) expect(answer.destination, title).toBe(Number(step.destination));
  if (step.mode !== undefined) expect(answer.deliveryMode, title).toBe(step.mode);
  if (step.level !== undefined) expect(answer.isLevel, title).toBe(step.level);
  if (step.logical !== undefined) expect(answer.isLogical, title).toBe(step.logical);
  if (reads !== undefined) expect(answer.reads, title).toBe(reads);

  const hi = (1n << 63n) | (BigInt(fault) << 32n) | BigInt(deviceId(from));
  const own: [Hex, Hex] = [`${BigInt(index) << 48n}`, `${hi}`];
  const record = step.record === undefined && fault !== 0 ? own : (step.record ?? null);
  const held = bench.records().filter(([, high]) => high >> 63n === 1n);
  expect(held.map(asHex), title).toEqual(record === null ? [] : [asHex(record.map(BigInt))]);
  bench.clearFaults();
}

/** F, T1 for a read, the PASID, the reason, PP, EXE, PRIV, the source id; and the page. */
function recordOf(from: string, { dma, at, fault = 0, pasid = -1, priv = false }: Request): [Hex, Hex] {
  const isRead = dma !== 'write';
  const isAtomic = dma === 'atomic';
  const hi =
    (1n << 63n) |
    (isRead ? 1n << 62n : 0n) |
    (isAtomic ? 1n << 28n : 0n) |
    (pasid >= 0 ? (BigInt(pasid) << 40n) | (1n << 31n) : 0n) |
    (pasid >= 0 && dma === 'execute' ? 1n << 30n : 0n) |
    (pasid >= 0 && priv ? 1n << 29n : 0n) |
    (BigInt(fault) << 32n) |
    BigInt(deviceId(from));
  return [`${BigInt(at) & ~0xfffn}`, `${hi}`];
}

/** RTADDR.TTM = 01b. */
const isScalable = ({ rtaddr }: { rtaddr: Hex }) => ((BigInt(rtaddr) >> 10n) & 3n) === 1n;

const asHex = (qwordsOfRecord: readonly bigint[]) => qwordsOfRecord.map((qword) => qword.toString(16));

function describeUnit(unit: Unit): UnitDescription {
  if (typeof unit === 'string') {
    const [preset, ...words] = unit.split(' ');
    return words.length === 0
      ? presets[preset as PresetName]
      : unitWith(preset as PresetName, words.join(' '));
  }
  const { cap, ecap, hostAddressWidth } = unit;
  return { name: 'vector', cap: BigInt(cap), ecap: BigInt(ecap), version: 0x10, hostAddressWidth };
}

function layoutNamed(name: string): Layout {
  const declared = [
    rootEntry,
    contextEntry,
    scalableRootEntry,
    scalableContextEntry,
    pasidDirectoryEntry,
    pasidTableEntry,
    faultRecord,
    postedInterruptDescriptor,
    ...[paging, firstStage, descriptors, registers, interruptMessages, interruptEntries].flatMap(layoutsIn),
  ];
  return declared.find((layout) => layout.name === name)!;
}

function layoutsIn(module: object): Layout[] {
  return Object.values(module).filter((value) => typeof value?.decode === 'function');
}
