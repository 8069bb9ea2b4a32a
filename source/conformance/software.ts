/**
 * The software side of a case: what a driver would do for each step, and what can be read back afterwards.
 * It keeps what software has to remember between steps: the state it asked of GCMD and the tail of the queue.
 */
import { bigToWords, hex } from '../vtd/bits.ts';
import { faultRecord } from '../vtd/formats/fault-record.ts';
import { bdf } from '../vtd/source-id.ts';
import { Global } from '../vtd/unit/registers.ts';
import { type Case, QUEUE_ADDRESS, QUEUE_ENTRIES, STATUS_ADDRESS, type Step } from './case-file.ts';
import { commandOf } from './invalidation-command.ts';
import type { Operation } from './operation.ts';
import { registerPlace } from './register-map.ts';
import type { FaultResult, StepResult } from './results.ts';

/** What a step does, and its answer given the values read, in their order. */
export type Plan = {
  readonly operations: readonly Operation[];
  readonly result: (values: readonly bigint[]) => StepResult;
};

const unsigned = (bits: number): bigint => BigInt(bits >>> 0);

const TE = unsigned(Global.TE);
const SRTP = unsigned(Global.SRTP);
const QIE = unsigned(Global.QIE);
const PERSISTENT = unsigned(Global.TE | Global.QIE | Global.IRE | Global.CFI);
const SCALABLE_TABLES = 1n << 10n;
const FSTS_PFO = 0x1n;
const FSTS_PPF = 0x2n;
/** PFO and IQE, which writing 1 clears. */
const FSTS_CLEAR = 0x11n;
const RECORD_HELD = 1n << 63n;
const WIDE_DESCRIPTORS = 1n << 11n;
const TAIL_BITS = 0x7fff0n;
/** A wait descriptor that writes 0xabcd. */
const WAIT = 0xabcd_0000_0025n;

const readFaults = [readRegister('FSTS'), readRegister('FRCDLO'), readRegister('FRCDHI')];

export class Software {
  private readonly root: bigint;
  private readonly watch: readonly number[];
  /** GCMD's persistent bits as last written. */
  private state = 0n;
  private tail = 0;

  constructor({ rtaddr, scalable, watch }: Case) {
    this.root = rtaddr | (scalable ? SCALABLE_TABLES : 0n);
    this.watch = watch;
  }

  plan(step: Step): Plan {
    switch (step.op) {
      case 'enable':
        return silent(step.op, this.enable());
      case 'dma':
        return this.dma(step);
      case 'poke':
        return silent(step.op, [{ kind: 'write memory', address: step.address, qwords: step.qwords }]);
      case 'peek':
        return {
          operations: [{ kind: 'read memory', address: step.address }],
          result: ([val]) => ({ op: 'peek', addr: hex(step.address), val: hex(val) }),
        };
      case 'reg':
        this.remember(step.register, step.value);
        return silent(step.op, [writeRegister(step.register, step.value)]);
      case 'rdreg':
        return {
          operations: [readRegister(step.register)],
          result: ([val]) => ({ op: 'rdreg', reg: step.register, val: hex(val) }),
        };
      case 'clearFaults':
        return silent(step.op, [writeRegister('FRCDHI', RECORD_HELD), writeRegister('FSTS', FSTS_CLEAR)]);
      case 'faults':
        return { operations: readFaults, result: faultsResult };
      case 'inv':
        return silent(
          step.op,
          commandOf(step).map(([register, value]) => writeRegister(register, value)),
        );
      case 'qi':
      case 'qi256':
        return this.post(step.op, step.descriptors);
    }
  }

  private enable(): Operation[] {
    const before = this.state;
    this.state |= TE;
    return [
      writeRegister('RTADDR', this.root),
      writeRegister('GCMD', before | SRTP),
      ...['cc-global', 'iotlb-global'].flatMap((kind) =>
        commandOf({ kind, did: 0, device: 0, address: 0n, mask: 0 }).map(([register, value]) =>
          writeRegister(register, value),
        ),
      ),
      writeRegister('GCMD', this.state),
    ];
  }

  private dma(step: Extract<Step, { op: 'dma' }>): Plan {
    const { device, transfer, address, length } = step;
    const watched = this.watch.map((at) => ({ kind: 'read memory', address: at }) as const);
    return {
      operations: [{ kind: 'dma', device, transfer, address, length }, ...readFaults, ...watched],
      result: ([fsts, lo, hi, ...words]) => ({
        op: 'dma',
        fault: faultResult(lo, hi),
        fsts: hex(fsts),
        watch: Object.fromEntries(this.watch.map((at, index) => [hex(at), hex(words[index])])),
      }),
    };
  }

  /** What software would know after writing a register itself. */
  private remember(register: string, value: bigint): void {
    if (register === 'GCMD') this.state = value & PERSISTENT;
    if (register === 'IQT') this.tail = Number(value & TAIL_BITS);
  }

  /** Post descriptors and a wait after them; the first time, set up the queue. */
  private post(op: 'qi' | 'qi256', descriptors: readonly (readonly bigint[])[]): Plan {
    const operations: Operation[] = [];
    if ((this.state & QIE) === 0n) {
      this.state |= QIE;
      this.tail = 0;
      const format = op === 'qi256' ? WIDE_DESCRIPTORS | 1n : 0n;
      operations.push(writeRegister('IQT', 0n));
      operations.push(writeRegister('IQA', BigInt(QUEUE_ADDRESS) | format));
      operations.push(writeRegister('GCMD', this.state));
    }
    const status = STATUS_ADDRESS[op];
    operations.push({ kind: 'write memory', address: status, qwords: [0n] });
    const wait = [WAIT, BigInt(status), ...(op === 'qi256' ? [0n, 0n] : [])];
    for (const qwords of [...descriptors, wait]) {
      const bytes = 8 * qwords.length;
      operations.push({ kind: 'write memory', address: QUEUE_ADDRESS + this.tail, qwords });
      this.tail = (this.tail + bytes) % (QUEUE_ENTRIES * bytes);
    }
    operations.push(writeRegister('IQT', BigInt(this.tail)));
    operations.push({ kind: 'read memory', address: status }, readRegister('IQH'), readRegister('FSTS'));
    return {
      operations,
      result: ([written, iqh, fsts]) => ({
        op,
        status: hex(written & 0xffff_ffffn),
        iqh: hex(iqh),
        fsts: hex(fsts),
      }),
    };
  }
}

function readRegister(name: string): Operation {
  return { kind: 'read register', ...registerPlace(name) };
}

function writeRegister(name: string, value: bigint): Operation {
  return { kind: 'write register', ...registerPlace(name), value };
}

const silent = (
  op: 'enable' | 'poke' | 'reg' | 'clearFaults' | 'inv',
  operations: readonly Operation[],
): Plan => ({ operations, result: () => ({ op }) });

function faultsResult([fsts, lo, hi]: readonly bigint[]): StepResult {
  return {
    op: 'faults',
    fsts: hex(fsts),
    pfo: (fsts & FSTS_PFO) !== 0n,
    ppf: (fsts & FSTS_PPF) !== 0n,
    fault: faultResult(lo, hi),
  };
}

/** T1 and T2 of a record, as two bits. */
const requestTypes = ['write', 'page request', 'read', 'atomic'];

function faultResult(lo: bigint, hi: bigint): FaultResult | null {
  if ((hi & RECORD_HELD) === 0n) return null;
  const { FI, SID, T1, T2, FR, PP, PV } = faultRecord.decode(bigToWords((hi << 64n) | lo, 4));
  return {
    reason: hex(FR),
    sid: bdf(Number(SID)),
    addr: hex(FI),
    type: requestTypes[2 * Number(T1) + Number(T2)],
    ...(PP === 1n ? { pasid: hex(PV) } : {}),
  };
}
