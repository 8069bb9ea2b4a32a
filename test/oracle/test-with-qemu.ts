import { test } from 'vitest';
import { findQemu, majorVersion, QemuError, type QemuProgram } from '../../source/oracle/program.ts';

const isRequired = process.env.DMASCOPE_REQUIRE_QEMU === '1';

/** The QEMU of this machine, or why there is none. */
export const qemu: QemuProgram | QemuError = await findQemu().catch((error) => {
  if (error instanceof QemuError) return error;
  throw error;
});

/** Scalable mode is compared with that of QEMU 10, which is another than before. */
const SCALABLE_SINCE = 10;

type Needs = { readonly scalable?: boolean };

/** Why a test cannot run here, or null if it can. */
function obstacle({ scalable = false }: Needs): string | null {
  if (qemu instanceof QemuError) return qemu.message;
  if (scalable && majorVersion(qemu) < SCALABLE_SINCE) {
    return `QEMU ${qemu.version} is too old for scalable mode: 10.0 is not`;
  }
  return null;
}

/**
 * `test` for what needs QEMU. Where it cannot run it is skipped and its title says why. With
 * DMASCOPE_REQUIRE_QEMU=1 it fails where there is no QEMU at all.
 */
export function testWithQemu(
  title: string,
  body: (program: QemuProgram) => Promise<void>,
  { timeout, ...needs }: Needs & { readonly timeout?: number } = {},
): void {
  const why = obstacle(needs);
  if (why === null) {
    test(title, () => body(qemu as QemuProgram), timeout);
  } else if (isRequired && qemu instanceof QemuError) {
    test(title, () => {
      throw new Error(`DMASCOPE_REQUIRE_QEMU=1, but ${why}`);
    });
  } else {
    test.skip(`${title} (skipped: ${why})`, () => {});
  }
}
