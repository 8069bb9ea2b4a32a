import { describe, expect, test } from 'vitest';
import { KernelRefusal } from '../../source/linux/refusal.ts';
import { DATA, Host, id, MiB } from '../support/host.ts';

const NIC = '03:00.0';
const nic = id(NIC);
const LAZY = 'intel_iommu=on';
const STRICT = 'intel_iommu=on iommu.strict=1';
const PAGE = 4096;

const map = (
  host: Host,
  bytes = PAGE,
  physical = DATA,
  direction: 'toDevice' | 'fromDevice' | 'both' = 'both',
) => host.kernel.map(nic, physical, bytes, direction);

describe('in every translated domain', () => {
  test.each([STRICT, LAZY])(
    '%s: a device reaches what is mapped for it, at the address it was told',
    (line) => {
      const host = new Host(line);
      const { address } = map(host, 100, DATA + 0x123);
      expect(address).toBe(0xffff_f123);
      expect(host.dma(NIC, 'write', address)).toBe(`0x${(DATA + 0x123).toString(16)}`);
    },
  );

  test('the granule is a page: the rest of it is reachable too', () => {
    const host = new Host(STRICT);
    const { address } = map(host, 100, DATA + 0x123);
    expect(host.dma(NIC, 'write', address - 0x123)).toBe(`0x${DATA.toString(16)}`);
    expect(host.dma(NIC, 'write', address - 0x124)).toBe('fault 0x05');
  });

  test('a buffer that crosses a page border takes two pages', () => {
    const host = new Host(STRICT);
    expect(map(host, 0x200, DATA + 0xf00).address).toBe(0xffff_ef00);
  });

  test('a buffer to be sent cannot be written, one to be received cannot be read', () => {
    const host = new Host(STRICT);
    const sent = map(host, PAGE, DATA, 'toDevice').address;
    const received = map(host, PAGE, DATA, 'fromDevice').address;
    expect([host.dma(NIC, 'read', sent), host.dma(NIC, 'write', sent)]).toEqual(['0x1000000', 'fault 0x05']);
    expect([host.dma(NIC, 'write', received), host.dma(NIC, 'read', received)]).toEqual([
      '0x1000000',
      'fault 0x06',
    ]);
  });

  test('two megabytes, aligned, take one large page; with sp_off 512 small ones', () => {
    const leaves = (line: string) => {
      const host = new Host(line);
      map(host, 2 * MiB);
      const { attached } = host.kernel.device(nic);
      return attached?.type === 'identity' ? null : attached?.table.leaves;
    };
    expect(leaves(STRICT)).toEqual([0, 0, 1, 0]);
    expect(leaves(`${STRICT} intel_iommu=sp_off`)).toEqual([0, 512, 0, 0]);
  });

  test('one device cannot use what was mapped for another', () => {
    const host = new Host(STRICT);
    const { address } = map(host);
    expect(host.dma('04:00.0', 'write', address)).toBe('fault 0x05');
  });
});

describe('strict', () => {
  test('after an unmap no DMA reaches the page, though its translation was cached', () => {
    const host = new Host(STRICT);
    const mapping = map(host);
    host.dma(NIC, 'write', mapping.address);
    host.kernel.unmap(nic, mapping);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('fault 0x05');
    expect(host.dma(NIC, 'read', mapping.address)).toBe('fault 0x06');
  });

  test('after an unmap of many pages none of them is reachable', () => {
    const host = new Host(STRICT);
    const mapping = map(host, 16 * PAGE);
    for (let i = 0; i < 16; i++) host.dma(NIC, 'write', mapping.address + i * PAGE);
    host.kernel.unmap(nic, mapping);
    for (let i = 0; i < 16; i++)
      expect(host.dma(NIC, 'write', mapping.address + i * PAGE)).toBe('fault 0x05');
  });

  test('a freed address is handed out again at once, for other memory', () => {
    const host = new Host(STRICT);
    const mapping = map(host);
    host.dma(NIC, 'write', mapping.address);
    host.kernel.unmap(nic, mapping);
    const again = map(host, PAGE, DATA + 5 * PAGE);
    expect(again.address).toBe(mapping.address);
    expect(host.dma(NIC, 'write', again.address)).toBe('0x1005000');
  });

  test('after tables were freed and used again, walks do not go through the old ones', () => {
    const host = new Host(`${STRICT} intel_iommu=sp_off`);
    const mapping = map(host, 2 * MiB);
    host.dma(NIC, 'write', mapping.address);
    host.kernel.unmap(nic, mapping);
    const again = map(host, 2 * MiB, DATA + 4 * MiB);
    expect(host.dma(NIC, 'write', again.address)).toBe(`0x${(DATA + 4 * MiB).toString(16)}`);
  });
});

describe('lazy', () => {
  test('after an unmap a page stays reachable while its translation is cached, and until the flush', () => {
    const host = new Host(LAZY);
    const mapping = map(host);
    host.dma(NIC, 'write', mapping.address);
    host.kernel.unmap(nic, mapping);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('0x1000000');
    host.clock.advance(10e6 - 1);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('0x1000000');
    host.clock.advance(1);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('fault 0x05');
  });

  test('after an unmap a page that was not cached is gone at once: the table entry is clear', () => {
    const host = new Host(LAZY);
    const mapping = map(host);
    host.kernel.unmap(nic, mapping);
    expect(host.dma(NIC, 'write', mapping.address)).toBe('fault 0x05');
  });

  test('a freed address is not handed out before the flush', () => {
    const host = new Host(LAZY);
    const mapping = map(host);
    host.kernel.unmap(nic, mapping);
    expect(map(host).address).not.toBe(mapping.address);
    host.clock.advance(10e6);
    expect(map(host).address).toBe(mapping.address);
  });

  test('255 unmaps wait; the 256th flushes them first', () => {
    const host = new Host(LAZY);
    const mappings = Array.from({ length: 256 }, () => map(host));
    host.dma(NIC, 'write', mappings[0].address);
    const unmapped = host.during(() => {
      for (const one of mappings.slice(0, 255)) host.kernel.unmap(nic, one);
    });
    expect(unmapped).toEqual([]);
    expect(host.dma(NIC, 'write', mappings[0].address)).toBe('0x1000000');
    expect(host.during(() => host.kernel.unmap(nic, mappings[255]))).toHaveLength(1);
    expect(host.dma(NIC, 'write', mappings[0].address)).toBe('fault 0x05');
    expect(host.during(() => host.clock.advance(10e6))).toHaveLength(1);
    expect(host.during(() => host.clock.advance(100e6))).toEqual([]);
  });

  test('a thousand buffers used one after another cost about four flushes, in strict mode a thousand', () => {
    const cost = (line: string) => {
      const host = new Host(line);
      return host.during(() => {
        for (let i = 0; i < 1000; i++) {
          const mapping = map(host);
          host.dma(NIC, 'write', mapping.address);
          host.kernel.unmap(nic, mapping);
        }
      }).length;
    };
    expect(cost(LAZY)).toBe(3);
    expect(cost(STRICT)).toBe(1000);
    expect(cost('intel_iommu=on iommu=pt')).toBe(0);
    expect(cost('')).toBe(0);
  });
});

describe('where nothing is translated', () => {
  test.each(['intel_iommu=on iommu=pt', ''])(
    '"%s": addresses are physical, and mapping changes nothing',
    (line) => {
      const host = new Host(line);
      const mapping = map(host, 100, DATA + 0x123);
      expect(mapping.address).toBe(DATA + 0x123);
      host.kernel.unmap(nic, mapping);
      expect(host.dma(NIC, 'write', mapping.address)).toBe('0x1000123');
    },
  );

  test('CPU cycles go to mapping only where something is translated, and most in strict mode', () => {
    const cycles = (line: string) => {
      const host = new Host(line);
      for (let i = 0; i < 10; i++) host.kernel.unmap(nic, map(host));
      return host.kernel.cycles;
    };
    expect([cycles(''), cycles('intel_iommu=on iommu=pt')]).toEqual([0, 0]);
    expect(cycles(STRICT)).toBeGreaterThan(cycles(LAZY));
    expect(cycles(LAZY)).toBeGreaterThan(0);
  });
});

test('the DMA API refuses a device that VFIO owns', () => {
  const host = new Host(LAZY);
  host.kernel.claim(nic);
  host.kernel.attachUnmanaged(nic, 1);
  expect(() => map(host)).toThrow(KernelRefusal);
});
