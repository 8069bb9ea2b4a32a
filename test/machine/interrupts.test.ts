/** Interrupts of devices, and those that a device has no business to send. */
import { describe, expect, test } from 'vitest';
import { wordsToBig } from '../../source/vtd/bits.ts';
import { messageFor } from '../../source/vtd/formats/interrupt-message.ts';
import { postedInterruptDescriptor } from '../../source/vtd/formats/posted-interrupt-descriptor.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { device, LAZY, STRICT, session, type } from '../support/session.ts';
import { unitLike } from '../support/unit.ts';

const OFF = `${LAZY} intremap=off`;
const POSTING = { unit: unitLike('skylake', { capSet: 1n << 59n }) };
const log = (of: ReturnType<typeof session>) =>
  of.snapshot().dmesg.map((line) => line.replace(/^\[ *\d+\.\d{6}\] /, ''));
const hostInterrupts = (of: ReturnType<typeof session>, name: string) => {
  const { machine } = of.simulation;
  return machine.kernel.interrupts.of(machine.find(name)!.model.sourceId);
};

describe('while devices work', () => {
  test('each that has a driver sends interrupts, and nic0 no more than its moderation lets it', () => {
    const run = session(LAZY);
    run.simulation.advance(20e6);
    const sent = (name: string) => device(run, name).counts.interrupts;
    expect(sent('nic0')).toBeGreaterThan(200);
    expect(sent('nic0')).toBeLessThanOrEqual(400);
    for (const name of ['nvme0', 'gpu0', 'hba1', 'usb0']) expect(sent(name), name).toBeGreaterThan(0);
    expect(sent('tb0')).toBe(0);
    const { counters, devices } = run.snapshot();
    expect(counters.interrupts_blocked).toBe(0);
    expect(counters.interrupt_requests).toBe(devices.reduce((sum, { counts }) => sum + counts.interrupts, 0));
    expect(run.simulation.machine.kernel.interrupts.handled).toBe(counters.interrupt_requests);
    expect(counters.int_cache_hit_nonposted).toBeGreaterThan(0.9 * counters.int_cache_lookup);
    expect(run.simulation.machine.kernel.interrupts.unexpected).toBe(0);
  });

  test('without interrupt remapping they arrive as well, and no entry is looked up', () => {
    const run = session(OFF);
    run.simulation.advance(2e6);
    const { counters } = run.snapshot();
    expect(counters.interrupt_requests).toBeGreaterThan(10);
    expect(counters.int_cache_lookup).toBe(0);
    expect(run.simulation.machine.kernel.interrupts.handled).toBe(counters.interrupt_requests);
  });

  test('those of guests are posted where the unit can, and reach the guest without its host', () => {
    const run = session(LAZY, POSTING);
    run.simulation.advance(20e6);
    const { machine } = run.simulation;
    const { counters } = run.snapshot();
    const guests = device(run, 'gpu0').counts.interrupts + device(run, 'hba1').counts.interrupts;
    expect(counters.interrupts_posted).toBe(guests);
    for (const each of machine.devices) machine.stop(each);
    run.simulation.advance(20.1e6);
    const { posted, handled } = machine.kernel.interrupts;
    // Two that come before the processor looks are one bit.
    expect(posted).toBeGreaterThan(0.9 * guests);
    expect(posted).toBeLessThanOrEqual(guests);
    expect(handled).toBe(counters.interrupt_requests - guests);
  });

  test('with intremap=nopost, or without CAP.PI, they go through the host', () => {
    for (const run of [session(`${LAZY} intremap=nopost`, POSTING), session(LAZY)]) {
      run.simulation.advance(2e6);
      expect(run.snapshot().counters.interrupts_posted).toBe(0);
      expect(device(run, 'hba1').counts.interrupts).toBeGreaterThan(0);
    }
  });

  test('a second interrupt before the processor looked sends no second notification', () => {
    const run = session(LAZY, POSTING);
    type(run, 'workload hba1 stop');
    const { machine } = run.simulation;
    const [{ message }] = hostInterrupts(run, 'hba1');
    const hba = machine.find('hba1')!;
    const kinds = [1, 2].map(() => {
      machine.dma.interrupt(hba, message.address | 0, message.data);
      return machine.unit.translator.delivery;
    });
    expect(kinds).toEqual([4, 3]);
  });
});

describe('a stray interrupt', () => {
  test('is delivered as written without interrupt remapping', () => {
    const run = session(OFF);
    expect(type(run, 'interrupt tb0 0xfee02000 0x41').text).toBe(
      'Delivered as written: vector 0x41 on processor 2. Nobody gave tb0 that vector, and nothing stopped it.',
    );
    expect(log(run)).toContain('__common_interrupt: 2.65 No irq handler for vector');
    type(run, 'interrupt tb0 0xfee00000 0x400');
    expect(log(run)).toContain('Uhhuh. NMI received for unknown reason 3d on CPU 0.');
  });

  test('may be that of another device there', () => {
    const run = session(OFF);
    const [{ message, at }] = hostInterrupts(run, 'nvme0');
    const sent = type(run, `interrupt tb0 0x${message.address.toString(16)} 0x${message.data.toString(16)}`);
    expect(sent.text).toContain(`vector 0x${at.vector.toString(16)} on processor ${at.processor}`);
    expect(sent.text).toContain('nothing stopped it');
  });

  test('is blocked in the compatibility format with it, and the kernel says so', () => {
    const run = session(STRICT);
    expect(type(run, 'interrupt nic0').text).toBe(
      'Blocked: fault 0x25, compatibility-format interrupt blocked. No processor was interrupted.',
    );
    expect(log(run).at(-1)).toBe(
      'DMAR: [INTR-REMAP] Request device [03:00.0] fault index 0x0 [fault reason 0x25] Blocked a compatibility format interrupt request',
    );
    expect(run.snapshot().faults[0]).toMatchObject({ type: 'interrupt', reason: 0x25, count: 1 });
    expect(run.snapshot().faults[0].dmesg).toContain('INTR-REMAP');
    expect(device(run, 'nic0').counts.interrupts_blocked).toBe(1);
  });

  test.each([
    ['', /^Blocked: fault 0x26/],
    [' intremap=nosid', /^Remapped to vector/],
  ])('that names the entry of another device, with "%s": %s', (words, outcome) => {
    const run = session(`${STRICT}${words}`);
    const [{ index }] = hostInterrupts(run, 'nvme0');
    const { address } = messageFor(index ?? 0, 0);
    expect(type(run, `interrupt nic0 0x${address.toString(16)} 0x0`).text).toMatch(outcome);
    if (words === '')
      expect(run.snapshot().faults[0]).toMatchObject({ address: `0x${index?.toString(16)}`, reason: 0x26 });
  });

  test('at an entry that nobody uses is blocked with 0x22', () => {
    expect(type(session(STRICT), 'interrupt nic0 0xfee1fff0 0x0').text).toMatch(/^Blocked: fault 0x22/);
  });

  test('replays to the same machine', () => {
    const run = session(LAZY);
    run.simulation.advance(1e6);
    type(run, 'interrupt nic0 0xfee00000 0x41');
    run.simulation.advance(2e6);
    const again = session(LAZY);
    again.replay(run.log, 2e6);
    expect(again.snapshot().counters).toEqual(run.snapshot().counters);
    expect(again.snapshot().dmesg).toEqual(run.snapshot().dmesg);
  });
});

describe('the entry of a device', () => {
  test('names the device, and is gone once the driver is', () => {
    const run = session(LAZY);
    const { machine } = run.simulation;
    const [{ index, at }] = hostInterrupts(run, 'nic0');
    const irta = machine.unit.translator.interruptTableLo;
    const entry = () => machine.memory.readWords(irta + 16 * (index ?? 0), 4);
    expect([...entry()]).toEqual([(at.vector << 16) | 9, at.processor, 0x4_0300, 0]);
    const { address } = messageFor(index ?? 0, 0);
    type(run, 'device nic0 blocked');
    expect(hostInterrupts(run, 'nic0')).toEqual([]);
    expect([...entry()]).toEqual([0, 0, 0, 0]);
    expect(type(run, `interrupt nic0 0x${address.toString(16)} 0x0`).text).toMatch(/^Blocked: fault 0x22/);
  });

  test('of a guest leads to a descriptor of that guest', () => {
    const run = session(LAZY, POSTING);
    const { machine } = run.simulation;
    const [{ index, guest }] = hostInterrupts(run, 'hba1');
    expect(guest).toBe('B');
    const [low, destination, , high] = machine.memory.readWords(
      machine.unit.translator.interruptTableLo + 16 * (index ?? 0),
      4,
    );
    expect(low & 0x8001).toBe(0x8001);
    const words = machine.memory.readWords((high >>> 0) * 2 ** 32 + (destination >>> 0), 16);
    expect(postedInterruptDescriptor.decode(words)).toMatchObject({ ON: 0n, SN: 0n, NV: 0xf2n });
    expect(wordsToBig(words.subarray(0, 8))).toBe(0n);
  });

  test('in xAPIC mode has its processor in bits 47:40', () => {
    const run = session(LAZY, { unit: presets.qemu });
    const { machine } = run.simulation;
    const found = machine.devices
      .flatMap(({ model }) => machine.kernel.interrupts.of(model.sourceId))
      .find(({ at }) => at.processor > 0)!;
    const at = machine.unit.translator.interruptTableLo + 16 * (found.index ?? 0);
    expect(machine.memory.read32(at + 4)).toBe(found.at.processor << 8);
  });
});
