import { describe, expect, test } from 'vitest';
import { defaultBuild } from '../../source/linux/boot/policy.ts';
import { KernelRefusal } from '../../source/linux/refusal.ts';
import type { KernelVersion } from '../../source/linux/version.ts';
import { DATA, Host, id, MiB, pciFunction } from '../support/host.ts';

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

  test.each([
    ['5.12', 'fault 0x06'],
    // The recorded Linux: entries of buffers that its disks write to end in 003.
    ['6.12', '0x1000000'],
    ['6.16', 'fault 0x06'],
  ] as const)(
    'Linux %s: a buffer to be sent cannot be written; one to be received, read: %s',
    (version, read) => {
      const host = new Host(STRICT, { build: { ...defaultBuild, version } });
      const sent = map(host, PAGE, DATA, 'toDevice').address;
      const received = map(host, PAGE, DATA, 'fromDevice').address;
      expect([host.dma(NIC, 'read', sent), host.dma(NIC, 'write', sent)]).toEqual([
        '0x1000000',
        'fault 0x05',
      ]);
      expect([host.dma(NIC, 'write', received), host.dma(NIC, 'read', received)]).toEqual([
        '0x1000000',
        read,
      ]);
    },
  );

  test('two megabytes, aligned, take one large page; with sp_off 512 small ones', () => {
    const leaves = (line: string) => {
      const host = new Host(line);
      map(host, 2 * MiB);
      const { attached } = host.kernel.device(nic);
      return attached !== null && 'table' in attached ? attached.table?.leaves : null;
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

  test('an unmap of large and small pages is one invalidation for each size', () => {
    const host = new Host(STRICT);
    const mapping = map(host, 2 * MiB + 16 * PAGE, DATA);
    expect(mapping.address).toBe(0xffc0_0000);
    const domain = host.kernel.device(nic).attached?.did;
    expect(host.during(() => host.kernel.unmap(nic, mapping))).toEqual([
      `iotlb 0x${domain}00f2 0xffc00049`,
      `iotlb 0x${domain}00f2 0xffe00044`,
    ]);
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

  test.each([
    // A timer that is set within tick 0 is due after the ticks that make 10 ms, and one more.
    [250, 0, 16],
    [250, 3.9, 16],
    [250, 4, 20],
    [1000, 0.5, 11],
    [100, 1, 20],
  ])('with %d ticks a second an unmap after %d ms is flushed after %d ms', (timerHz, unmapped, flushed) => {
    const host = new Host(LAZY, { timerHz });
    const mapping = map(host);
    host.clock.advance(unmapped * 1e6);
    host.kernel.unmap(nic, mapping);
    expect(host.during(() => host.clock.advance((flushed - unmapped) * 1e6 - 1))).toEqual([]);
    expect(host.during(() => host.clock.advance(1))).toHaveLength(1);
  });

  test('each CPU has a queue of its own, and the flush of one serves the others', () => {
    const host = new Host(LAZY, { cpus: 2 });
    const mappings = Array.from({ length: 301 }, () => map(host));
    const unmapOn = (cpu: number, from: number, to: number) =>
      host.during(() => {
        for (const one of mappings.slice(from, to)) host.kernel.unmap(nic, one, cpu);
      }).length;
    expect(unmapOn(0, 0, 45)).toBe(0);
    expect(unmapOn(1, 45, 300)).toBe(0);
    expect(unmapOn(1, 300, 301)).toBe(1);
    // The flush covered what waits on CPU 0; its next unmap frees that, and the address is the last one freed.
    expect(unmapOn(0, 300, 300)).toBe(0);
    host.kernel.unmap(nic, map(host), 0);
    expect(map(host).address).toBe(mappings[44].address);
  });

  test('the timer runs on the CPU that set it, whose magazines get what all others queued: fq_flush_timeout of Linux 6.12', () => {
    const host = new Host(LAZY, { cpus: 2 });
    const [first, second] = [map(host), map(host)];
    host.kernel.unmap(nic, first, 1);
    host.kernel.unmap(nic, second, 0);
    host.clock.advance(10e6);
    const on = (cpu: number) => host.kernel.map(nic, DATA, PAGE, 'both', cpu).address;
    expect([first.address, second.address]).not.toContain(on(0));
    expect(new Set([on(1), on(1)])).toEqual(new Set([first.address, second.address]));
  });

  test('a flush because of a full queue leaves the timer running', () => {
    const host = new Host(LAZY);
    const mappings = Array.from({ length: 256 }, () => map(host));
    host.kernel.unmap(nic, mappings[0]);
    host.clock.advance(6e6);
    for (const one of mappings.slice(1)) host.kernel.unmap(nic, one);
    expect(host.during(() => host.clock.advance(4e6 - 1))).toEqual([]);
    expect(host.during(() => host.clock.advance(1))).toHaveLength(1);
  });

  test('tables that an unmap frees are not used again before the flush, and the unmap does not wait', () => {
    const host = new Host(`${LAZY} intel_iommu=sp_off`);
    const mapping = map(host, 2 * MiB);
    host.dma(NIC, 'write', mapping.address);
    expect(host.during(() => host.kernel.unmap(nic, mapping))).toEqual([]);
    const other = map(host, 2 * MiB, DATA + 4 * MiB);
    // The unit still walks the old table, by its paging-structure cache, and finds what it held.
    expect(host.dma(NIC, 'write', mapping.address + PAGE)).toBe('0x1001000');
    expect(host.dma(NIC, 'write', other.address)).toBe(`0x${(DATA + 4 * MiB).toString(16)}`);
    host.clock.advance(10e6);
    expect(host.dma(NIC, 'write', mapping.address + PAGE)).toBe('fault 0x05');
  });

  test('a domain without devices is not flushed', () => {
    const host = new Host(LAZY);
    host.kernel.unmap(nic, map(host));
    host.kernel.claim(nic);
    expect(host.during(() => host.clock.advance(10e6))).toEqual([]);
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

describe('a list of pieces', () => {
  const pieces = [
    { physical: DATA + 0x800, bytes: 0x800 },
    { physical: DATA + 8 * PAGE, bytes: 2 * PAGE },
    { physical: DATA + 3 * PAGE, bytes: 0x200 },
  ];

  test('is one range for the device where addresses are translated', () => {
    const host = new Host(STRICT);
    const mappings = host.kernel.mapList(nic, pieces, 'both');
    expect(mappings.map(({ address, bytes }) => [address, bytes])).toEqual([[0xffff_c800, 0x800 + 0x2200]]);
    expect([0, 0x800, 0x1800, 0x2800].map((at) => host.dma(NIC, 'read', 0xffff_c800 + at))).toEqual([
      '0x1000800',
      '0x1008000',
      '0x1009000',
      '0x1003000',
    ]);
    expect(host.during(() => host.kernel.unmap(nic, mappings[0]))).toHaveLength(1);
  });

  test('stays a list where they are not', () => {
    const host = new Host('intel_iommu=on iommu=pt');
    expect(host.kernel.mapList(nic, pieces, 'both').map(({ address }) => address)).toEqual(
      pieces.map(({ physical }) => physical),
    );
  });

  test('cannot have a piece that ends within a page before the last', () => {
    const host = new Host(STRICT);
    expect(() => host.kernel.mapList(nic, [pieces[2], pieces[0]], 'both')).toThrow(RangeError);
  });
});

describe('addresses above 4 GiB', () => {
  /** Map 1 GiB buffers until none fits below 4 GiB. The memory behind them does not matter here. */
  const fill = (version: KernelVersion) => {
    const host = new Host(LAZY, { build: { ...defaultBuild, version } });
    host.kernel.bindDriver(nic, 'ixgbe');
    const buffers = Array.from({ length: 4 }, () => map(host, 1024 * MiB, 0));
    return { host, buffers };
  };

  test('come when none is left below, and Linux says so once', () => {
    const { host, buffers } = fill('6.12');
    // The interrupt window takes the uppermost gigabyte, page 0 the lowest.
    expect(buffers.map(({ address }) => address)).toEqual([
      0x8000_0000,
      0x4000_0000,
      2 ** 39 - 2 ** 30,
      2 ** 39 - 2 ** 31,
    ]);
    expect(host.log.filter((line) => line.includes('DMA addresses'))).toEqual([
      'ixgbe 0000:03:00.0: Using 39-bit DMA addresses',
    ]);
  });

  test('since Linux 6.4 a device that once took one does not go back below 4 GiB; before, it tries each time', () => {
    const small = (version: KernelVersion) => map(fill(version).host).address;
    expect(small('6.12')).toBeGreaterThan(2 ** 32);
    expect(small('6.1')).toBeLessThan(2 ** 32);
  });

  test('are the first with forcedac', () => {
    expect(map(new Host(`${LAZY} iommu.forcedac=1`)).address).toBe(2 ** 39 - PAGE);
  });

  test('are nothing for a device of 32 bits', () => {
    const functions = [pciFunction(NIC, { dmaMask: 2 ** 32 - 1 })];
    const host = new Host(`${LAZY} iommu.forcedac=1`, { functions });
    expect(map(host).address).toBe(0xffff_f000);
  });
});

test('addresses in a window of the host bridge are never handed out: they would reach another device', () => {
  const windows = [{ start: 0xf000_0000, end: 0xfec0_0000 }];
  const host = new Host(LAZY, { windows });
  expect(map(host, 32 * MiB).address).toBe(0xee00_0000);
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

describe('a device with a DMA mask of 20 bits', () => {
  const NARROW = '05:00.0';
  const narrow = id(NARROW);
  const functions = [pciFunction(NARROW, { dmaMask: 0xf_ffff, driver: 'snd' }), pciFunction('03:00.0')];
  const PASSED = 'intel_iommu=on iommu=pt';
  const hostOf = (line: string) => new Host(line, { functions });

  test.each([PASSED, 'intel_iommu=off'])('with "%s" is given a copy below its mask', (line) => {
    const host = hostOf(line);
    host.memory.write32(DATA + 8, 0x1111);
    const mapping = host.kernel.map(narrow, DATA, 2 * PAGE, 'both');
    expect(mapping.address + 2 * PAGE - 1).toBeLessThanOrEqual(0xf_ffff);
    expect(host.memory.read32(mapping.address + 8)).toBe(0x1111);
    host.memory.write32(mapping.address + PAGE + 4, 0x2222);
    expect(host.memory.read32(DATA + PAGE + 4)).not.toBe(0x2222);
    host.kernel.unmap(narrow, mapping);
    expect(host.memory.read32(DATA + PAGE + 4)).toBe(0x2222);
  });

  test('pays for the bytes, once for each way', () => {
    const cyclesOf = (bytes: number, direction: 'toDevice' | 'both') => {
      const host = hostOf(PASSED);
      const before = host.kernel.cycles;
      host.kernel.unmap(narrow, host.kernel.map(narrow, DATA, bytes, direction));
      return host.kernel.cycles - before;
    };
    expect(cyclesOf(8192, 'toDevice')).toBe(2 * cyclesOf(4096, 'toDevice'));
    expect(cyclesOf(4096, 'both')).toBe(2 * cyclesOf(4096, 'toDevice'));
    expect(cyclesOf(4096, 'toDevice')).toBeGreaterThan(0);
  });

  test('is given what it reaches as it is, and so is a device that reaches all', () => {
    const host = hostOf(PASSED);
    expect(host.kernel.map(narrow, 0x1_0000, PAGE, 'both').address).toBe(0x1_0000);
    expect(host.kernel.map(nic, DATA, PAGE, 'both').address).toBe(DATA);
  });

  test('where it is translated is given an address below its mask, and no copy', () => {
    const host = hostOf(STRICT);
    const { address, bounced } = host.kernel.map(narrow, DATA, PAGE, 'both');
    expect(address).toBeLessThanOrEqual(0xf_ffff);
    expect(bounced).toBeUndefined();
    expect(host.dma(NARROW, 'write', address)).toBe('0x1000000');
  });

  test('is refused without a pool, and with more than 256 KiB at once', () => {
    expect(() => hostOf(`${PASSED} swiotlb=noforce`).kernel.map(narrow, DATA, PAGE, 'both')).toThrow(
      /above its mask 0xfffff/,
    );
    expect(() => hostOf(PASSED).kernel.map(narrow, DATA, MiB, 'both')).toThrow(KernelRefusal);
  });

  test('uses pages in a row again, and is refused when there are none', () => {
    const host = hostOf(PASSED);
    for (let i = 0; i < 500; i++) host.kernel.unmap(narrow, host.kernel.map(narrow, DATA, 8 * PAGE, 'both'));
    expect(() => {
      for (let i = 0; i < 500; i++) host.kernel.map(narrow, DATA, 8 * PAGE, 'both');
    }).toThrow('the SWIOTLB buffer is full');
  });

  test('with swiotlb=force a device that reaches all is bounced too, unless it is translated', () => {
    const forced = (line: string) => hostOf(`${line} swiotlb=force`).kernel.map(nic, DATA, PAGE, 'both');
    expect(forced(PASSED).address).toBeLessThan(MiB);
    expect(forced(STRICT).bounced).toBeUndefined();
  });
});

describe('an untrusted device', () => {
  const stranger = id('07:00.0');
  const STRANGER = '07:00.0';
  const neighbour = 0x5ec2_e700;

  const shared = (host: Host) => {
    host.memory.write32(DATA + 0xf0, neighbour);
    host.memory.write32(DATA + 0x100, 0x1111);
    return host.kernel.map(stranger, DATA + 0x100, 0x40, 'both');
  };

  const at = (host: Host, address: number): number => {
    const reached = host.dma(STRANGER, 'read', address);
    return host.memory.read32(Number(reached));
  };

  test('gets a copy of a buffer that shares its page, and nothing of what else lies there', () => {
    const host = new Host(STRICT);
    const { address } = shared(host);
    expect(address % PAGE).toBe(0x100);
    expect([at(host, address), at(host, address - 0x10)]).toEqual([0x1111, 0]);
    expect(Number(host.dma(STRANGER, 'write', address))).not.toBe(DATA + 0x100);
  });

  test('what it wrote is in the buffer after the unmap, and beside it nothing', () => {
    const host = new Host(STRICT);
    const mapping = shared(host);
    const reached = Number(host.dma(STRANGER, 'write', mapping.address));
    host.memory.write32(reached, 0x2222);
    host.memory.write32(reached - 0x10, 0xbad);
    host.kernel.unmap(stranger, mapping);
    expect([host.memory.read32(DATA + 0x100), host.memory.read32(DATA + 0xf0)]).toEqual([0x2222, neighbour]);
    expect(host.dma(STRANGER, 'write', mapping.address)).toBe('fault 0x05');
  });

  test('a buffer that is only sent is not copied back', () => {
    const host = new Host(STRICT);
    host.memory.write32(DATA + 0x100, 0x1111);
    const mapping = host.kernel.map(stranger, DATA + 0x100, 0x40, 'toDevice');
    host.memory.write32(Number(host.dma(STRANGER, 'read', mapping.address)), 0x2222);
    host.kernel.unmap(stranger, mapping);
    expect(host.memory.read32(DATA + 0x100)).toBe(0x1111);
  });

  test('a buffer over a page border is bounced whole, bytes at both ends too', () => {
    const host = new Host(STRICT);
    for (let i = 0; i < 8; i++) host.memory.write32(DATA + 0xff0 + 4 * i, 0x0101_0101 * (i + 1));
    const mapping = host.kernel.map(stranger, DATA + 0xff2, 0x1c, 'both');
    expect(at(host, mapping.address - 2)).toBe(0x0101_0000);
    expect(at(host, mapping.address - 2 + 0x1c)).toBe(0x0000_0808);
    host.kernel.unmap(stranger, mapping);
    expect(host.memory.read32(DATA + 0xff0)).toBe(0x0101_0101);
  });

  test('whole pages need no copy', () => {
    const host = new Host(STRICT);
    const { address } = host.kernel.map(stranger, DATA, 2 * PAGE, 'both');
    expect(host.dma(STRANGER, 'write', address)).toBe('0x1000000');
  });

  test('pages that stood in are used again', () => {
    const host = new Host(STRICT);
    for (let i = 0; i < 1000; i++) host.kernel.unmap(stranger, shared(host));
    expect(shared(host).address % PAGE).toBe(0x100);
  });

  test('without a pool the mapping fails, which Linux says once; whole pages still go', () => {
    const host = new Host(`${STRICT} swiotlb=noforce`);
    expect(() => shared(host)).toThrow(KernelRefusal);
    expect(() => shared(host)).toThrow(KernelRefusal);
    expect(host.log.filter((line) => line.includes('bounce'))).toEqual([
      'pci 0000:07:00.0: DMA bounce buffers are inactive, unable to map unaligned transaction.',
    ]);
    expect(host.kernel.map(stranger, DATA, PAGE, 'both').bytes).toBe(PAGE);
  });

  test('with nobounce of an old kernel it sees the whole page', () => {
    const host = new Host('intel_iommu=on,nobounce', { build: { ...defaultBuild, version: '5.10' } });
    const { address } = shared(host);
    expect(at(host, address - 0x10)).toBe(neighbour);
  });
});
