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
  if (found === null) {
    const meant = nearest(path, tree.paths);
    const hint =
      meant === null ? '/sys/kernel/iommu_groups is a folder to begin with' : `did you mean ${meant}?`;
    throw new Refused(`the simulated kernel has no file ${quoted(path)}; ${hint}`);
  }
  if (found.kind === 'file') return found.text;
  if (found.kind === 'link') return `${found.target}\n`;
  return found.names.map((name) => `${name}\n`).join('');
}
