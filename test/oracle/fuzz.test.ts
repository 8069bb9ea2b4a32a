import { describe, expect } from 'vitest';
import { differential, foundText } from './fuzz/differential.ts';
import { modes } from './fuzz/modes.ts';
import { testWithQemu } from './test-with-qemu.ts';

/** Random cases of all modes together. `npm run fuzz` is for many more, and for others than these. */
const TOTAL = 5400;
const SEED = 1;

const tests = Object.values(modes).reduce((sum, { units }) => sum + Object.keys(units).length, 0);
const count = Math.ceil(TOTAL / tests);
/** Far more than a case takes on a busy machine, plus what shrinking may take. */
const timeout = 60_000 + 50 * count;

describe.each(Object.values(modes))('random cases about $about', ({ units, cases, scalable }) => {
  Object.entries(units).forEach(([name, unit], index) => {
    testWithQemu(
      `${count} are answered as QEMU does by a unit with ${name}`,
      async (program) => {
        // The same cases on every unit would find less.
        const seed = SEED + index;
        const { complete, found } = await differential(program, { unit, cases: cases(unit), count, seed });

        expect(found === null ? '' : foundText(found)).toBe('');
        // Some departures end the comparison, so it must not be what most cases have.
        expect(complete).toBeGreaterThan(count / 2);
      },
      { timeout, scalable },
    );
  });
});
