/** The `expect` of a case: what its steps should answer, in the form of the output. */
import type { Step } from './case-file.ts';
import type { Place } from './errors.ts';
import type { FaultResult, StepResult } from './results.ts';
import { ValueReader } from './value-reader.ts';

/** Numbers may be written in any of the accepted ways; from here on they are as the output has them. */
export function readExpectation(place: Place, value: unknown, steps: readonly Step[]): StepResult[] {
  const reader = new ValueReader(place);
  const answers = reader.array(value, 'expect');
  if (answers.length !== steps.length) {
    reader.fail(`expect with ${steps.length} entries, one a step`, answers.length);
  }
  return answers.map((answer, at) => {
    return readAnswer(new ValueReader({ ...place, step: at + 1 }), answer, steps[at].op);
  });
}

function readAnswer(reader: ValueReader, value: unknown, op: Step['op']): StepResult {
  reader.choice(reader.object(value, 'an expected answer').op, 'the op of an expected answer', [op]);
  const keysOf = (...keys: string[]) => reader.record(value, `the expected answer of ${op}`, ['op', ...keys]);
  const hex = (number: unknown, what: string) => `0x${reader.number(number, what).toString(16)}`;
  switch (op) {
    case 'dma': {
      const { fault, fsts, watch } = keysOf('fault', 'fsts', 'watch');
      const words = Object.entries(reader.object(watch ?? {}, 'watch'));
      return {
        op,
        fault: readFault(reader, fault),
        fsts: hex(fsts, 'fsts'),
        watch: Object.fromEntries(words.map(([at, word]) => [hex(at, 'an address'), hex(word, 'a qword')])),
      };
    }
    case 'faults': {
      const { fsts, pfo, ppf, fault } = keysOf('fsts', 'pfo', 'ppf', 'fault');
      return {
        op,
        fsts: hex(fsts, 'fsts'),
        pfo: reader.flag(pfo, 'pfo'),
        ppf: reader.flag(ppf, 'ppf'),
        fault: readFault(reader, fault),
      };
    }
    case 'peek': {
      const { addr, val } = keysOf('addr', 'val');
      return { op, addr: hex(addr, 'addr'), val: hex(val, 'val') };
    }
    case 'rdreg': {
      const { reg, val } = keysOf('reg', 'val');
      return { op, reg: reader.text(reg, 'reg'), val: hex(val, 'val') };
    }
    case 'qi':
    case 'qi256': {
      const { status, iqh, fsts } = keysOf('status', 'iqh', 'fsts');
      return { op, status: hex(status, 'status'), iqh: hex(iqh, 'iqh'), fsts: hex(fsts, 'fsts') };
    }
    default:
      keysOf();
      return { op };
  }
}

function readFault(reader: ValueReader, value: unknown): FaultResult | null {
  if (value === null) return null;
  const { reason, sid, addr, type, pasid } = reader.record(value, 'fault', [
    ...['reason', 'sid', 'addr', 'type', 'pasid'],
  ]);
  const hex = (number: unknown, what: string) => `0x${reader.number(number, what).toString(16)}`;
  return {
    reason: hex(reason, 'reason'),
    sid: reader.text(sid, 'sid'),
    addr: hex(addr, 'addr'),
    type: reader.text(type, 'type'),
    ...(pasid === undefined ? {} : { pasid: hex(pasid, 'pasid') }),
  };
}
