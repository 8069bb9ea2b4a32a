import { expect } from 'vitest';
import type { Case, Step } from '../../source/conformance/case-file.ts';
import { Comparer } from '../../source/oracle/compare-with-qemu.ts';
import { testWithQemu } from './test-with-qemu.ts';
import { units } from './units.ts';

const caseOf = (...steps: Step[]): Case => ({
  ...{ name: 'off', scalable: false, rtaddr: 0x10_0000n, mem: [], watch: [0x80_0000] },
  ...{ steps: [{ op: 'enable' }, ...steps], expect: null },
});
const write: Step = { op: 'dma', device: 0x28, transfer: 'fill', address: 0x80_0000n, length: 8 };

testWithQemu(
  'a case that turns translation off does so in QEMU, too, whatever ran before',
  async (program) => {
    await using comparer = new Comparer(program, units['48 bits']);
    await comparer.compare(caseOf());
    const off: Step = { op: 'reg', register: 'GCMD', value: 0x4000_0000n };
    const { theirs, judgement } = await comparer.compare(caseOf(off, write));

    expect(theirs.at(-1)).toMatchObject({ fault: null, watch: { '0x800000': '0x9696969696969696' } });
    expect(judgement).toEqual({ departures: [], isComplete: true, difference: null });
  },
);
