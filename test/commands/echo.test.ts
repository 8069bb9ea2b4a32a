/** Writing to files of the simulated kernel. */
import { describe, expect, test } from 'vitest';
import { readKernelFile } from '../../source/commands/inspect.ts';
import type { Session } from '../../source/commands/session.ts';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { device, LAZY, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

const TYPE = '/sys/kernel/iommu_groups/14/type';
const LATENCY = '/sys/kernel/debug/iommu/intel/dmar_perf_latency';

const read = (from: Session, path: string) => readKernelFile(from.simulation.machine, path);
const ofVersion = (version: KernelVersion, boot = LAZY) =>
  session(boot, { build: { ...defaultBuild, version } });

describe('the type of a group', () => {
  test('is refused with the errno of Linux while a driver is bound', () => {
    const machine = session(LAZY);
    expect(type(machine, `echo identity > ${TYPE}`)).toMatchObject({
      ok: false,
      text: expect.stringContaining('(EPERM)'),
    });
    expect(read(machine, TYPE)).toBe('DMA-FQ\n');
    expect(type(ofVersion('6.3'), `echo identity > ${TYPE}`).text).toContain('(EBUSY)');
    expect(type(ofVersion('5.10'), `echo identity > ${TYPE}`).text).toContain('(EACCES)');
  });

  test('changes as on a real machine: every line that a command shows for it can be typed here', () => {
    const shown = session(LAZY);
    type(shown, 'device nic0 passthrough');
    const lines = shown.notice?.linux ?? [];
    expect(lines).toHaveLength(3);
    const typed = session(LAZY);
    for (const line of lines) expect(type(typed, line), line).toMatchObject({ ok: true });
    expect(read(typed, TYPE)).toBe('identity\n');
    expect(device(typed, 'nic0').lane).toBe(device(shown, 'nic0').lane);
  });

  test('goes live from DMA to DMA-FQ', () => {
    const machine = session(STRICT);
    expect(type(machine, `echo "DMA-FQ" > ${TYPE}`)).toMatchObject({ ok: true });
    expect(read(machine, TYPE)).toBe('DMA-FQ\n');
  });
});

describe('a driver', () => {
  const UNBIND = 'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/unbind';

  test('that is unbound drives nothing until it is bound again', () => {
    const machine = session(LAZY);
    type(machine, UNBIND);
    expect(machine.simulation.machine.find('nic0')?.workload).toBeNull();
    for (const command of ['map nic0', 'cycle nic0 1', 'workload nic0 start'])
      expect(type(machine, command)).toEqual(expect.objectContaining({ ok: false }));
    expect(type(machine, 'workload all start')).toMatchObject({ ok: true });
    expect(machine.simulation.machine.find('nic0')?.workload).toBeNull();
    type(machine, 'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/bind');
    expect(machine.simulation.machine.find('nic0')?.workload).not.toBeNull();
  });

  test('says ENODEV of a device that is not its own, and EBUSY of one that it has', () => {
    const machine = session(LAZY);
    const files = '/sys/bus/pci/drivers/ixgbe';
    expect(type(machine, `echo 0000:04:00.0 > ${files}/unbind`).text).toContain('(ENODEV)');
    expect(type(machine, `echo 0000:04:00.0 > ${files}/bind`).text).toContain('(ENODEV)');
    expect(type(machine, `echo nothing > ${files}/bind`).text).toContain('(ENODEV)');
    expect(type(machine, `echo 0000:03:00.0 > ${files}/bind`).text).toContain('(EBUSY)');
  });
});

describe('dmar_perf_latency', () => {
  const heading = [
    '                  <0.1us   0.1us-1us    1us-10us  10us-100us   100us-1ms    1ms-10ms      >=10ms',
    '     min(us)     max(us) average(us)',
  ].join('');

  test('has its heading alone until something is measured', () => {
    expect(read(session(LAZY), LATENCY)).toBe(`IOMMU: dmar0 Register Base Address: fed91000\n${heading}\n`);
  });

  test('counts the invalidations that came after 1 was written, each as long as a CPU waits for it', () => {
    const machine = session(STRICT);
    type(machine, 'workload all stop; cycle nic0 3');
    type(machine, `echo 1 > ${LATENCY}; cycle nic0 5`);
    // 2,135 cycles at 3.1 GHz are 689 ns; in whole microseconds that is none.
    const cells = ['inv_iotlb', 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
    const line = cells.map((cell) => `${cell}`.padStart(12)).join('');
    expect(read(machine, LATENCY).split('\n').slice(1)).toEqual([heading, line, '']);
  });

  test('follows the parameters of the CPU', () => {
    const machine = session(STRICT, { parameters: { 'cpu.invalidateCycles': 31_000, 'cpu.ghz': 3.1 } });
    type(machine, `workload all stop; echo 1 > ${LATENCY}; cycle nic0 2`);
    expect(read(machine, LATENCY)).toMatch(/ inv_iotlb( +0){3} +2( +0){3} +10 +10 +10\n/);
  });

  test('measures interrupt entries by 3, and forgets everything by 0', () => {
    const machine = session(PASSTHROUGH);
    type(machine, `echo 3 > ${LATENCY}; echo 2 > ${LATENCY}`);
    type(machine, 'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/unbind');
    const [, , devices, entries] = read(machine, LATENCY).split('\n');
    expect(devices).toMatch(/^ {2}inv_devtlb( +0){10}$/);
    expect(entries).toMatch(/^ {5}inv_iec +0 +[1-9]/);
    type(machine, `echo 0 > ${LATENCY}`);
    expect(read(machine, LATENCY).split('\n')).toHaveLength(3);
  });

  test.each([
    // Page requests went with drivers/iommu/intel/debugfs.c of 6.10; nothing makes one here.
    ['6.9', '4', true],
    ['6.10', '4', false],
    ['6.12', '5', false],
    ['6.12', '-1', false],
    ['6.12', '0x1', true],
    ['6.12', '1us', false],
    ['6.12', '', false],
  ] as const)('in Linux %s takes "%s": %s', (version, text, ok) => {
    const machine = ofVersion(version);
    const result = type(machine, `echo ${text} > ${LATENCY}`);
    expect(result.ok).toBe(ok);
    if (!ok) expect(result.text).toContain('(EINVAL)');
    if (text === '4' && ok) expect(read(machine, LATENCY)).toMatch(/\n {5}svm_prq( +0){10}\n/);
  });
});

test.each([
  ['/sys/class/iommu/dmar0/intel-iommu/cap', 'EACCES'],
  ['/sys/kernel/debug/iommu/intel/iommu_regset', 'EINVAL'],
  ['/proc/cmdline', 'EIO'],
  ['/sys/kernel/iommu_groups/14', 'EISDIR'],
])('a write to %s is %s', (path, errno) => {
  expect(type(session(LAZY), `echo 1 > ${path}`).text).toContain(`(${errno})`);
});

test('a file that is not there gets the one that was meant', () => {
  const { ok, text } = type(session(LAZY), 'echo 1 > /sys/kernel/debug/iommu/intel/dmar_perf_latencies');
  expect([ok, text]).toEqual([false, expect.stringContaining(`did you mean ${LATENCY}?`)]);
});
