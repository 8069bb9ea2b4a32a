/** All files that can be inspected: sysfs, debugfs, the log. */
import type { DeviceRecord } from '../domains/device-table.ts';
import { addDebug, type DebugParts } from './debugfs.ts';
import { FileTree } from './file-tree.ts';
import { addGroups } from './groups.ts';
import { addUnit } from './unit.ts';

export type FileParts = DebugParts & {
  /** The driver of the unit made its debugfs files: not with `iommu=off`, where it does not start. */
  readonly isStarted: boolean;
  readonly log: readonly string[];
  /** A word was written to the type of a device's group. */
  writeType(record: DeviceRecord, text: string): void;
  readonly line: string;
  /** A device was given to user space without an IOMMU. */
  readonly isTainted: boolean;
};

/** Bit 6 of the taint flags, U. */
const TAINT_USER = 1 << 6;

export function kernelFiles(parts: FileParts): FileTree {
  const tree = new FileTree();
  addGroups(tree, parts.devices, parts.version, parts.writeType);
  addUnit(tree, parts.unit.capabilities, parts.unitBase, parts.devices, parts.isUsed);
  if (parts.isStarted) addDebug(tree, parts);
  tree.add('/proc/cmdline', () => `${`ro ${parts.line}`.trimEnd()}\n`);
  tree.add('/proc/sys/kernel/tainted', () => `${parts.isTainted ? TAINT_USER : 0}\n`);
  tree.add('/var/log/dmesg', () => parts.log.map((line) => `${line}\n`).join(''));
  return tree;
}
