/** Answers of cases for people: a line for each case and below it one for each step. */
import type { Results, StepResult } from './results.ts';

export function answersText({ groups }: Results): string {
  const lines = groups.flatMap(({ name, results }) =>
    results.flatMap((entry) => [
      `group "${name}", case "${entry.name}"`,
      ...entry.steps.map((answer, index) => `  ${index + 1} ${answerText(answer)}`),
    ]),
  );
  return lines.map((line) => `${line}\n`).join('');
}

function answerText({ op, ...fields }: StepResult): string {
  const words = Object.entries(fields).map(([name, value]) => {
    return `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return [op, ...words].join(' ');
}
