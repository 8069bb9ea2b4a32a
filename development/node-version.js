import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** As in `engines` of package.json, which reads ">=22.12". */
export const minimumNode = manifest.engines.node.replace('>=', '');

/** @param {string} version such as 24.21.0 */
export function isSupported(version) {
  const [major, minor] = version.split('.').map(Number);
  const [minimumMajor, minimumMinor = 0] = minimumNode.split('.').map(Number);

  return major > minimumMajor || (major === minimumMajor && minor >= minimumMinor);
}
