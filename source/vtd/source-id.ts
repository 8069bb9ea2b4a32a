/** Requester ids: bus in bits 15:8, device in 7:3, function in 2:0. */

export const sourceId = (bus: number, device: number, fn: number): number => (bus << 8) | (device << 3) | fn;

const two = (value: number) => value.toString(16).padStart(2, '0');

/** `03:00.0`, as Linux prints it without the segment. */
export const bdf = (id: number): string => `${two(id >>> 8)}:${two((id >>> 3) & 31)}.${id & 7}`;

/** The requester id of `03:00.0` or `0000:03:00.0`, or null. */
export function parseBdf(text: string): number | null {
  const match = /^(?:[0-9a-f]{4}:)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i.exec(text);
  if (match === null) return null;
  return sourceId(Number.parseInt(match[1], 16), Number.parseInt(match[2], 16), Number(match[3]));
}
