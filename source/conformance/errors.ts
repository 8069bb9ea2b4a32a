/** What can be wrong with a file of cases. */

/** Where in a file: as much as is known. Steps count from 1. */
export type Place = { readonly group?: string; readonly case?: string; readonly step?: number };

const placeText = ({ group, case: name, step }: Place): string =>
  [
    ...(group === undefined ? [] : [`group "${group}"`]),
    ...(name === undefined ? [] : [`case "${name}"`]),
    ...(step === undefined ? [] : [`step ${step}`]),
  ].join(', ') || 'the file';

/** The file is not what the format asks for. */
export class MalformedCase extends Error {
  override readonly name = 'MalformedCase';
  readonly place: Place;
  readonly expected: string;
  readonly got: string;

  constructor(place: Place, expected: string, got: string) {
    super(`${placeText(place)}: expected ${expected}, got ${got}`);
    this.place = place;
    this.expected = expected;
    this.got = got;
  }
}

const LONGEST = 60;

/** A value that was found, short enough for a message. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text =
    typeof value === 'bigint' ? `0x${value.toString(16)}` : (JSON.stringify(value) ?? typeof value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
}
