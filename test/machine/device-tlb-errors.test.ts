/** Devices that do not answer invalidations of their device TLB, and what Linux makes of it. */
import { describe, expect, test } from 'vitest';
import { readKernelFile } from '../../source/commands/inspect.ts';
import type { Session } from '../../source/commands/session.ts';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { LAZY, STRICT, session, type } from '../support/session.ts';

/** gpu0 has a device TLB, and the host drives it; the unit is in legacy mode. */
const machineOf = (version: KernelVersion = '6.12', line = 'intel_iommu=on,sm_off,strict'): Session => {
  const made = session(line, { unit: presets.server, build: { ...defaultBuild, version } });
  type(made, 'workload all stop; device gpu0 host; workload gpu0 stop; map gpu0');
  return made;
};

/** What the kernel prints while a command is carried out, without time stamps. */
const printed = (on: Session, command: string): string[] => {
  const { lines } = on.simulation.machine.kernel.log;
  const before = lines.length;
  type(on, command);
  return lines.slice(before).map((line) => line.replace(/^\[ *\d+\.\d{6}\] /, ''));
};

const gpu = (of: Session) => of.simulation.machine.find('gpu0');
const ITE = 'DMAR: VT-d detected Invalidation Time-out Error: SID 100';
const CLEARED = 'DMAR: Invalidation Time-out Error (ITE) cleared';

describe('a device that is gone', () => {
  test('is given up after one time-out since Linux 6.9, and the kernel goes on', () => {
    const machine = machineOf();
    const lines = printed(machine, 'device-tlb gpu0 gone');
    expect(lines).toEqual([
      // The unit waits a minute, with interrupts off.
      'watchdog: Watchdog detected hard LOCKUP on cpu 0',
      ITE,
      expect.stringMatching(/^DMAR: QI HEAD: \S.* qw0 = 0x[0-9a-f]+, qw1 = 0x[0-9a-f]+$/),
      expect.stringMatching(/^DMAR: QI PRIOR: Invalidation Wait qw0 = 0x200000025, qw1 = 0x[0-9a-f]+$/),
      CLEARED,
    ]);
    expect(type(machine, 'workload gpu0 start')).toMatchObject({ ok: false });
    expect(type(machine, 'cycle nic0 3')).toMatchObject({ ok: true });
    expect(machine.simulation.machine.kernel.queueErrors).toMatchObject({ ITE: 1, last: ITE });
  });

  test('that the unit gives up soon leaves no lockup, and can come back', () => {
    const made = session(`${STRICT} intel_iommu=on,sm_off`, {
      unit: presets.server,
      parameters: { 'deviceTlb.timeoutMs': 1 },
    });
    type(made, 'workload all stop; device gpu0 host; workload gpu0 stop; map gpu0');
    const lines = printed(made, 'device-tlb gpu0 gone');
    expect(lines.filter((line) => line === ITE)).toHaveLength(1);
    expect(lines.some((line) => line.includes('LOCKUP'))).toBe(false);
    type(made, 'device-tlb gpu0 answers');
    expect(printed(made, 'cycle gpu0 3')).toEqual([]);
  });

  test('is asked again and again before 6.9, until the CPU is locked up', () => {
    const lines = printed(machineOf('6.8'), 'device-tlb gpu0 gone');
    expect(lines.filter((line) => line === ITE)).toHaveLength(3);
    expect(lines[0]).toBe('watchdog: Watchdog detected hard LOCKUP on cpu 0');
  });
});

describe('a device that is there and keeps silent', () => {
  test('is asked for ever in every version: the CPU that waits does not come back', () => {
    const machine = machineOf();
    type(machine, 'workload gpu0 start; device-tlb gpu0 silent');
    const lines = printed(machine, 'unmap gpu0');
    expect(lines.filter((line) => line === ITE)).toHaveLength(3);
    expect(gpu(machine)?.workload).toBeNull();
  });

  test('keeps translations that memory no longer has', () => {
    const kept = (commands: string) => {
      const machine = machineOf();
      type(machine, `dma gpu0 translate write buffer; ${commands}; unmap gpu0`);
      return gpu(machine)?.tlb?.entries.length;
    };
    expect([kept('device-tlb gpu0 answers'), kept('device-tlb gpu0 silent')]).toEqual([0, 1]);
  });

  test.each([
    ['6.11', 2, 'inv_devtlb'],
    ['6.12', 1, 'inv_iotlb'],
  ] as const)(
    'is measured by dmar_perf_latency: in %s as number %i, the first of what was submitted',
    (version, number, name) => {
      const machine = machineOf(version);
      const path = '/sys/kernel/debug/iommu/intel/dmar_perf_latency';
      type(machine, `echo ${number} > ${path}; cycle gpu0 2; device-tlb gpu0 silent; unmap gpu0`);
      expect(readKernelFile(machine.simulation.machine, path)).toMatch(
        new RegExp(` ${name} +0 +2( +0){4} +1 +0 +180000000 +60000000\\n`),
      );
    },
  );
});

test.each([
  // drivers/iommu/intel/dmar.c says nothing of time-outs before 5.13; kernel/watchdog_hld.c up to 6.3.
  ['5.12', [], 'NMI watchdog: Watchdog detected hard LOCKUP on cpu 0'],
  ['5.13', [ITE, CLEARED], 'NMI watchdog: Watchdog detected hard LOCKUP on cpu 0'],
  ['6.4', [ITE, CLEARED], 'watchdog: Watchdog detected hard LOCKUP on cpu 0'],
  ['6.14', [ITE, CLEARED], 'watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0'],
] as const)('Linux %s prints %j and "%s"', (version, each, lockup) => {
  const lines = printed(machineOf(version), 'device-tlb gpu0 silent; unmap gpu0');
  expect(lines.filter((line) => !line.startsWith('DMAR: QI'))).toEqual([lockup, ...each, ...each, ...each]);
});

test('an answer that nobody asked for is told when the fault interrupt comes, and cleared by the next wait', () => {
  const machine = machineOf();
  type(machine, 'device-tlb gpu0 unasked');
  machine.simulation.advance(machine.simulation.now + 10_000);
  expect(machine.snapshot().dmesg.at(-1)).toMatch(/DMAR: DRHD: handling fault status reg 20$/);
  const lines = printed(machine, 'cycle nic0 1');
  expect(lines[0]).toBe('DMAR: VT-d detected Invalidation Completion Error: SID 100');
  expect(lines.at(-1)).toBe('DMAR: Invalidation Completion Error (ICE) cleared');
  expect(printed(machine, 'cycle nic0 1')).toEqual([]);
});

test('only devices with a device TLB can be told what it does', () => {
  expect(type(machineOf(), 'device-tlb nic0 silent')).toEqual(
    expect.objectContaining({ ok: false, text: 'nic0 has no device TLB; gpu0 and tb0 have one' }),
  );
  expect(type(session(LAZY), 'device-tlb gpu0 silent').text).toContain('its ATS is off');
});
