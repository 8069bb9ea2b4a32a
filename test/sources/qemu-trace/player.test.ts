import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Command } from '../../../source/commands/command.ts';
import type { Snapshot } from '../../../source/simulation/snapshot.ts';
import { openTrace, playTrace, type TraceOptions } from '../../../source/sources/qemu-trace/open-trace.ts';
import { stateAt } from '../../../source/sources/qemu-trace/state-at.ts';
import { totals } from '../../../source/sources/qemu-trace/totals.ts';
import { parseTrace, type Trace } from '../../../source/sources/qemu-trace/trace.ts';
import type { Source } from '../../../source/sources/source.ts';
import { fileOf, positionOf, type Recording, recording } from './fixtures.ts';

const traces = new Map<Recording, Trace>();
let source: Source | null = null;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await source?.stop();
  source = null;
  vi.useRealTimers();
});

async function trace(name: Recording): Promise<Trace> {
  const known = traces.get(name) ?? (await recording(name));
  traces.set(name, known);
  return known;
}

async function play(name: Recording, options: TraceOptions = {}): Promise<Source> {
  source = playTrace(await trace(name), options);
  return source;
}

const run: Command = { name: 'run', forNs: null };
const pause: Command = { name: 'pause' };
const step = (count: number): Command => ({ name: 'step', count });
const passed = (seconds: number) => vi.advanceTimersByTime(seconds * 1000);
const device = ({ devices }: Snapshot, name: string) => devices.find((each) => each.name === name);

/** How a device goes at the beginning of each phase. */
async function lanes(name: Recording, device: string): Promise<Record<string, string>> {
  const recorded = await trace(name);
  const found: Record<string, string> = {};
  for (const [i, { event }] of recorded.entries.entries()) {
    if (event.kind !== 'phase') continue;
    const state = stateAt(recorded, i + 1).devices.find((each) => each.name === device);
    found[event.phase.name.split(' ').slice(0, 2).join(' ')] = `${state?.lane} ${state?.attachedDomain}`;
  }
  return found;
}

test.each(['on', 'on-pt', 'on-strict', 'off'] as const)(
  'playing %s to its end gives its totals',
  async (name) => {
    const playing = await play(name, { speed: Number.POSITIVE_INFINITY, pauseAtShutdown: false });
    passed(0.2);
    const { state, timeNs, counters, invalidations, devices, faults } = playing.current();
    const whole = totals(await trace(name));
    expect({ state, timeNs }).toEqual({ state: 'ended', timeNs: whole.recordedNs });
    expect(counters).toMatchObject({
      iommu_requests: whole.counters.iommu_requests,
      iotlb_hit: whole.counters.iotlb_hit,
      page_walks: whole.counters.page_walks,
      faults_recorded: whole.counters.faults_recorded,
    });
    expect(invalidations).toEqual(whole.counters.invalidations);
    expect(devices.map(({ counts }) => counts.iotlb_hit)).toEqual(
      whole.devices.map(({ iotlb_hit }) => iotlb_hit),
    );
    expect(faults.reduce((sum, { count }) => sum + count, 0)).toBe(whole.faults.length);
  },
);

test('at speed 1 recorded time passes like time, and the columns of the charts are half a second long', async () => {
  const playing = await play('on', { skipIdle: false });
  passed(10);
  expect(playing.current().timeNs).toBeCloseTo(10e9, -6);
  expect(playing.current()).toMatchObject({
    state: 'running',
    speed: 1,
    phase: 'init 5.59 6.12.95+deb12-amd64',
  });
  expect(
    playing
      .current()
      .series.slice(0, -1)
      .every(({ spanNs }) => spanNs === 0.5e9),
  ).toBe(true);
});

test('idle stretches are cut short, but the time shown is the recorded one', async () => {
  const playing = await play('on', { pauseAtShutdown: false });
  passed(5);
  expect(playing.current().timeNs).toBeGreaterThan(8e9);
  playing.send({ name: 'speed', factor: 4 });
  passed(10);
  expect(playing.current()).toMatchObject({ state: 'ended', timeNs: 29_908_523_000 });
});

test('it stops before Linux shuts down, so that the last picture is of the running machine', async () => {
  const playing = await play('on', { speed: Number.POSITIVE_INFINITY });
  passed(0.2);
  expect(playing.current()).toMatchObject({ state: 'paused', unit: { translation: true } });
  expect(playing.current().notice?.text).toContain('shuts down');
  playing.send({ name: 'run', forNs: null });
  passed(0.2);
  expect(playing.current()).toMatchObject({ state: 'ended', unit: { translation: false } });
});

test('at speed 4 four times as much is played, in columns of two seconds', async () => {
  const playing = await play('on', { skipIdle: false, speed: 4 });
  passed(3);
  expect(playing.current().timeNs).toBeCloseTo(12e9, -6);
  expect(playing.current().series[0].spanNs).toBe(2e9);
});

test('ten snapshots a second are published while it plays, and none while it is paused', async () => {
  const playing = await play('on');
  const listener = vi.fn();
  const leave = playing.subscribe(listener);
  passed(1);
  expect(listener).toHaveBeenCalledTimes(10);
  playing.send(pause);
  const { timeNs } = playing.current();
  expect(listener).toHaveBeenCalledTimes(11);
  passed(5);
  expect(listener).toHaveBeenCalledTimes(11);
  expect(playing.current()).toMatchObject({ state: 'paused', timeNs, notice: { ok: true, text: 'Paused.' } });
  leave();
  playing.send(run);
  passed(1);
  expect(listener).toHaveBeenCalledTimes(11);
  expect(playing.current().timeNs).toBeGreaterThan(timeNs);
});

test('run with a duration plays so much recorded time, then pauses', async () => {
  const playing = await play('on', { paused: true });
  expect(playing.current()).toMatchObject({ state: 'paused', timeNs: 0 });
  playing.send({ name: 'run', forNs: 7e9 });
  passed(10);
  expect(playing.current().state).toBe('paused');
  expect(playing.current().timeNs).toBeCloseTo(7e9, -3);
});

test('each step goes on by one request, and shows it', async () => {
  const playing = await play('on', { paused: true });
  playing.look({ view: 'dma', device: 'nvme', address: null });
  playing.send(step(1));
  const first = playing.current();
  expect(first).toMatchObject({
    state: 'paused',
    counters: { iommu_requests: 1 },
    notice: { ok: true, text: 'Went on by 1 DMA request.' },
  });
  expect(first.transactions).toHaveLength(1);
  // zcat on.trace.gz | grep -m 3 -e vtd_iotlb -e vtd_dmar_translate
  expect(first.transactions[0]).toMatchObject({
    device: 'nvme',
    outcome: 'walked',
    address: '0xffffe000',
    output: '0x1f181000',
    steps: [],
  });
  // The page may be read and written, so the list does not say which it was.
  expect(first.events.at(-1)).toMatchObject({
    kind: 'dma',
    verb: 'dma',
    transaction: first.transactions[0].id,
  });
  playing.send(step(9));
  expect(playing.current().counters.iommu_requests).toBe(10);
  expect(playing.current().transactions).toHaveLength(10);
  expect(
    playing
      .current()
      .events.slice(-5)
      .every(({ kind }) => kind === 'dma'),
  ).toBe(true);
});

test('stepping to the end ends it; then nothing goes on', async () => {
  const playing = await play('on-pt', { paused: true });
  playing.send(step(1000));
  expect(playing.current()).toMatchObject({
    state: 'ended',
    notice: { ok: true, text: 'Went on by 18 DMA requests, to the end of the recording.' },
  });
  expect(playing.refusal(run)).toBe('the recording is at its end');
  playing.send(run);
  expect(playing.current()).toMatchObject({ state: 'ended', notice: { ok: false } });
});

test.each<[string, Command]>([
  ['device nic0 passthrough', { name: 'device', device: 'nic0', to: 'passthrough' }],
  ['dma nvme write 0x1000 64', { name: 'dma', device: 'nvme', type: 'write', address: '0x1000', bytes: 64 }],
  ['boot intel_iommu=on', { name: 'boot', line: 'intel_iommu=on' }],
  ['workload nvme stop', { name: 'workload', device: 'nvme', to: 'stop' }],
  ['invalidation nvme strict', { name: 'invalidation', device: 'nvme', to: 'strict' }],
])('a recording cannot be changed: %s is refused', async (text, command) => {
  const playing = await play('off', { paused: true });
  const reason = `a recording cannot be changed: ${text} needs the simulated machine (dmascope without replay)`;
  expect(playing.refusal(command)).toBe(reason);
  playing.send(command);
  expect(playing.current().notice).toEqual({ id: 1, ok: false, text: reason, linux: [] });
});

test('the same position always gives the same state, however it was reached', async () => {
  const recorded = await trace('on');
  const position = positionOf(recorded, 'vfio-close');
  expect(stateAt(recorded, position)).toEqual(stateAt(recorded, position));
  const playing = await play('on', { paused: true });
  playing.look({ view: 'dma', device: null, address: null });
  for (let i = 0; i < 50; i++) playing.send(step(7));
  const { counters } = playing.current();
  playing.send(step(250));
  expect(counters.iommu_requests).toBe(350);
  const requests = [...recorded.entries.keys()].filter((i) => {
    const { kind } = recorded.entries[i].event;
    return kind === 'translation' || kind === 'fault';
  });
  expect({ ...playing.current(), notice: null }).toEqual(stateAt(recorded, requests[599] + 1));
});

test('after stop nothing is published any more', async () => {
  const playing = await play('on');
  const listener = vi.fn();
  playing.subscribe(listener);
  await playing.stop();
  passed(2);
  expect(listener).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test('a device that nothing has moved is off until translation is on, and then translated', async () => {
  const found = await lanes('on', 'nvme');
  expect(found).toMatchObject({
    boot: 'off none',
    'init 5.59': 'translated DMA-FQ',
    idle: 'translated DMA-FQ',
  });
  expect(await lanes('on-strict', 'nvme')).toMatchObject({ 'dd-nvme-read': 'translated DMA' });
  expect(new Set(Object.values(await lanes('off', 'nvme')))).toEqual(new Set(['off none']));
});

test('with iommu=pt host devices are in passthrough, without a line, and are said to be silent', async () => {
  expect(await lanes('on-pt', 'nvme')).toMatchObject({
    boot: 'off none',
    'dd-nvme-read': 'passthrough identity',
    'net-virtio eth0': 'passthrough identity',
  });
  const recorded = await trace('on-pt');
  const nvme = device(stateAt(recorded, positionOf(recorded, 'dd-nvme-write')), 'nvme');
  expect(nvme).toMatchObject({ pageBytes: null, did: null, rates: { requests: 0 }, counts: { requests: 0 } });
  expect(nvme?.description).toMatch(/no line/);
});

test.each(['on', 'on-pt'] as const)(
  'in %s the device of VFIO goes from its own domain to the guest and back',
  async (name) => {
    const own = name === 'on' ? 'translated DMA-FQ' : 'passthrough identity';
    const found = await lanes(name, 'edu');
    expect(found).toMatchObject({
      idle: own,
      'vfio-bind': own,
      'vfio-attached': 'guest unmanaged',
      'vfio-dma-after-unmap': 'guest unmanaged',
      'vfio-closed': own,
    });
    const recorded = await trace(name);
    const blocked = stateAt(recorded, positionOf(recorded, 'vfio-set-iommu') - 1);
    expect(device(blocked, 'edu')).toMatchObject({ lane: 'blocked', driver: 'vfio-pci' });
    const attached = stateAt(recorded, positionOf(recorded, 'vfio-dma-write'));
    expect(device(attached, 'edu')).toMatchObject({
      owner: 'host',
      driver: 'vfio-pci',
      group: 5,
      did: name === 'on' ? 7 : 2,
      pageBytes: 4096,
    });
  },
);

test('the card whose type is changed through sysfs goes where the type says', async () => {
  expect(await lanes('on', 'e1000e')).toMatchObject({
    'nic-unbind 0000:00:05.0': 'translated DMA-FQ',
    'type identity': 'passthrough identity',
    'type DMA': 'translated DMA',
    'type DMA-FQ': 'translated DMA-FQ',
  });
  const recorded = await trace('on');
  const unbound = device(stateAt(recorded, positionOf(recorded, 'nic-type-change')), 'e1000e');
  expect(unbound).toMatchObject({ driver: null, group: 3 });
});

test('a blocked access is one group of 16 faults on its page, with the record and what Linux printed', async () => {
  const recorded = await trace('on');
  const { faults, faultRegisters, dmesg, events } = stateAt(recorded, positionOf(recorded, 'vfio-close') - 1);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatchObject({
    device: 'edu',
    type: 'write',
    address: '0x102000',
    reason: 5,
    count: 16,
  });
  // QEMU's high and low half of the record, with the F bit that it sets afterwards.
  expect(faults[0].record?.map((word) => word >>> 0)).toEqual([0x102000, 0, 0x40, 0x80ffff05]);
  expect(faultRegisters).toEqual({
    records: 1,
    inUse: 0,
    overflow: false,
    pending: false,
    interrupts: 1,
    lost: 15,
  });
  // Word for word as in the guest's log; the stamps are the recording's.
  expect(dmesg.map((line) => line.replace(/^\[ *[\d.]+\] /, ''))).toEqual([
    'DMAR: DRHD: handling fault status reg 2',
    'DMAR: [DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set',
  ]);
  expect(events.filter(({ kind }) => kind === 'fault')).toHaveLength(16);
  expect(events.at(-1)).toMatchObject({
    actor: 'edu',
    verb: 'write',
    object: 'addr 0x0010203c',
    how: 'FAULT 0x05',
  });
});

test('while the fault is recorded and not yet read, the register is in use', async () => {
  const recorded = await trace('on');
  const record = recorded.entries.findIndex(({ event }) => event.kind === 'pending');
  const { faultRegisters, faults } = stateAt(recorded, record + 1);
  expect(faultRegisters).toMatchObject({ inUse: 1, pending: true, interrupts: 0 });
  expect(faults[0].dmesg).toBeNull();
});

test('the output of a request is its page with its offset', () => {
  const { transactions, events } = stateAt(
    parseTrace(
      '1@10.000000:vtd_iotlb_page_update IOTLB page update sid 0x30 iova 0xffee0606 slpte 0x2039b001 domain 0x6\n' +
        '1@10.000001:vtd_dmar_translate dev 00:06.00 iova 0xffee0000 -> gpa 0x2039b000 mask 0xfff\n' +
        '1@10.000002:vtd_iotlb_page_hit IOTLB page hit sid 0x30 iova 0x140201234 slpte 0x80000082 domain 0x6\n' +
        '1@10.000003:vtd_dmar_translate dev 00:06.00 iova 0x140200000 -> gpa 0x80000000 mask 0x1fffff\n',
      'two',
    ),
    4,
  );
  expect(transactions).toMatchObject([
    { type: 'write', outcome: 'hit', address: '0x140201234', output: '0x80001234' },
    { type: 'read', outcome: 'walked', address: '0xffee0606', output: '0x2039b606' },
  ]);
  expect(events.map(({ verb, how }) => `${verb} ${how}`)).toEqual(['read miss, walked', 'write hit']);
});

test('rates are of the last recorded second', async () => {
  const recorded = await trace('on');
  const { rates, devices, timeNs } = stateAt(recorded, positionOf(recorded, 'dd-nvme-read') + 1500);
  const lastSecond = recorded.entries.filter(
    ({ event, timeNs: at }) => event.kind === 'translation' && at >= timeNs - 1e9 && at <= timeNs,
  );
  expect(rates.requests).toBeGreaterThan(0);
  expect(rates.requests).toBeLessThanOrEqual(lastSecond.length);
  expect(devices.reduce((sum, each) => sum + each.rates.requests, 0)).toBeCloseTo(rates.requests);
});

test('a file that is no trace is refused when it is opened', async () => {
  await expect(openTrace('package.json')).rejects.toThrow(/package\.json: line 1: expected .*, got "\{"/);
  source = await openTrace(fileOf('off'), { paused: true });
  expect(source.current()).toMatchObject({
    source: 'trace',
    title: 'off.trace.gz',
    boot: 'intel_iommu=off',
    seed: null,
    tables: null,
  });
  expect(source.trouble()).toBeNull();
});
