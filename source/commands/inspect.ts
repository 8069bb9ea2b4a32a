/** Looking into a file of the simulated kernel. */
import { nearest } from '../linux/nearest.ts';
import type { Machine } from '../machine/machine.ts';
import { quoted } from './printable.ts';
import { Refused } from './result.ts';

/**
 * The text of a file; of a folder the names in it, one a line.
 *
 * @throws Refused where nothing is at the path, with the nearest one that is there
 */
export function readKernelFile(machine: Machine, path: string): string {
  const tree = machine.files();
  const found = tree.read(path);
  if (found === null) throw missingFile(machine, path);
  if (found.kind === 'file') return found.text;
  if (found.kind === 'link') return `${found.target}\n`;
  return found.names.map((name) => `${name}\n`).join('');
}

/** Why there is nothing at a path, and the nearest one that is there. */
export function missingFile(machine: Machine, path: string): Refused {
  const meant = nearest(path, machine.files().paths);
  const hint =
    meant === null ? '/sys/kernel/iommu_groups is a folder to begin with' : `did you mean ${meant}?`;
  return new Refused(`the simulated machine has no file ${quoted(path)}; ${hint}`);
}
