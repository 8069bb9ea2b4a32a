/** One step of a case: `["poke", "0x800000", "0x1"]` and the like. */
import {
  devices,
  invalidations,
  MEMORY_BYTES,
  QUEUE_ENTRIES,
  registerNames,
  type Step,
  transfers,
} from './case-file.ts';
import { isWide } from './register-map.ts';
import type { ValueReader } from './value-reader.ts';

type ReadStep = (reader: ValueReader, operands: readonly unknown[]) => Step;

/** No more operands than these may follow. */
function only(reader: ValueReader, operands: readonly unknown[], names: string): void {
  const most = names === '' ? 0 : names.split(' ').length;
  if (operands.length > most)
    reader.fail(names === '' ? 'no operand' : `no operand after ${names}`, operands[most]);
}

function descriptors(size: number): ReadStep {
  const op = size === 2 ? 'qi' : 'qi256';
  return (reader, operands) => {
    only(reader, operands, 'descriptors');
    const list = reader.array(operands[0], 'descriptors');
    // The ring is full when one more would bring its tail to its head; the wait takes a place, too.
    const most = QUEUE_ENTRIES - 2;
    if (list.length > most) reader.fail(`at most ${most} descriptors`, list.length);
    return {
      op,
      descriptors: list.map((entry) => {
        const qwords = reader.array(entry, 'a descriptor');
        if (qwords.length !== size) reader.fail(`a descriptor of ${size} qwords`, entry);
        return qwords.map((qword) => reader.number(qword, 'a qword'));
      }),
    };
  };
}

const bare =
  (op: 'enable' | 'clearFaults' | 'faults'): ReadStep =>
  (reader, operands) => {
    only(reader, operands, '');
    return { op };
  };

const readers: Readonly<Record<string, ReadStep>> = {
  enable: bare('enable'),
  clearFaults: bare('clearFaults'),
  faults: bare('faults'),
  dma(reader, operands) {
    only(reader, operands, 'device kind address length');
    const [device, kind, address, length = 8] = operands;
    const bytes = reader.number(length, 'a length', BigInt(MEMORY_BYTES));
    if (bytes === 0n) reader.fail('a length of at least 1', length);
    return {
      op: 'dma',
      device: devices[reader.choice(device, 'a device', Object.keys(devices))],
      transfer: reader.choice(kind, 'a kind of DMA', transfers),
      address: reader.number(address, 'an address'),
      length: Number(bytes),
    };
  },
  poke(reader, [address, ...qwords]) {
    if (qwords.length === 0) reader.fail('at least one qword after the address', undefined);
    return {
      op: 'poke',
      address: reader.memoryAddress(address, 'an address', 8 * qwords.length),
      qwords: qwords.map((qword) => reader.number(qword, 'a qword')),
    };
  },
  peek(reader, operands) {
    only(reader, operands, 'address');
    return { op: 'peek', address: reader.memoryAddress(operands[0], 'an address', 8) };
  },
  reg(reader, operands) {
    only(reader, operands, 'name value');
    const register = reader.choice(operands[0], 'a register', registerNames);
    const largest = isWide(register) ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
    return { op: 'reg', register, value: reader.number(operands[1], `a value of ${register}`, largest) };
  },
  rdreg(reader, operands) {
    only(reader, operands, 'name');
    return { op: 'rdreg', register: reader.choice(operands[0], 'a register', registerNames) };
  },
  inv(reader, operands) {
    only(reader, operands, 'kind operands');
    const kind = reader.choice(operands[0], 'a kind of invalidation', invalidations);
    const found = reader.record(operands[1] ?? {}, 'operands', ['did', 'dev', 'addr', 'am']);
    return {
      op: 'inv',
      kind,
      did: Number(reader.number(found.did ?? 0, 'did', 0xffffn)),
      device: found.dev === undefined ? 0 : reader.requester(found.dev, 'dev'),
      address: reader.number(found.addr ?? 0, 'addr'),
      mask: Number(reader.number(found.am ?? 0, 'am', 0x3fn)),
    };
  },
  qi: descriptors(2),
  qi256: descriptors(4),
};

/** Read one step; whatever is wrong with it throws MalformedCase. */
export function readStep(reader: ValueReader, value: unknown): Step {
  const [op, ...operands] = reader.array(value, 'a step');
  return readers[reader.choice(op, 'a step', Object.keys(readers))](reader, operands);
}
