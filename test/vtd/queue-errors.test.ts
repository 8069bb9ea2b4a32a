import { expect, test } from 'vitest';
import { waitDescriptor } from '../../source/vtd/formats/invalidation-descriptor.ts';
import { Global, Offset, QueueError } from '../../source/vtd/unit/registers.ts';
import { Bench, descriptorOf, qwords, unitWith } from '../support/unit.ts';

const STATUS = 0x8000;
const QUEUE = 0xe0_0000;
const IQE = 0x10;
const wait = (data: number) => waitDescriptor.encode({ type: 5, SW: 1, STDATA: data, STADDR: STATUS });

/** A queue that is running: how wide its descriptors are, and the mode of the tables. */
type Machine = { readonly machine: Bench; readonly bytes: number };

function running(isWide: boolean, isScalable = false): Machine {
  const machine = new Bench({ unit: unitWith('server', 'cap.NFR=0') });
  machine.setRoot(isScalable ? 0x1400n : 0x1000n);
  machine.write(Offset.FECTL, 0);
  machine.enableQueue(QUEUE, 0, isWide);
  return { machine, bytes: isWide ? 32 : 16 };
}

const overwrite = ({ machine }: Machine) => {
  const head = machine.reg(Offset.IQH);
  machine.memory.writeWords(QUEUE + head, [...wait(2), 0, 0, 0, 0].slice(0, 8));
};
const moveTail = ({ machine, bytes }: Machine) =>
  machine.write64(Offset.IQT, BigInt(machine.reg(Offset.IQH) + bytes));
const moveQueue = ({ machine }: Machine) => {
  machine.command(0, Global.QIE);
  machine.enableQueue(QUEUE, 0, true);
};

type Case = {
  readonly name: keyof typeof QueueError;
  readonly start: () => Machine;
  readonly breakIt: (machine: Machine) => void;
  readonly repair: (machine: Machine) => void;
};

const cases: readonly Case[] = [
  {
    name: 'TAIL',
    start: () => running(false),
    breakIt: ({ machine }) => machine.write64(Offset.IQT, 0x1000n),
    repair: moveTail,
  },
  {
    name: 'FETCH',
    // Of the two pages of this queue the second lies above memory.
    start: () => {
      const { machine } = running(true, true);
      machine.command(0, Global.QIE);
      machine.enableQueue(machine.memory.size - 0x1000, 1, true);
      return { machine, bytes: 32 };
    },
    breakIt: ({ machine }) => machine.write64(Offset.IQT, 0x1020n),
    repair: moveQueue,
  },
  {
    name: 'TYPE',
    start: () => running(false),
    breakIt: ({ machine }) => machine.submit(qwords('0x0', '0x0')),
    repair: overwrite,
  },
  {
    name: 'RESERVED',
    start: () => running(true, true),
    breakIt: ({ machine }) => machine.submit(qwords('0x11', '0x0', '0x1', '0x0')),
    repair: overwrite,
  },
  {
    name: 'WIDTH',
    start: () => running(false, true),
    breakIt: ({ machine }) => machine.submit(wait(1)),
    repair: moveQueue,
  },
  {
    name: 'TAIL_ALIGNMENT',
    start: () => running(true, true),
    breakIt: ({ machine }) => machine.write64(Offset.IQT, 0x10n),
    repair: moveTail,
  },
  {
    name: 'TABLE_MODE',
    start: () => running(true),
    breakIt: ({ machine }) => machine.submit(descriptorOf({ pasidCache: 'global' })),
    repair: overwrite,
  },
];

test('every value of IQERCD.IQEI has a case here', () => {
  expect(['NONE', ...cases.map(({ name }) => name)]).toEqual(Object.keys(QueueError));
});

test.each(cases)('$name: the queue stops at it, tells once, and goes on when it is repaired', (one) => {
  const state = one.start();
  const { machine } = state;
  if (one.name === 'FETCH') {
    // Waits up to the end of the first page.
    for (let at = 0; at < 0x1000; at += 32)
      machine.memory.writeWords(machine.memory.size - 0x1000 + at, [...wait(1), 0, 0, 0, 0]);
  }
  const stopped = () => (machine.reg(Offset.FSTS) & IQE) !== 0;
  const error = () => Number(machine.reg64(Offset.IQERCD) & 0xfn);
  one.breakIt(state);

  expect([stopped(), error(), machine.interrupts.length]).toEqual([true, QueueError[one.name], 1]);
  const head = machine.reg(Offset.IQH);
  expect(head).toBe(one.name === 'FETCH' ? 0x1000 : 0);

  // Clearing the status alone fetches the same again: a new pending period, and a new event.
  machine.write(Offset.FSTS, IQE);
  expect([stopped(), error(), machine.interrupts.length]).toEqual([true, QueueError[one.name], 2]);
  expect(machine.reg(Offset.IQH)).toBe(head);

  // The repair alone does nothing while the status is set.
  machine.memory.write32(STATUS, 0);
  one.repair(state);
  expect([stopped(), machine.memory.read32(STATUS)]).toEqual([true, 0]);
  machine.write(Offset.FSTS, IQE);
  expect([error(), machine.reg(Offset.IQERCD)]).toEqual([
    // Behind a tail that was wrong lies nothing that anybody wrote.
    ['TAIL', 'TAIL_ALIGNMENT'].includes(one.name) ? QueueError.TYPE : QueueError.NONE,
    error(),
  ]);
  if (stopped()) {
    overwrite(state);
    machine.write(Offset.FSTS, IQE);
  }
  expect([stopped(), error()]).toEqual([false, QueueError.NONE]);
  expect(machine.reg(Offset.IQH)).toBe(machine.reg(Offset.IQT));
  machine.submit(wait(7));
  expect(machine.memory.read32(STATUS)).toBe(7);
});
