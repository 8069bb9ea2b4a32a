/**
 * Expectations: small expressions that are true or not of a machine at a moment.
 *
 *     expectation   sum ('=' | '!=' | '<' | '<=' | '>' | '>=') sum
 *                 | lines ('has' | 'lacks') "text"
 *     sum           product (('+' | '-') product)*
 *     product       value (('*' | '/') value)*
 *     value         1000 | 0x1000 | 10b | "text" | word | name | change(name) | (sum)
 *     name          iotlb_hit | gsts.TES | nic0.faults | nic0.context.TT | nic0.write(0x1000).outcome
 */

import { deviceModels } from '../../machine/topology.ts';
import type { Simulation } from '../../simulation/simulation.ts';
import { quoted } from '../printable.ts';
import { Refused } from '../result.ts';
import { addressOrBuffer, binaryNumber, unexpected, Wrong } from '../words.ts';
import {
  askedName,
  isDevice,
  type Name,
  namesOfDevices,
  namesOfRequests,
  pageFields,
  plainName,
  plainNames,
  questionNames,
  type Value,
  type ValueText,
  valueText,
} from './values.ts';

/** A machine at a moment, and the counts of an earlier one. */
export type Moment = {
  readonly simulation: Simulation;
  readonly since: ReadonlyMap<string, number>;
  /** Why the last command was refused; empty if it was not. */
  readonly refusal: string;
};

export type Quantity = {
  /** What it is now: a number, or words. Throws Refused where it asks for something that is not there. */
  read(moment: Moment): number | string;
};

export type Expression = {
  /** Whether it is true now. Throws Refused where it asks for something that is not there. */
  holds(moment: Moment): boolean;
  /** What its left side is now. */
  got(moment: Moment): string;
};

type Operand = {
  readonly text: string;
  /** Words that it may be, where it is one of a few. */
  readonly words?: readonly string[];
  /** How its value is written. */
  readonly write?: ValueText;
  read(moment: Moment): Value;
};

const comparisons = ['=', '!=', '<=', '>=', '<', '>', 'has', 'lacks'] as const;
type Comparison = (typeof comparisons)[number];

/** Throws Wrong, which says what was expected and what came. */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text);
  const left = sum(tokens);
  const operator = comparisons.find((each) => each === tokens.peek());
  if (operator === undefined) throw new Wrong(unexpected('a comparison', tokens.peek(), comparisons));
  tokens.take();
  const right = operand(left, operator, tokens);
  if (tokens.peek() !== undefined) {
    throw new Wrong(`expected the end of the expression, got ${quoted(tokens.rest())}`);
  }
  return {
    holds: (moment) => compare(left.read(moment), operator, right.read(moment)),
    got: (moment) => gotText(left, left.read(moment), operator),
  };
}

/** One value: what stands at either side of a comparison. Throws Wrong. */
export function parseQuantity(text: string): Quantity {
  const tokens = tokensOf(text);
  const whole = sum(tokens);
  if (tokens.peek() !== undefined) {
    throw new Wrong(`expected a value such as change(iommu_mrds), got ${quoted(text)}`);
  }
  return {
    read: (moment) => {
      const found = whole.read(moment);
      return typeof found === 'number' ? found : valueText(found, whole.write);
    },
  };
}

/** Reads tokens from left to right. */
class Tokens {
  private at = 0;
  private readonly all: readonly string[];

  constructor(all: readonly string[]) {
    this.all = all;
  }

  peek(): string | undefined {
    return this.all[this.at];
  }

  take(): string | undefined {
    return this.all[this.at++];
  }

  /** Whether the next one is this; then it is taken. */
  is(token: string): boolean {
    if (this.peek() !== token) return false;
    this.at++;
    return true;
  }

  demand(token: string): void {
    if (!this.is(token)) throw new Wrong(`expected ${quoted(token)}, got ${quoted(this.rest())}`);
  }

  rest(): string {
    return this.all.slice(this.at).join(' ');
  }
}

function tokensOf(text: string): Tokens {
  const token =
    /\s*("[^"]*"|0x[0-9a-f]+|[01]+b\b|\d+(?:\.\d+)?|[a-z_][\w-]*(?:\.[\w-]+)*|\.[a-z]\w*|[<>!]=|[=<>()+\-*/])/iy;
  const found: string[] = [];
  let end = text.length;
  while (/\s/.test(text[end - 1] ?? '')) end--;
  while (token.lastIndex < end) {
    const { lastIndex } = token;
    const match = token.exec(text);
    if (match === null)
      throw new Wrong(`expected an expression, got ${quoted(text.slice(lastIndex).trim())}`);
    found.push(match[1]);
  }
  return new Tokens(found);
}

/** The right side: a word where the left is one of a few words, a text where it has lines, else a sum. */
function operand(left: Operand, operator: Comparison, tokens: Tokens): Operand {
  const next = tokens.peek();
  if (operator === 'has' || operator === 'lacks') {
    if (next === undefined || !next.startsWith('"')) {
      throw new Wrong(`expected a text in quotation marks behind ${operator}, got ${quoted(next ?? '')}`);
    }
  } else if (left.words !== undefined) {
    const word = (tokens.take() ?? '').replace(/^"(.*)"$/, '$1');
    if (!left.words.includes(word)) throw new Wrong(unexpected(`what ${left.text} may be`, word, left.words));
    return { text: word, read: () => word };
  }
  return sum(tokens);
}

const operations: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

const sum = (tokens: Tokens): Operand => chain(tokens, ['+', '-'], product);
const product = (tokens: Tokens): Operand => chain(tokens, ['*', '/'], value);

function chain(tokens: Tokens, operators: readonly string[], part: (tokens: Tokens) => Operand): Operand {
  let left = part(tokens);
  for (;;) {
    const operator = operators.find((each) => each === tokens.peek());
    if (operator === undefined) return left;
    tokens.take();
    const [a, b] = [left, part(tokens)];
    left = {
      text: `${a.text} ${operator} ${b.text}`,
      read: (moment) => operations[operator](numberOf(a, moment), numberOf(b, moment)),
    };
  }
}

function value(tokens: Tokens): Operand {
  const token = tokens.take();
  if (token === undefined) throw new Wrong('expected a value or a name, got nothing');
  if (token === '(') {
    const inner = sum(tokens);
    tokens.demand(')');
    return inner;
  }
  if (token.startsWith('"')) return { text: token, read: () => token.slice(1, -1) };
  if (/^\d/.test(token)) {
    const number = token.startsWith('0x') ? BigInt(token) : (binaryNumber(token) ?? Number(token));
    return { text: token, read: () => number };
  }
  if (!/^[a-z_]/i.test(token)) throw new Wrong(`expected a value or a name, got ${quoted(token)}`);
  if (token === 'change') return change(tokens);
  if (token === 'refused') return { text: token, read: ({ refusal }) => refusal };
  return named(token, tokens);
}

/** `change(iotlb_hit)`: how much a count has grown since the scene began, or since `mark`. */
function change(tokens: Tokens): Operand {
  tokens.demand('(');
  const name = tokens.take() ?? '';
  const meaning = named(name, tokens);
  if (plainName(name)?.counts !== true) {
    throw new Wrong(`expected a count such as iommu_requests in change(…), got ${quoted(name)}`);
  }
  tokens.demand(')');
  return {
    text: `change(${name})`,
    read: (moment) => Number(meaning.read(moment)) - (moment.since.get(name) ?? 0),
  };
}

function named(token: string, tokens: Tokens): Operand {
  const [device, question] = token.split('.');
  const name =
    isDevice(device) && questionNames.includes(question) ? asked(device, question, tokens) : plainName(token);
  if (name === null) throw new Wrong(unknownName(token));
  const { words, text: write } = name;
  return { text: token, words, write, read: ({ simulation }) => name.read(simulation) };
}

function asked(device: string, question: string, tokens: Tokens): Name {
  tokens.demand('(');
  const address = addressOrBuffer(tokens.take() ?? '');
  tokens.demand(')');
  const tail = (tokens.take() ?? '').replace(/^\./, '');
  const found = askedName(device, question, address, tail);
  if (found !== null) return found;
  const valid = question === 'page' ? pageFields() : namesOfRequests;
  throw new Wrong(unexpected(`what to ask of ${question}(${address})`, tail, valid));
}

/** Too many names to list; the nearest one is what helps. */
function unknownName(token: string): string {
  const [first, ...rest] = token.split('.');
  if (isDevice(first)) {
    return shortened(`what to ask of ${first}`, rest.join('.'), [...namesOfDevices, ...questionNames]);
  }
  return shortened('a name', token, [...plainNames, ...deviceModels.map(({ name }) => name)]);
}

function shortened(what: string, got: string, valid: readonly string[]): string {
  const [, meant] = /(Did you mean .*\?)$/.exec(unexpected(what, got, valid)) ?? [];
  return `expected ${what} such as ${valid[0]}; got ${quoted(got)}${meant === undefined ? '' : `. ${meant}`}`;
}

function numberOf(of: Operand, moment: Moment): number {
  const found = of.read(moment);
  if (typeof found !== 'number' && typeof found !== 'bigint') throw new Refused(`${of.text} is no number`);
  return Number(found);
}

function compare(left: Value, operator: Comparison, right: Value): boolean {
  switch (operator) {
    case 'has':
      return linesOf(left).some((line) => line.includes(String(right)));
    case 'lacks':
      return !linesOf(left).some((line) => line.includes(String(right)));
    case '=':
      // biome-ignore lint/suspicious/noDoubleEquals: numbers and big integers of the same value are equal.
      return left == right;
    case '!=':
      // biome-ignore lint/suspicious/noDoubleEquals: as above.
      return left != right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}

const linesOf = (value: Value): readonly string[] => (typeof value === 'object' ? value : [String(value)]);

function gotText({ write }: Operand, value: Value, operator: Comparison): string {
  if (operator === 'lacks') return 'a line with it';
  return operator === 'has' ? `no such line among ${linesOf(value).length}` : valueText(value, write);
}
