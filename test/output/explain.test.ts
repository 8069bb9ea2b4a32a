import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCommands } from '../../source/commands/parse.ts';
import { ask, type Question } from '../../source/output/explain.ts';
import { explainedJson, explainedText } from '../../source/ui/explain-text.ts';
import { LAZY, PASSTHROUGH } from '../support/session.ts';

const question = (boot: string, rest: Partial<Question> = {}): Question => ({
  machine: { boot, seed: 42 },
  commands: [],
  timeNs: 1e6,
  device: 'nic0',
  address: '0x1000000',
  type: 'write',
  warm: false,
  ...rest,
});

describe('where a DMA lands', () => {
  test.each([
    ['', 'untranslated', 'kernel text', 0],
    [PASSTHROUGH, 'passed', 'kernel text', 2],
    [LAZY, 'blocked', null, 4],
  ])('with "%s" a stray write is %s', (boot, outcome, landed, reads) => {
    const { request } = ask(question(boot));
    expect(request).toMatchObject({ outcome, landed });
    expect(request.steps.at(-1)?.reads).toBe(reads);
  });

  test('a guest reaches its own memory by a whole walk, and at once where the unit knows the way', () => {
    const guest = question(PASSTHROUGH, { device: 'hba1', address: '0x204a40', type: 'read' });
    const stages = ({ request }: ReturnType<typeof ask>) => request.steps.map(({ stage }) => stage);
    const walked = ask(guest);
    expect(walked.request).toMatchObject({ output: '0x8a204a40', landed: 'guest B RAM' });
    expect(stages(walked).filter((stage) => stage === 'paging entry')).toHaveLength(4);
    const { commands } = parseCommands('dma hba1 read 0x204a40');
    expect(stages(ask({ ...guest, commands, warm: true }))).toEqual(['context cache', 'IOTLB']);
  });

  test('a request to a peer in its slot is told to have passed the IOMMU by', () => {
    const asked = question(LAZY, { device: 'usb0', address: '0xf0600000' });
    expect(ask(asked).request).toMatchObject({
      outcome: 'peer-to-peer',
      landed: '00:14.2 registers',
      steps: [],
    });
    const text = explainedText(ask(asked)).replace(/\s+/g, ' ');
    expect(text).toContain(
      'It writes 0x0f0600000 (00:14.2 registers): routed there before it came to the IOMMU.',
    );
    expect(text).toContain('redirects requests (ACS RR)');
    expect(ask(question(LAZY, { address: '0xf0100000' })).request.outcome).toBe('blocked');
  });

  test('a fault comes with the line of the kernel log', () => {
    const { message } = ask(question(LAZY));
    expect(message).toBe(
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1000000 [fault reason 0x05] PTE Write access is not set',
    );
    expect(explainedText(ask(question(LAZY)))).toContain(message);
  });

  test('it is the request that was asked for, however busy the device is', () => {
    const { commands } = parseCommands('device nic0 translated; entry nic0 context TT=11b; map nic0');
    for (const timeNs of [1e3, 1e6, 1.2345e6, 5e6]) {
      const { request, message } = ask(question(PASSTHROUGH, { commands, timeNs }));
      expect(request).toMatchObject({ address: '0x1000000', type: 'write', bytes: 64, fault: 3 });
      expect(message === null || message.includes('fault addr 0x1000000')).toBe(true);
    }
  });

  test('a buffer is the one that was mapped; without one there is nothing to explain', () => {
    const { commands } = parseCommands('map nic0');
    const asked = question(LAZY, { address: 'buffer', type: 'read' });
    const { request } = ask({ ...asked, commands });
    expect(request).toMatchObject({ type: 'read', outcome: 'walked' });
    expect(() => ask(asked)).toThrow('no buffer was mapped for nic0: map nic0 maps one');
    const earlier = parseCommands('dma nic0 write 0x2000').commands;
    expect(() => ask({ ...asked, commands: earlier })).toThrow('no buffer was mapped');
  });

  test('commands before it count, and what was refused is told', () => {
    const { commands } = parseCommands('device nic0 translated; device tb0 passthrough');
    const { request, refusals } = ask(question(PASSTHROUGH, { commands }));
    expect(request.outcome).toBe('blocked');
    expect(refusals).toEqual([expect.stringContaining('untrusted')]);
  });
});

test('text and JSON tell the outcome of any request, whatever its address', () => {
  const address = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => `0x${value.toString(16)}`);
  const device = fc.constantFrom('nic0', 'gpu0', 'usb0', 'tb0');
  const type = fc.constantFrom('read', 'write') as fc.Arbitrary<'read' | 'write'>;
  const boot = fc.constantFrom('', LAZY, PASSTHROUGH);
  fc.assert(
    fc.property(boot, device, address, type, (line, name, at, how) => {
      const answer = ask(question(line, { device: name, address: at, type: how, timeNs: 1000 }));
      const { outcome, fault, output, steps } = JSON.parse(explainedJson(answer));
      expect(outcome).toBe(answer.request.outcome);
      expect(output === null).toBe(outcome === 'blocked' || outcome === 'interrupt');
      // One step more than the unit took: what the request met at its end.
      expect(steps).toHaveLength(answer.request.steps.length + 1);
      const text = explainedText(answer);
      expect(text.split('\n').every((row) => row.length <= 130)).toBe(true);
      if (fault !== null) expect(text).toContain(`fault ${fault.reason}: ${fault.meaning}`);
    }),
    { numRuns: 40 },
  );
});
