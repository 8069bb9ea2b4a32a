/** What a comparison with QEMU found, for people and for programs. */
import { printable } from '../commands/printable.ts';
import type { CaseFile } from '../conformance/case-file.ts';
import type { FileComparison } from './compare-with-qemu.ts';
import { knownDepartures } from './known-departures.ts';
import type { QemuProgram } from './program.ts';

/** One line a difference, then the known departures by name, then a line that sums up. */
export function comparisonText(program: QemuProgram, file: CaseFile, comparison: FileComparison): string {
  const { departures, differences } = comparison;
  const place = (found: { group: string; case: string; step: number }) =>
    `group "${found.group}", case "${found.case}", step ${found.step}`;
  const known = knownDepartures.flatMap(({ name, why }) => {
    const places = departures.filter((found) => found.name === name);
    if (places.length === 0) return [];
    return [`known departure: ${name}. ${why}`, ...places.map((found) => `  ${place(found)}`)];
  });
  const cases = file.groups.reduce((sum, group) => sum + group.cases.length, 0);
  const differing = new Set(differences.map((found) => `${found.group}\n${found.case}`)).size;
  const departing = new Set(departures.map((found) => `${found.group}\n${found.case}`)).size;
  return [
    ...differences.map(
      (found) => `difference: ${place(found)}: ${found.field}: ${found.expected} here, ${found.got} in QEMU`,
    ),
    ...known,
    `QEMU ${program.version}: ${counted(cases, 'case')}, ${differing} with unknown differences, ${departing} with known departures`,
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

/** The answers of both units, the known departures and the differences, as one JSON object. */
export function comparisonJson(program: QemuProgram, comparison: FileComparison): string {
  const { ours, theirs, departures, differences } = comparison;
  const why = new Map(knownDepartures.map((departure) => [departure.name, departure.why]));
  return `${JSON.stringify({
    ...ours,
    qemu: { version: program.version, ...theirs },
    departures: departures.map((found) => ({ ...found, why: why.get(found.name) })),
    differences: differences.map(({ expected, got, ...found }) => ({
      ...found,
      dmascope: expected,
      qemu: got,
    })),
  })}\n`;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
