/** Versions of Linux, and what changed with them as far as IOMMUs are concerned. */

/** `6.12`. */
export type KernelVersion = `${number}.${number}`;

/** The version that is simulated where none is chosen: the one whose recordings ours is compared with. */
export const DEFAULT_VERSION: KernelVersion = '6.12';

/** From where to where the rules below are known. */
export const OLDEST_VERSION: KernelVersion = '5.4';
export const NEWEST_VERSION: KernelVersion = '6.18';

const asNumber = (version: KernelVersion): number => {
  const [major, minor] = version.split('.').map(Number);
  return major * 1000 + minor;
};

/** Whether a version is another one or a later one. */
export const isSince = (version: KernelVersion, other: KernelVersion): boolean =>
  asNumber(version) >= asNumber(other);

/** Read `6.12`; null for what is no version, or one whose rules are not known. */
export function readVersion(text: string): KernelVersion | null {
  if (!/^\d+\.\d{1,3}$/.test(text)) return null;
  const version = text as KernelVersion;
  return isSince(version, OLDEST_VERSION) && isSince(NEWEST_VERSION, version) ? version : null;
}
