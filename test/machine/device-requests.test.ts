import { describe, expect, test } from 'vitest';
import { parseCommand } from '../../source/commands/parse.ts';
import { Session } from '../../source/commands/session.ts';
import { contextEntry } from '../../source/vtd/formats/context-entry.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';

const GPU = 0x100;

function booted(boot: string, unit: keyof typeof presets = 'server') {
  const session = new Session({ boot, seed: 42, unit: presets[unit] });
  const say = (text: string) => {
    const parsed = parseCommand(text);
    if (!parsed.ok) throw new Error(parsed.error);
    return session.apply(parsed.command).text;
  };
  const { machine, journal } = session.simulation;
  const gpu = machine.find('gpu0')!;
  const last = () => journal.transactions.get('gpu0')!.at(-1)!;
  return { session, say, machine, journal, gpu, last };
}

/** Legacy mode on a unit with device TLBs. */
const LEGACY = 'intel_iommu=on,sm_off';

describe.each(['intel_iommu=on', LEGACY])(
  'a trusted device with ATS, on a unit with device TLBs and %s',
  (boot) => {
    test('is told where its pages are, and keeps that until Linux has it forget', () => {
      const { say, gpu, machine, last } = booted(boot);
      expect(say('dma gpu0 translate 0x3000')).toContain('was told that it is 0xa0003000 (guest A RAM)');
      expect(last()).toMatchObject({ request: 'translation', outcome: 'walked', fault: 0 });
      expect(gpu.tlb?.entries.length).toBe(1);
      const before = machine.unit.invalidator.counts.device_tlb;
      say('device gpu0 host');
      expect(machine.unit.invalidator.counts.device_tlb).toBeGreaterThan(before);
      expect(gpu.tlb?.entries).toEqual([]);
    });

    test('is believed when it says that an address was translated: it reaches all memory', () => {
      const { say, journal, last } = booted(boot);
      expect(say('dma gpu0 translated write 0x1000000 64')).toContain('takes its word');
      expect(last()).toMatchObject({ request: 'translated', landed: 'kernel text', corrupted: true });
      expect(journal.corruptedPages.size).toBe(1);
      expect(say('dma gpu0 write 0x7f000000000')).toContain('Blocked');
    });

    test('is answered without a fault where nothing is mapped', () => {
      const { say, journal, machine } = booted(boot);
      expect(say('dma gpu0 translate 0x7f000000000')).toContain('without a fault');
      expect(machine.unit.faultLog.pending).toBe(false);
      expect(journal.events.findLast(({ verb }) => verb === 'ATS')).toMatchObject({ how: 'no translation' });
    });

    test('gets none with pci=noats', () => {
      expect(booted(`${boot} pci=noats`).say('dma gpu0 translate 0x3000')).toMatch(/fault 0x(0d|44)/);
    });

    test('and one that is not trusted gets none', () => {
      expect(booted(boot).say('dma tb0 translate 0x3000')).toMatch(/fault 0x(0d|44)/);
    });
  },
);

test('in legacy mode the context entry says TT = 01b for it alone', () => {
  const { machine } = booted(LEGACY);
  const typeOf = (sourceId: number) => {
    const { steps } = machine.unit.explain(sourceId, 0, 0x3000, 1, true);
    const { words } = steps.find(({ stage }) => stage === 'context entry')!;
    return contextEntry.decode(words).TT;
  };
  expect([typeOf(GPU), typeOf(0x300)]).toEqual([1n, 0n]);
});

test('a unit without device TLBs refuses all of it, and Linux prints why', () => {
  const { say, session } = booted('intel_iommu=on', 'skylake');
  expect(say('dma gpu0 translate 0x3000')).toContain('fault 0x0d');
  expect(say('dma gpu0 translated write 0x1000000')).toContain('fault 0x0d');
  expect(say('dma gpu0 page-request read 0x3000')).toContain('Refused without a fault');
  expect(say('dma nic0 write 0x3000 64 pasid 7')).toContain('fault 0x31');
  expect(session.snapshot().dmesg.join('\n')).toContain('fault reason 0x0d');
});

test('while the IOMMU is off nothing is translated and nothing believed', () => {
  const { say, journal } = booted('intel_iommu=off');
  expect(say('dma gpu0 translate 0x3000')).toContain('Refused without a fault');
  expect(say('dma gpu0 translated write 0x1000000')).toContain('Refused without a fault');
  expect(journal.corruptedPages.size).toBe(0);
});

test('a device without ATS, and a request over the end of a page, are refused before they are sent', () => {
  const { say } = booted('intel_iommu=on');
  expect(say('dma nic0 translate 0x3000')).toContain('nic0 has no ATS');
  expect(say('dma gpu0 translated write 0x3ff0 64')).toContain('stays within one page');
});
