import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Session } from '../../source/commands/session.ts';
import { machineCommand } from '../support/commands.ts';
import { device, jsonOf, LAZY, memoryHash, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

describe('what comes of a command', () => {
  test.each([
    [PASSTHROUGH, 'device tb0 passthrough', /untrusted.*\(EINVAL\)$/],
    [PASSTHROUGH, 'device hba1 passthrough', /belongs to guest B: VFIO always translates/],
    [PASSTHROUGH, 'invalidation nic0 strict', /in passthrough: nothing is mapped/],
    ['', 'device nic0 translated', /the IOMMU is off/],
    [
      '',
      'device hba1 guest B',
      /has no IOMMU group, as no IOMMU translates for it: VFIO refuses it \(EINVAL\)$/,
    ],
    ['', 'device all flip', /the IOMMU is off/],
    ['intel_iommu=on intremap=off', 'device nic0 guest A', /interrupt remapping is off.*\(EPERM\)$/],
    [LAZY, 'device all blocked', /not blocked$/],
    [LAZY, 'device nic0 blocked; workload nic0 start', /blocking domain: no driver runs it/],
    [LAZY, 'device nic0 blocked; device nic0 translated', /held by VFIO in the blocking domain/],
  ])('"%s": "%s" is refused, with the reason', (boot, text, reason) => {
    const run = session(boot);
    expect(type(run, text)).toMatchObject({ ok: false, text: expect.stringMatching(reason) });
  });

  test('with the IOMMU off a read of 0xfeex_xxxx is unsupported, and no fault of the IOMMU', () => {
    const run = session('');
    expect(type(run, 'dma nic0 read 0xfee00000 4').text).toMatch(/^Refused, but not by the IOMMU/);
    expect(run.simulation.journal.faults).toEqual([]);
    expect(run.simulation.journal.events).toContainEqual(
      expect.objectContaining({ kind: 'dma', actor: 'nic0', how: 'unsupported' }),
    );
  });

  test('faster and slower go by the speed of the moment: pressed twice, it is four times as fast', () => {
    const run = session('');
    for (const [word, speed] of [
      ['faster', 2],
      ['faster', 4],
      ['slower', 2],
      ['max', Number.POSITIVE_INFINITY],
      ['slower', 64],
      ['faster', Number.POSITIVE_INFINITY],
      ['1/16', 1 / 16],
      ['slower', 1 / 16],
    ] as const) {
      type(run, `speed ${word}`);
      expect(run.speed).toBe(speed);
    }
  });

  test('a refused command leaves every device with its owner and its domain', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(LAZY, PASSTHROUGH, 'intel_iommu=on intremap=off', ''),
        machineCommand,
        (boot, command) => {
          const run = session(boot);
          const identities = () =>
            run
              .snapshot()
              .devices.map(({ counts: _counts, rates: _rates, did: _did, ...identity }) => identity);
          const before = identities();
          if (!run.apply(command).ok) expect(identities()).toEqual(before);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('notices count up, so that the same words twice are seen as two', () => {
    const run = session(LAZY);
    const ids = ['pause', 'run', 'device tb0 passthrough'].map((text) => {
      type(run, text);
      return run.notice?.id;
    });
    expect(ids).toEqual([1, 2, 3]);
  });

  test('each change has its twin on a real machine', () => {
    const run = session(PASSTHROUGH);
    const twin = (text: string) => {
      type(run, text);
      return run.notice?.linux;
    };
    expect(twin('device nic0 translated')).toEqual([
      'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/unbind',
      'echo DMA-FQ > /sys/kernel/iommu_groups/14/type',
      'echo 0000:03:00.0 > /sys/bus/pci/drivers/ixgbe/bind',
    ]);
    expect(twin('invalidation nic0 strict')).toContain('echo DMA > /sys/kernel/iommu_groups/14/type');
    // DMA to DMA-FQ needs no unbinding.
    expect(twin('invalidation nic0 lazy')).toEqual(['echo DMA-FQ > /sys/kernel/iommu_groups/14/type']);
    expect(twin('device nic0 guest A')?.[0]).toBe('driverctl set-override 0000:03:00.0 vfio-pci');
    expect(twin('boot intel_iommu=on')?.[0]).toContain('--args="intel_iommu=on"');
  });

  test('all devices means those the host drives and trusts', () => {
    const run = session(PASSTHROUGH);
    expect(type(run, 'device all flip').text).toMatch(/^nic0, nvme0, usb0: translated\./);
    expect(run.snapshot().devices.map(({ lane }) => lane)).toEqual([
      'translated',
      'translated',
      'guest',
      'guest',
      'translated',
      'translated',
    ]);
    type(run, 'device all flip');
    expect(device(run, 'usb0').lane).toBe('passthrough');
  });

  test('with a mix of both, all go to passthrough first', () => {
    const run = session(PASSTHROUGH);
    type(run, 'device nic0 translated; device all flip');
    expect(device(run, 'nic0').lane).toBe('passthrough');
  });
});

describe('time', () => {
  test('run with a duration stops there', () => {
    const run = session(LAZY);
    type(run, 'run 50us');
    run.advance(1e6);
    expect(run.simulation.now).toBe(50_000);
    expect(run.state).toBe('paused');
  });

  test('step goes on by at least so many requests, and not far beyond', () => {
    const run = session(LAZY);
    const requests = () => run.snapshot().devices.reduce((sum, { counts }) => sum + counts.requests, 0);
    type(run, 'step 10');
    expect(requests()).toBeGreaterThanOrEqual(10);
    expect(requests()).toBeLessThan(30);
    expect(run.state).toBe('paused');
  });

  test('step ends after a second of simulated time when nothing runs', () => {
    const run = session(LAZY);
    type(run, 'device all blocked');
    for (const name of ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0']) type(run, `workload ${name} stop`);
    type(run, 'step 10');
    expect(run.simulation.now).toBeLessThanOrEqual(1e9);
  });

  test('a boot starts time, counts and log again, and keeps the seed', () => {
    const run = session(LAZY);
    run.advance(1e5);
    type(run, 'device nic0 flip; boot intel_iommu=on');
    expect(run.log).toEqual([]);
    expect(run.simulation.now).toBe(0);
    run.advance(1e5);
    const fresh = session(LAZY);
    fresh.advance(1e5);
    expect(jsonOf(run)).toBe(jsonOf(fresh));
  });

  test('a boot with words that Linux ignores says so', () => {
    expect(type(session(LAZY), 'boot iommu=on').text).toBe(
      'Booted: DMA remapping is off. Linux ignored iommu=on.',
    );
  });
});

describe('the log', () => {
  const script = fc.array(fc.record({ afterUs: fc.integer({ min: 0, max: 60 }), command: machineCommand }), {
    maxLength: 8,
  });

  test('replayed, gives the same machine at the same time', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(LAZY, PASSTHROUGH, STRICT, '', 'intel_iommu=on intremap=off'),
        script,
        (boot, steps) => {
          const original = session(boot);
          let now = 0;
          for (const { afterUs, command } of steps) {
            now = Math.max(now, original.simulation.now) + afterUs * 1000;
            original.advance(now);
            original.apply(command);
          }
          const end = Math.max(now, original.simulation.now) + 20_000;
          original.advance(end);
          const twin = new Session(original.bootOptions);
          twin.replay(original.log, end);
          expect(jsonOf(twin)).toBe(jsonOf(original));
          expect(memoryHash(twin)).toBe(memoryHash(original));
        },
      ),
      { numRuns: 12 },
    );
  });

  test('replayed after single steps, gives the same machine', () => {
    const original = session(LAZY);
    for (const text of [
      'step 3',
      'dma nic0 write 0x1000000',
      'step',
      'device nvme0 flip',
      'step 40',
      'device tb0 passthrough',
      'dma tb0 read 0x0',
    ])
      type(original, text);
    original.advance(original.simulation.now + 200_000);
    const twin = new Session(original.bootOptions);
    twin.replay(original.log, original.simulation.now);
    expect(jsonOf(twin)).toBe(jsonOf(original));
  });

  test('replayed after a refusal that restarted a driver, gives the same machine', () => {
    const original = session(LAZY);
    original.advance(300_000);
    expect(type(original, 'device tb0 passthrough').ok).toBe(false);
    original.advance(900_000);
    const twin = new Session(original.bootOptions);
    twin.replay(original.log, 900_000);
    expect(jsonOf(twin)).toBe(jsonOf(original));
  });

  test('replayed up to a panic, panics too', () => {
    // The stray write hits the tables of another device; changing that device then ends the kernel.
    const original = session(LAZY);
    original.advance(50_000);
    type(original, 'device nvme0 passthrough; workload nvme0 stop; workload nic0 stop');
    const { attached } = original.simulation.machine.kernel.device(0x300);
    if (attached === null || !('table' in attached) || attached.table === null)
      throw new Error('nic0 is not translated');
    type(original, `dma nvme0 write 0x${attached.table.root.toString(16)} 4096`);
    type(original, 'workload nic0 start');
    original.advance(100_000);
    type(original, 'device nic0 flip');
    original.advance(150_000);
    const twin = new Session(original.bootOptions);
    twin.replay(original.log, 150_000);
    expect(original.simulation.halted).not.toBeNull();
    expect(jsonOf(twin)).toBe(jsonOf(original));
  });

  test('replayed up to a command on which the kernel panicked, panics too', () => {
    const original = session(LAZY);
    original.advance(50_000);
    type(original, 'device nvme0 passthrough');
    const { attached } = original.simulation.machine.kernel.device(0x300);
    if (attached === null || !('table' in attached) || attached.table === null)
      throw new Error('nic0 is not translated');
    // Overwritten, the top table points to where there is no memory; unbinding the driver walks it.
    const { memory } = original.simulation.machine;
    for (let at = 0; at < 512; at++) memory.write64(attached.table.root + 8 * at, 0x7f, 3);
    expect(type(original, 'device nic0 flip')).toMatchObject({
      ok: false,
      text: expect.stringContaining('stopped'),
    });
    expect(original.simulation.halted).toMatch(/^no memory at 0x/);
    expect(original.log.at(-1)?.command).toEqual({ name: 'device', device: 'nic0', to: 'flip' });
  });
});
