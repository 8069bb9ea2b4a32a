/** Reads a file of conformance cases. */
import type { Case, CaseFile, Group, UnitWords } from './case-file.ts';
import { MalformedCase } from './errors.ts';
import { readExpectation } from './read-expectation.ts';
import { readStep } from './read-step.ts';
import { ValueReader } from './value-reader.ts';

const DEFAULT_ROOT = 0x10_0000n;

/**
 * Read and check a file of cases.
 *
 * @throws MalformedCase if it is not what the format asks for
 */
export function readCases(text: string): CaseFile {
  const reader = new ValueReader({});
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new MalformedCase({}, 'JSON', error instanceof Error ? error.message : String(error));
  }
  const { groups } = reader.record(parsed, 'the file', ['groups']);
  return { groups: reader.array(groups, 'groups').map((group, at) => readGroup(group, at)) };
}

function readGroup(value: unknown, at: number): Group {
  const outer = new ValueReader({ group: `#${at + 1}` });
  const name = outer.text(outer.object(value, 'a group').name, 'a name');
  const reader = new ValueReader({ group: name });
  const group = reader.record(value, 'a group', ['name', 'iommu', 'cases']);
  return {
    name,
    unit: readUnit(reader, group.iommu ?? {}),
    cases: reader.array(group.cases, 'cases').map((entry, index) => readCase(name, entry, index)),
  };
}

const unitKeys = ['aw-bits', 'x-scalable-mode', 'x-flts', 'caching-mode', 'pt'] as const;

function readUnit(reader: ValueReader, value: unknown): UnitWords {
  const words = reader.record(value, 'iommu', unitKeys);
  const isOn = (key: (typeof unitKeys)[number], otherwise: boolean): boolean => {
    const word = words[key] ?? otherwise;
    return typeof word === 'boolean' ? word : reader.choice(word, key, ['on', 'off']) === 'on';
  };
  const awBits = Number(reader.number(words['aw-bits'] ?? 48, 'aw-bits'));
  if (awBits !== 39 && awBits !== 48) reader.fail('aw-bits: 39 or 48', words['aw-bits']);
  const unit: UnitWords = {
    awBits,
    scalableMode: isOn('x-scalable-mode', false),
    firstStage: isOn('x-flts', false),
    cachingMode: isOn('caching-mode', false),
    passThrough: isOn('pt', true),
  };
  if (unit.firstStage && !unit.scalableMode) reader.fail('x-scalable-mode=on with x-flts=on', value);
  return unit;
}

function readCase(group: string, value: unknown, at: number): Case {
  const outer = new ValueReader({ group, case: `#${at + 1}` });
  const name = outer.text(outer.object(value, 'a case').name, 'a name');
  const place = { group, case: name };
  const reader = new ValueReader(place);
  const keys = ['name', 'scalable', 'rtaddr', 'mem', 'watch', 'steps', 'expect'];
  const found = reader.record(value, 'a case', keys);
  const steps = reader.array(found.steps, 'steps').map((step, index) => {
    return readStep(new ValueReader({ ...place, step: index + 1 }), step);
  });
  const watch = reader.array(found.watch ?? [], 'watch');
  return {
    name,
    scalable: reader.flag(found.scalable ?? false, 'scalable'),
    rtaddr: found.rtaddr === undefined ? DEFAULT_ROOT : reader.number(found.rtaddr, 'rtaddr'),
    mem: reader.array(found.mem ?? [], 'mem').map((block) => readBlock(reader, block)),
    watch: watch.map((address) => reader.memoryAddress(address, 'an address to watch', 8)),
    steps,
    expect: found.expect === undefined ? null : readExpectation(place, found.expect, steps),
  };
}

function readBlock(reader: ValueReader, value: unknown) {
  const [address, ...qwords] = reader.array(value, 'a block of memory');
  if (qwords.length === 0) reader.fail('at least one qword after the address of a block', value);
  return {
    address: reader.memoryAddress(address, 'the address of a block', 8 * qwords.length),
    qwords: qwords.map((qword) => reader.number(qword, 'a qword of a block')),
  };
}
