/**
 * QEMU as another unit to run cases on: one process for each unit, the same operations as the simulated one
 * carries out, the same form of answers.
 */

import {
  type Case,
  QUEUE_ADDRESS,
  QUEUE_ENTRIES,
  STATUS_ADDRESS,
  type UnitWords,
  zeroedRanges,
} from '../conformance/case-file.ts';
import { answers, type Operation } from '../conformance/operation.ts';
import type { StepResult } from '../conformance/results.ts';
import { Software } from '../conformance/software.ts';
import { hex } from '../vtd/bits.ts';
import { Offset } from '../vtd/unit/registers.ts';
import type { QemuProgram } from './program.ts';
import { dmaLines, machineArguments, requireFeatures, resetLines, setUpLines } from './qemu-machine.ts';
import { Qtest } from './qtest.ts';

const UNIT = 0xfed9_0000;
/** Bits of GCMD. */
const TRANSLATION = 1n << 31n;
const SET_ROOT_TABLE = 1n << 30n;
const PAGE = 4096;

/** Registers that a case may leave as it likes: everything depends on the others or is set by `enable`. */
const HARMLESS = ['FSTS', 'FRCDLO', 'FRCDHI', 'IVA', 'IOTLB', 'CCMD', 'ICS', 'IQT'];

export class QemuOracle implements AsyncDisposable {
  private readonly qtest: Qtest;
  /** Whether the next case needs a reset of the machine rather than of what cases usually change. */
  private isSpoilt = true;
  /** The kind of step that used the queue in the last case. */
  private usedQueue: 'qi' | 'qi256' | null = null;
  private dirtyPages: ReadonlySet<number> = new Set();

  /** @throws QemuError if this QEMU cannot be that unit */
  constructor(program: QemuProgram, unit: UnitWords) {
    requireFeatures(program, unit);
    this.qtest = new Qtest(program, machineArguments(unit));
  }

  /**
   * Run one case.
   *
   * @param written asked afterwards for the pages that devices wrote, by number, so that they can be zeroed
   * @throws QemuError if QEMU ends or does not answer
   */
  async run(entry: Case, written: () => ReadonlySet<number>): Promise<StepResult[]> {
    const isFresh = this.isSpoilt || needsFreshUnit(entry);
    if (isFresh) {
      // The machine is reset after the answer, so nothing may follow in the same go.
      await this.qtest.send(resetLines);
      await this.qtest.send(setUpLines);
      this.usedQueue = null;
    }
    const software = new Software(entry);
    const plans = entry.steps.map((step) => software.plan(step));
    const operations: Operation[] = [
      ...entry.mem.map((block) => ({ kind: 'write memory', ...block }) as const),
      ...plans.flatMap((plan) => plan.operations),
    ];
    const values = await this.qtest.send([
      ...this.resetLines(),
      ...(isFresh ? operations : operations.map(keepOn)).flatMap(linesOf),
    ]);
    this.dirtyPages = new Set([...written(), ...operations.flatMap(pagesOf)]);
    const queues = (['qi', 'qi256'] as const).filter((kind) => entry.steps.some(({ op }) => op === kind));
    this.usedQueue = queues[0] ?? null;
    this.isSpoilt = queues.length > 1 || leavesTraces(entry);
    let from = 0;
    return plans.map((plan) => {
      const count = plan.operations.filter(answers).length;
      from += count;
      return plan.result(values.slice(from - count, from));
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.qtest[Symbol.asyncDispose]();
  }

  /** What brings the machine into the state in which cases start. */
  private resetLines(): string[] {
    const outside = [...this.dirtyPages].filter(
      (page) => !zeroedRanges.some(({ first, last }) => page * PAGE >= first && page * PAGE <= last),
    );
    const zero = (first: number, bytes: number) => `memset ${hex(first)} ${hex(bytes)} 0`;
    return [
      ...(this.usedQueue === null ? [] : emptyQueueLines[this.usedQueue]),
      ...clearRegisterLines,
      ...zeroedRanges.map(({ first, last }) => zero(first, last - first + 1)),
      ...outside.map((page) => zero(page * PAGE, PAGE)),
    ];
  }
}

/**
 * Turning translation off and on takes QEMU 10 ms, so between cases it stays on: `enable` sets the root table
 * anew, which empties all caches. Not so where a case looks at the unit before it enables it.
 */
function needsFreshUnit({ steps }: Case): boolean {
  const enabled = steps.findIndex(({ op }) => op === 'enable');
  const before = enabled < 0 ? steps : steps.slice(0, enabled);
  const looks = before.some(({ op }) => !['poke', 'peek', 'clearFaults', 'faults'].includes(op));
  // What fields of a record hold while there is none, and where the queue is, is left over from before.
  const left = steps.some((step) => step.op === 'rdreg' && /^(FRCD|IQA)/.test(step.register));
  // A case that writes GCMD itself may turn translation off.
  return looks || left || steps.some((step) => step.op === 'reg' && step.register === 'GCMD');
}

/** Setting the root table does not turn translation off, although nobody has turned it on in this case yet. */
function keepOn(operation: Operation): Operation {
  const isSetRoot =
    operation.kind === 'write register' &&
    operation.offset === Offset.GCMD &&
    (operation.value & SET_ROOT_TABLE) !== 0n;
  return isSetRoot ? { ...operation, value: operation.value | TRANSLATION } : operation;
}

const leavesTraces = ({ steps }: Case): boolean =>
  steps.some((step) => step.op === 'reg' && !HARMLESS.includes(step.register));

function linesOf(operation: Operation): string[] {
  switch (operation.kind) {
    case 'write register':
      return [
        `write${operation.bytes === 8 ? 'q' : 'l'} ${hex(UNIT + operation.offset)} ${hex(operation.value)}`,
      ];
    case 'read register':
      return [`read${operation.bytes === 8 ? 'q' : 'l'} ${hex(UNIT + operation.offset)}`];
    case 'write memory':
      return [memoryLine(operation.address, operation.qwords)];
    case 'read memory':
      return [`readq ${hex(operation.address)}`];
    case 'dma':
      return dmaLines(operation.device, operation.transfer, operation.address, operation.length);
  }
}

function memoryLine(address: number, qwords: readonly bigint[]): string {
  const bytes = Buffer.alloc(8 * qwords.length);
  qwords.forEach((qword, index) => {
    bytes.writeBigUInt64LE(qword, 8 * index);
  });
  return `write ${hex(address)} ${hex(bytes.length)} 0x${bytes.toString('hex')}`;
}

/** Pages that software wrote. */
function pagesOf(operation: Operation): number[] {
  if (operation.kind !== 'write memory') return [];
  const { address, qwords } = operation;
  const first = Math.floor(address / PAGE);
  const last = Math.floor((address + 8 * qwords.length - 1) / PAGE);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** A wait that writes its status. */
const WAIT = 0x25n;

const register = (offset: number) => hex(UNIT + offset);

const clearRegisterLines = [
  `writeq ${register(0x88)} 0x0`,
  `writel ${register(0x22c)} 0x80000000`,
  `writel ${register(0x34)} 0x11`,
  `writel ${register(0x9c)} 0x1`,
  `writeq ${register(0x28)} 0x0`,
  `writeq ${register(0xf0)} 0x0`,
  `writeq ${register(0xf8)} 0x0`,
];

/**
 * QEMU turns the queue off only when it is empty and ends with a wait, so one that stopped at a bad descriptor is
 * filled with waits and run through to its end.
 */
const emptyQueueLines = {
  qi: emptyLines([WAIT, BigInt(STATUS_ADDRESS.qi)]),
  qi256: emptyLines([WAIT, BigInt(STATUS_ADDRESS.qi256), 0n, 0n]),
};

function emptyLines(wait: readonly bigint[]): string[] {
  const last = 8 * wait.length * (QUEUE_ENTRIES - 1);
  return [
    memoryLine(QUEUE_ADDRESS, Array.from({ length: QUEUE_ENTRIES }, () => wait).flat()),
    `writel ${register(0x34)} 0x10`,
    `writeq ${register(0x88)} 0x0`,
    `writeq ${register(0x88)} ${hex(last)}`,
    // Translation stays on.
    `writel ${register(0x18)} 0x80000000`,
    // QEMU looks at the width of descriptors even while the queue is off.
    `writeq ${register(0x90)} 0x0`,
  ];
}
