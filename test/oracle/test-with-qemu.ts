import { test } from 'vitest';
import { findQemu, QemuError, type QemuProgram } from '../../source/oracle/program.ts';

const isRequired = process.env.DMASCOPE_REQUIRE_QEMU === '1';

/** The QEMU of this machine, or why there is none. */
export const qemu: QemuProgram | QemuError = await findQemu().catch((error) => {
  if (error instanceof QemuError) return error;
  throw error;
});

type Needs = { readonly firstStage?: boolean };

/** Why a test cannot run here, or null if it can. */
function obstacle({ firstStage = false }: Needs): string | null {
  if (qemu instanceof QemuError) return qemu.message;
  if (firstStage && !qemu.firstStage) return `QEMU ${qemu.version} has no first-stage translation: 10.0 has`;
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
