/** One expectation on a machine. */
import { Refused } from '../result.ts';
import { type Moment, parseExpression } from './expression.ts';

export type Expectation = {
  readonly expression: string;
  readonly holds: boolean;
  /** What the left side was, or why it could not be told. */
  readonly got: string;
};

export function check(expression: string, moment: Moment): Expectation {
  const parsed = parseExpression(expression);
  try {
    return { expression, holds: parsed.holds(moment), got: parsed.got(moment) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { expression, holds: false, got: error.message };
  }
}
