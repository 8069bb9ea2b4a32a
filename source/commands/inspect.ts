/** Looking into a file of the simulated kernel. */
import type { Kernel } from '../linux/kernel.ts';
import { nearest } from '../linux/nearest.ts';
import { quoted } from './printable.ts';
import { Refused } from './result.ts';

/**
 * The text of a file; of a folder the names in it, one a line.
 *
 * @throws Refused where nothing is at the path, with the nearest one that is there
 */
export function readKernelFile(kernel: Kernel, path: string): string {
  const tree = kernel.files();
  const found = tree.read(path);
  if (found === null) throw missingFile(kernel, path);
  if (found.kind === 'file') return found.text;
  if (found.kind === 'link') return `${found.target}\n`;
  return found.names.map((name) => `${name}\n`).join('');
}

/** Why there is nothing at a path, and the nearest one that is there. */
export function missingFile(kernel: Kernel, path: string): Refused {
  const meant = nearest(path, kernel.files().paths);
  const hint =
    meant === null ? '/sys/kernel/iommu_groups is a folder to begin with' : `did you mean ${meant}?`;
  return new Refused(`the simulated kernel has no file ${quoted(path)}; ${hint}`);
}
