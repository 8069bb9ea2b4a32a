/** Whether QEMU is at hand, and what it can do. */
import { execaSync } from 'execa';

export const QEMU = process.env.DMASCOPE_QEMU ?? 'qemu-system-x86_64';

const ask = (...args: string[]): string | null => {
  const answer = execaSync(QEMU, args, { reject: false });
  return answer.failed ? null : answer.stdout;
};

const version = ask('--version');

/** Such as 7.2, or null where there is no QEMU. */
export const qemuVersion = version === null ? null : (/version (\d+\.\d+)/.exec(version)?.[1] ?? 'unknown');

export const missingQemu = `${QEMU} is not installed: development/qemu.sh installs it`;

/** Whether this QEMU knows first-stage translation. */
export const knowsFirstStage = (): boolean => ask('-device', 'intel-iommu,help')?.includes('x-flts') === true;
