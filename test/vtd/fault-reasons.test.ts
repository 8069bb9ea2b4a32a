import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Fault, faultReasons, isQualified } from '../../source/vtd/faults/fault-reason.ts';

/** Fault reasons that no request can meet here, and why. */
const unreachable: Readonly<Record<number, string>> = {
  125: 'memory here takes every write of a flag',
  145: 'memory here takes every write of a flag',
};

/** Reasons whose recording FPD does not stop: where none could be read, or none holds. Chapter 7.1.3; QEMU. */
const unqualified = [
  ...[Fault.ROOT_NOT_PRESENT, Fault.ROOT_READ_ERROR, Fault.ROOT_RESERVED, Fault.CONTEXT_READ_ERROR],
  // Of interrupt requests: before an interrupt-remapping table entry is read.
  ...[0x20, 0x21, 0x23, 0x25],
  ...[Fault.BAD_TABLE_MODE, Fault.PASID_IN_LEGACY, 0x32],
  ...[Fault.SM_ROOT_READ_ERROR, Fault.SM_ROOT_NOT_PRESENT, Fault.SM_ROOT_RESERVED],
  ...[Fault.SM_CONTEXT_READ_ERROR, Fault.DIRECTORY_READ_ERROR, Fault.PASID_READ_ERROR],
  ...[0x20, 0x21, 0x23, 0x25],
];

const folder = new URL('../../fixtures/vectors/', import.meta.url);
const met = new Set<number>();
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  JSON.parse(readFileSync(new URL(name, folder), 'utf8'), (key, value) => {
    if (key === 'fault' && typeof value === 'number') met.add(value);
    return value;
  });
}

const hex = (code: number) => `0x${code.toString(16)}`;
const codes = faultReasons.map(({ code }) => code);

describe('every fault reason', () => {
  test('is met by a vector, or named here with the reason why it cannot be', () => {
    const missing = codes.filter((code) => !met.has(code) && !(code in unreachable));
    expect(missing.map(hex)).toEqual([]);
    expect(Object.keys(unreachable).filter((code) => met.has(Number(code)))).toEqual([]);
  });

  test('that a vector meets has a name and a text', () => {
    expect([...met].filter((code) => code !== 0 && !codes.includes(code)).map(hex)).toEqual([]);
  });

  test('that the walk knows by name is in the table, once', () => {
    expect(Object.values(Fault).filter((code) => !codes.includes(code))).toEqual([]);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test.each(codes.map((code) => [hex(code), code]))(
    '%s is recorded or not under FPD as the table says',
    (_, code) => {
      expect(isQualified(code)).toBe(!unqualified.includes(code));
    },
  );
});
