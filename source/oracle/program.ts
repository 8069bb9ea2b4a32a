/** The QEMU at hand: whether there is one, which, and what it can do. */
import { execa } from 'execa';
import { printable } from '../commands/printable.ts';

/** QEMU cannot be asked: it is missing, lacks what a case needs, or ended. */
export class QemuError extends Error {
  override readonly name = 'QemuError';
}

export type QemuProgram = {
  /** The file to start. */
  readonly path: string;
  /** Such as 10.0.2. */
  readonly version: string;
  /** Whether its `intel-iommu` knows first-stage translation (`x-flts`), as 10.0 does. */
  readonly firstStage: boolean;
};

/** A question that QEMU answers without a machine takes it a fraction of a second. */
const QUESTION_TIMEOUT_MS = 20_000;

/**
 * Find QEMU and ask what it is.
 *
 * @throws QemuError if there is none, or what is there does not answer as QEMU does
 */
export async function findQemu(
  path = process.env.DMASCOPE_QEMU ?? 'qemu-system-x86_64',
): Promise<QemuProgram> {
  const ask = (...args: string[]) =>
    execa(path, args, { reject: false, stdin: 'ignore', timeout: QUESTION_TIMEOUT_MS });
  const [about, device] = await Promise.all([ask('--version'), ask('-device', 'intel-iommu,help')]);
  if (about.code === 'ENOENT' || about.code === 'EACCES') {
    throw new QemuError(
      `QEMU is not installed: expected ${printable(path)} (Debian's package is qemu-system-x86), or its name in DMASCOPE_QEMU`,
    );
  }
  const version = /^QEMU emulator version (\d+(\.\d+)+)/.exec(String(about.stdout))?.[1];
  if (version === undefined || device.failed) {
    throw new QemuError(`${printable(path)} is not a QEMU with the device intel-iommu`);
  }
  return { path, version, firstStage: String(device.stdout).includes('x-flts') };
}

/** Such as 10. */
export const majorVersion = ({ version }: QemuProgram): number => Number.parseInt(version, 10);
