import { test } from 'vitest';
import { missingQemu, qemuVersion } from './availability.ts';

const isRequired = process.env.DMASCOPE_REQUIRE_QEMU === '1';

/**
 * `test` for what needs QEMU. Without it the test is skipped and its title says why, or it fails if
 * DMASCOPE_REQUIRE_QEMU=1.
 */
export function testWithQemu(title: string, body: () => Promise<void>, timeout?: number): void {
  if (qemuVersion !== null) {
    test(title, body, timeout);
  } else if (isRequired) {
    test(title, () => {
      throw new Error(`DMASCOPE_REQUIRE_QEMU=1, but ${missingQemu}`);
    });
  } else {
    test.skip(`${title} (skipped: ${missingQemu})`, body);
  }
}
