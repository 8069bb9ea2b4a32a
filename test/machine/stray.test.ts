import { describe, expect, test } from 'vitest';
import { guestModels } from '../../source/machine/guests/guest.ts';
import { device, LAZY, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

const KERNEL_TEXT = 0x0100_0000;
const words = (of: ReturnType<typeof session>, address: number, count = 1024) => [
  ...of.simulation.machine.memory.readWords(address, count),
];
const corrupted = (of: ReturnType<typeof session>) => of.snapshot().memory.corrupted;

/** Only what the test does happens: no device runs by itself. */
function still(boot: string) {
  const quiet = session(boot);
  type(
    quiet,
    ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0'].map((name) => `workload ${name} stop`).join(';'),
  );
  return quiet;
}

describe.each([PASSTHROUGH, ''])('a stray write with "%s"', (boot) => {
  test('lands, corrupts exactly one page, and leaves no fault', () => {
    const run = still(boot);
    const before = words(run, KERNEL_TEXT);
    expect(type(run, 'dma nic0 write 0x1000000 64').text).toBe(
      'The stray write landed at 0x1000000 (kernel text): nothing stopped it. Corrupted pages: 1.',
    );
    const after = words(run, KERNEL_TEXT);
    expect(after.slice(0, 16).every((word) => word === (0x9696_9696 | 0))).toBe(true);
    expect(after.slice(16)).toEqual(before.slice(16));
    expect(corrupted(run)).toMatchObject([{ address: '0x1000000', device: 'nic0', owner: 'kernel text' }]);
    expect(run.snapshot().faults).toEqual([]);
    expect(run.snapshot().faultRegisters.inUse).toBe(0);
  });

  test('to the same page again corrupts no second one', () => {
    const run = still(boot);
    type(run, 'dma nic0 write 0x1000000 64');
    expect(type(run, 'dma nic0 write 0x1000800 64').text).toMatch(
      /again: nothing stopped it. Corrupted pages: 1\.$/,
    );
  });

  test('across a page border corrupts two pages', () => {
    const run = still(boot);
    type(run, 'dma nic0 write 0x1000ff0 32');
    expect(corrupted(run).map(({ address }) => address)).toEqual(['0x1000000', '0x1001000']);
  });
});

describe.each([LAZY, STRICT])('a stray write with "%s"', (boot) => {
  test('faults with 0x05, and nothing is written', () => {
    const run = still(boot);
    const before = words(run, KERNEL_TEXT);
    expect(type(run, 'dma nic0 write 0x1000000 64').text).toBe(
      'Blocked: fault 0x05, no write permission. Nothing was written.',
    );
    expect(words(run, KERNEL_TEXT)).toEqual(before);
    expect(corrupted(run)).toEqual([]);
    expect(run.snapshot().faults).toMatchObject([
      { device: 'nic0', type: 'write', address: '0x1000000', reason: 5, count: 1 },
    ]);
    expect(run.snapshot().dmesg.at(-1)).toMatch(
      /DMAR: \[DMA Write NO_PASID\] Request device \[03:00\.0\] fault addr 0x1000000 \[fault reason 0x05\] PTE Write access is not set$/,
    );
  });

  test('of many pages ends at the first that is refused', () => {
    const run = still(boot);
    type(run, 'dma nic0 write 0x1000000 65536');
    expect(device(run, 'nic0').counts.faults).toBe(1);
  });
});

test('reading where it should not gives fault 0x06 where it is translated', () => {
  expect(type(still(STRICT), 'dma nic0 read 0x1000000').text).toBe(
    'Blocked: fault 0x06, no read permission. Nothing was read.',
  );
  expect(type(still(PASSTHROUGH), 'dma nic0 read 0x1000000').text).toBe('It read 0x1000000 (kernel text).');
});

test.each([
  ['gpu0', 0],
  ['hba1', 1],
])('a stray write of %s, which a guest has, lands in the own memory of that guest', (name, index) => {
  const run = still(PASSTHROUGH);
  const { base, bytes } = guestModels[index];
  const kernelText = words(run, KERNEL_TEXT);
  const inGuest = words(run, base + KERNEL_TEXT);
  expect(type(run, `dma ${name} write 0x1000000 64`).text).toBe(
    `It wrote 0x${(base + KERNEL_TEXT).toString(16)} (guest ${guestModels[index].name} RAM), which is ${name}'s to write.`,
  );
  expect(words(run, KERNEL_TEXT)).toEqual(kernelText);
  expect(words(run, base + KERNEL_TEXT)).not.toEqual(inGuest);
  expect(corrupted(run)).toEqual([]);
  expect(type(run, `dma ${name} write 0x${bytes.toString(16)} 64`).text).toMatch(/^Blocked: fault 0x05/);
});

test('an untrusted device is translated and strict even with iommu=pt', () => {
  expect(type(still(PASSTHROUGH), 'dma tb0 write 0x1000000').text).toMatch(/^Blocked: fault 0x05/);
});

test('in passthrough a request above the width of the host faults with 0x04', () => {
  const run = still(PASSTHROUGH);
  expect(type(run, 'dma nic0 write 0x8000000000').text).toMatch(/^Blocked: fault 0x04/);
  expect(type(still(''), 'dma nic0 write 0x8000000000').text).toMatch(/^It wrote 0x8000000000 \(no memory\)/);
});

test('a write to nowhere says that it went nowhere, with the address in full', () => {
  const text = type(still(''), 'dma nic0 write 0xfffffffffffffff0 8').text;
  expect(text).toContain('0xfffffffffffffff0 (no memory)');
  expect(text).not.toContain('to write');
});

test('a write into the interrupt range is an interrupt, whatever the domain', () => {
  for (const boot of ['', PASSTHROUGH, STRICT]) {
    expect(type(still(boot), 'dma nic0 write 0xfee00000 4').text, boot).toMatch(/^Blocked: fault 0x25/);
    expect(type(still(`${boot} intremap=off`), 'dma nic0 write 0xfee00000 4').text, boot).toBe(
      'Delivered as written: vector 0x96 on processor 0. Nobody gave nic0 that vector, and nothing stopped it.',
    );
  }
});

test('the USB controller reaches the region that firmware set up for it, in every mode', () => {
  for (const boot of ['', PASSTHROUGH, LAZY, STRICT]) {
    const run = still(boot);
    expect(type(run, 'dma usb0 write 0x7b800000 8').text, boot).toBe(
      "It wrote 0x7b800000 (usb0 firmware region), which is usb0's to write.",
    );
    type(run, 'dma nic0 write 0x7b800000 8');
    expect(corrupted(run)).toHaveLength(boot === '' || boot === PASSTHROUGH ? 1 : 0);
  }
});

describe('moving a device', () => {
  const invalidations = (of: ReturnType<typeof session>) => ({ ...of.snapshot().invalidations });

  test.each([
    [PASSTHROUGH, 'translated', /^Blocked: fault 0x05/],
    [STRICT, 'passthrough', /landed at/],
  ])(
    'from "%s" to %s sends one context and one domain invalidation besides those of its interrupts, and the next DMA shows it',
    (boot, to, outcome) => {
      const run = still(boot);
      type(run, 'dma nic0 write 0x1000000');
      type(run, 'workload nic0 stop');
      const before = invalidations(run);
      expect(type(run, `device nic0 ${to}`).ok).toBe(true);
      expect(invalidations(run)).toEqual({
        ...before,
        context: before.context + 1,
        iotlb_domain: before.iotlb_domain + 1,
        // Two vectors: shut down and given back, then allocated, activated and sent to a processor.
        interrupt_entry: before.interrupt_entry + 10,
        wait: before.wait + 12,
      });
      expect(type(run, 'dma nic0 write 0x1000000').text).toMatch(outcome);
    },
  );

  test('back and forth leaves it as it was', () => {
    const run = still(LAZY);
    const before = device(run, 'nic0');
    type(run, 'device nic0 flip; device nic0 flip');
    expect(device(run, 'nic0')).toEqual(before);
  });

  test('to another guest changes whose memory it reaches', () => {
    const run = still(PASSTHROUGH);
    type(run, 'device hba1 guest A; workload hba1 stop');
    expect(device(run, 'hba1')).toMatchObject({ owner: 'guest A', pageBytes: 2 ** 21 });
    expect(type(run, 'dma hba1 write 0x1000').text).toContain('0xa0001000 (guest A RAM)');
  });

  test('to nobody blocks every request with fault 0x02', () => {
    const run = still(PASSTHROUGH);
    type(run, 'device nic0 blocked');
    expect(device(run, 'nic0')).toMatchObject({ lane: 'blocked', owner: 'none', attachedDomain: 'blocked' });
    expect(type(run, 'dma nic0 write 0x1000000').text).toMatch(
      /^Blocked: fault 0x02, context entry not present/,
    );
    type(run, 'device nic0 host');
    expect(device(run, 'nic0')).toMatchObject({ lane: 'passthrough', owner: 'host', driver: 'ixgbe' });
  });

  test('a refused block leaves a stopped device stopped', () => {
    const run = still('');
    expect(type(run, 'device nic0 blocked').ok).toBe(false);
    run.advance(run.simulation.now + 1e6);
    expect(device(run, 'nic0').counts.requests).toBe(0);
  });
});

test('a device can be found by name and by address', () => {
  const { machine } = session('').simulation;
  expect(machine.find('03:00.0')).toBe(machine.find('nic0'));
  expect(machine.find('nic0')?.model.name).toBe('nic0');
  expect(machine.find('03:00.1')).toBeUndefined();
});

test('with swiotlb=force drivers in passthrough work on copies, and what they do corrupts nothing', () => {
  for (const boot of [PASSTHROUGH, '']) {
    const run = session(`${boot} swiotlb=force`);
    run.advance(2e6);
    expect(device(run, 'nic0').counts.requests).toBeGreaterThan(0);
    expect(corrupted(run).filter((page) => page.device !== 'tb0')).toEqual([]);
    const transactions = run.simulation.journal.transactions.get('nic0') ?? [];
    expect(transactions.map(({ landed }) => landed)).toContain('bounce buffers');
  }
});

describe("a write to another device's registers", () => {
  const NVME_REGISTERS = '0xf0100000';

  test.each([PASSTHROUGH, ''])('with "%s" reaches them and no memory', (boot) => {
    const run = still(boot);
    expect(type(run, `dma nic0 write ${NVME_REGISTERS} 4`).text).toContain('(nvme0 registers)');
    expect(corrupted(run)).toEqual([]);
  });

  test.each([LAZY, STRICT])('with "%s" is refused: nobody maps registers', (boot) => {
    const run = still(boot);
    expect(type(run, `dma nic0 write ${NVME_REGISTERS} 4`).text).not.toContain('registers)');
    expect(run.snapshot().faults).toMatchObject([{ device: 'nic0' }]);
  });

  /** Registers of 00:14.2, in the slot of usb0, without access control. */
  const PEER = '0xf0600000';

  test.each(['', PASSTHROUGH, LAZY, STRICT])(
    'in the same slot, with "%s", reaches them without the unit: no count, no fault',
    (boot) => {
      const run = still(boot);
      const before = run.snapshot().counters;
      const { counts } = device(run, 'usb0');
      const text = type(run, `dma usb0 write ${PEER} 4`).text;
      expect(text).toBe(
        'It wrote 0xf0600000 (00:14.2 registers): routed there below the IOMMU, which never saw it (no ACS request redirect).',
      );
      expect(run.snapshot().counters).toEqual(before);
      expect(device(run, 'usb0').counts).toEqual({ ...counts, requests: 1, bytes: 4 });
      expect(run.snapshot().faults).toEqual([]);
      expect(run.snapshot().events.at(-1)).toMatchObject({ how: 'past the IOMMU', actor: 'usb0' });
    },
  );

  test('in the same slot is no matter of tables, and nor is what a guest is given', () => {
    const run = still(STRICT);
    type(run, 'device usb0 guest A; workload usb0 stop');
    expect(type(run, `dma usb0 write ${PEER} 4`).text).toContain('never saw it');
    expect(type(run, `dma usb0 write ${PEER.replace('6', '1')} 4`).text).toMatch(/^Blocked: fault 0x05/);
  });

  test('by a device of a guest is refused', () => {
    const run = still(PASSTHROUGH);
    type(run, `dma gpu0 write ${NVME_REGISTERS} 4`);
    expect(run.snapshot().faults).toMatchObject([{ device: 'gpu0' }]);
  });
});
