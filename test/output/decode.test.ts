import { describe, expect, test } from 'vitest';
import { kinds } from '../../source/output/decode/kinds.ts';
import { type Decoded, DecodeError, decode, decodedJson, decodedText } from '../../source/output/decode.ts';

/** Words as a shell would split them, with the fields by name. */
function decoded(line: string): Decoded & { values: Record<string, string> } {
  const result = decode(line.split(' '));
  return { ...result, values: Object.fromEntries(result.fields.map(({ name, value }) => [name, value])) };
}

describe('golden values', () => {
  test.each([
    ['root-entry 0x10303E001', { P: '1', CTP: '0x10303e000' }],
    ['context-entry 0x10303F005 0x102', { P: '1', TT: '1', SSPTPTR: '0x10303f000', AW: '2', DID: '0x1' }],
    ['context-entry 0x9 0x102', { P: '1', TT: '2', SSPTPTR: '0x0', AW: '2', DID: '0x1' }],
    ['CAP 0x00D2008C40660462', { ND: '2', PLMR: '1', PHMR: '1', CM: '0', SAGAW: '4', MGAW: '38', ZLR: '1' }],
    [
      'CAP 0x00D2008C40660462',
      { FRO: '0x40', SSLPS: '3', PSI: '1', NFR: '0x0', MAMV: '18', DWD: '1', DRD: '1' },
    ],
    [
      'ECAP 0x0000000000F050DA',
      { QI: '1', IR: '1', EIM: '1', PT: '1', SC: '1', C: '0', DT: '0', IRO: '0x50' },
    ],
    [
      'CAP 0x01C0000C40660462',
      { PSI: '0', MAMV: '0', SAGAW: '4', MGAW: '38', DWD: '1', DRD: '1', FS1GP: '1' },
    ],
    ['ECAP 0x0000019E2FF0505E', { DT: '1', MTS: '1', NEST: '1', PRS: '1', NWFS: '1', PSS: '19', PASID: '1' }],
    ['CAP 0x00D2008C22260206', { ND: '6', SAGAW: '2', MGAW: '38', FRO: '0x22', CM: '0' }],
    ['CAP 0x00D2008C22260286', { CM: '1' }],
    ['ECAP 0x0000000000F00F5A', { IRO: '0xf', QI: '1', IR: '1', EIM: '1', PT: '1' }],
    ['GSTS 0xc7000000', { TES: '1', RTPS: '1', QIES: '1', IRES: '1', IRTPS: '1', CFIS: '0', WBFS: '0' }],
    ['fault-record 0xfffff000 0x8000000500000300', { F: '1', T1: '0', FR: '0x5', SID: '0x300' }],
  ])('%s', (line, values) => {
    expect(decoded(line).values).toMatchObject(values);
  });
});

describe('sentences', () => {
  test.each([
    [
      'root-entry 0x10303e001',
      'The devices of this bus have their context entries in the table at 0x10303e000.',
    ],
    ['root-entry 0', 'Not present: requests of every device on this bus end in fault 0x01'],
    [
      'context-entry 0x2b6a001 0x202',
      'This device is translated by tables at 0x2b6a000, 4 levels, domain 2.',
    ],
    ['context-entry 0x9 0x102', 'This device is in passthrough: its addresses are used unchanged; domain 1.'],
    [
      'context-entry 0xd 0x102',
      'TT = 11b is reserved: on every unit a request through it ends in fault 0x03',
    ],
    ['context-entry 0x10303f005 0x102', 'On skylake, qemu-39, qemu a request through it ends in fault 0x03'],
    ['context-entry 0x1001 0x101', 'tables of this width (AW 1) are not supported.'],
    ['context-entry 0x9 0x101', 'in passthrough AW must be the largest width of the unit.'],
    ['context-entry 0x2 0', 'Not present: requests of this device end in fault 0x02'],
    ['context-entry 0x2 0', 'FPD is set'],
    ['context-entry 0x1001 0x0', 'reserved address width 0'],
    ['paging-entry 1 0x5003', 'Maps a page of 4 KiB at 0x5000, for reading and writing.'],
    ['paging-entry 2 0x40000083', 'Maps a page of 2 MiB at 0x40000000'],
    ['paging-entry 3 0x40000081', 'Maps a page of 1 GiB at 0x40000000, for reading only.'],
    ['paging-entry 3 0x40000081', 'A write ends in fault 0x05 (no write permission).'],
    ['paging-entry 3 0x5002', 'Points to the table of level 2 (PD) at 0x5000, for writing only.'],
    ['paging-entry 5 0x5003', 'Entry of level 5 (PML5). Points to the table of level 4 (PML4)'],
    ['paging-entry 1 0', 'Not present: a read ends in fault 0x06'],
    ['CAP 0x00d2008c40660462', '256 domains; 1 fault record at 0x400.'],
    ['CAP 0x00d2008c222f0606', 'Second-stage tables of 3 levels (39 bits) and 4 levels (48 bits)'],
    ['CAP 0x00d2008c22260286', 'Caching mode: a new mapping needs an invalidation, too.'],
    ['CAP 0x17', 'ND = 7 is reserved.'],
    [
      'ECAP 0xf050da',
      'Has queued invalidation, interrupt remapping, x2APIC interrupt mode, pass-through and snoop',
    ],
    ['ECAP 0', 'Without PT there is no passthrough in hardware'],
    ['GSTS 0xc7000000', 'DMA remapping is on: every request is looked up in the tables.'],
    ['gsts_reg 0', 'DMA remapping is off: requests reach memory with their addresses unchanged.'],
    ['RTADDR 0x10000', 'The root table lies at 0x10000, in legacy mode.'],
    ['RTADDR 0x10400', 'in scalable mode.'],
    ['RTADDR 0x10800', 'The table mode is reserved: requests end in fault 0x30'],
    ['RTADDR 0x10c00', 'Every DMA is refused (abort-DMA mode).'],
    ['CCMD 0xe000000003000005', 'Asked for: 03:00.0, function mask 0.'],
    ['CCMD 0x0800000000000000', 'Carried out: everything.'],
    ['FSTS 0x3', 'At least one more fault found no free record and is lost.'],
    ['FSTS 0x10', 'The invalidation queue stopped at a descriptor'],
    ['FSTS 0', 'No fault and no error is pending.'],
    ['FECTL 0xc0000000', 'One is waiting to be sent.'],
    ['IQA 0x5000', 'The invalidation queue lies at 0x5000 and has 256 descriptors of 128 bits.'],
    ['IQA 0x5801', 'has 256 descriptors of 256 bits.'],
    ['IQERCD 0x3', 'The queue stopped: descriptor of an invalid type.'],
    ['IQERCD 0x30000000000', '03:00.0 did not answer a device-TLB invalidation in time.'],
    ['IVA 0xffffc042', 'the 4 pages from 0xffffc000 to 0xffffffff.'],
    ['IVA 0x3f', 'drops all pages.'],
    ['IOTLB 0xb003000500000000', 'Asked for: the pages of IVA in domain 5.'],
    [
      'fault-record 0xfffff000 0x8000000500000300',
      'The write of 03:00.0 at 0xfffff000 was refused: no write',
    ],
    [
      'fault-record 0xfffff000 0x8000000500000300',
      'Linux prints: DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xfffff000 [fault reason 0x05]',
    ],
    ['fault-record 0x1000 0xd000000600000300', 'The translation request of 03:00.0'],
    ['fault-record 0x2e000000000000 0x8000002200000300', 'The interrupt request of 03:00.0 with index 0x2e'],
    ['fault-record 0x1000 0x500000300', 'Free: it holds no fault'],
    ['scalable-root-entry 0 0x5001', 'Devices 0x00 to 0x0f: not present, requests end in fault 0x39'],
    ['scalable-root-entry 0 0x5001', 'Devices 0x10 to 0x1f of this bus have their context entries'],
    ['scalable-context-entry 0x1000e1d 0x10003', 'at 0x1000000, for PASIDs below 0x100000.'],
    ['scalable-context-entry 0x100041d 0x3', 'Its requests without PASID are looked up as PASID 3.'],
    ['scalable-context-entry 0x100041d 0x3', 'Allowed: requests with PASID, a device TLB, page requests.'],
    ['scalable-context-entry 0x0 0x0', 'requests of this device end in fault 0x41'],
    ['pasid-directory-entry 0x2', 'requests with these 64 PASIDs end in fault 0x51'],
    ['pasid-directory-entry 0x2', 'FPD is set: faults of these PASIDs'],
    [
      'pasid-table-entry 0x109 0x1 0x0',
      'PGTT = 100b: in passthrough, addresses are used unchanged; domain 1.',
    ],
    [
      'pasid-table-entry 0x49 0x2 0x5020',
      'PGTT = 001b: translated by the first-stage tables at 0x5000, 4 levels',
    ],
    ['pasid-table-entry 0x49 0x2 0x5020', 'On qemu-scalable a request through it ends in fault 0x5b'],
    ['pasid-table-entry 0x6089 0x2 0x0', 'the second-stage tables at 0x6000, 4 levels; domain 2.'],
    ['pasid-table-entry 0x60c9 0x2 0x5000', 'nested, translated by the first-stage tables at 0x5000'],
    ['pasid-table-entry 0x9 0x0 0x0', 'PGTT = 000b is reserved'],
    ['pasid-table-entry 0x0 0x0 0x0', 'requests with this PASID end in fault 0x59'],
    ['first-stage-entry 1 0x5005', 'Maps a page of 4 KiB at 0x5000, for reading only.'],
    ['first-stage-entry 1 0x5005', 'A write ends in fault 0x85'],
    ['first-stage-entry 3 0x5003', 'Supervisor only: a user request ends in fault 0x81'],
    ['first-stage-entry 1 0x5002', 'Not present: a request ends in fault 0x71'],
  ])('%s: %s', (line, sentence) => {
    expect(decoded(line).means.join('\n')).toContain(sentence);
  });
});

describe('descriptors find their type and say what they drop', () => {
  test.each([
    ['0x11 0', 'Drops every entry of the context cache.'],
    ['0x50021 0', 'Drops the context-cache entries of domain 5.'],
    ['0x0000030000050031 0', 'Drops the context-cache entry of 03:00.0, which was in domain 5.'],
    ['0x0003030000050031 0', '03:00.0, all functions,'],
    ['0xD2 0', 'Drops every translation from the IOTLB'],
    ['0xD2 0', 'Before it completes, reads and writes in flight are finished.'],
    ['0x00000000000500E2 0', 'Drops every translation of domain 5 from the IOTLB.'],
    ['0x00000000000500F2 0x00000000FFFFF040', 'the page from 0xfffff000 to 0xffffffff in domain 5.'],
    ['0x00000000000500F2 0x00000000FFFFC042', 'the 4 pages from 0xffffc000 to 0xffffffff in domain 5.'],
    ['0x500F2 0xFFFFC042', 'Only last-level entries changed (IH)'],
    ['0x500F2 0xFFFFD042', 'not aligned to that many pages'],
    ['0x500F2 0x13', 'On skylake, qemu-39, qemu the queue stops at it'],
    ['0x0000000200000025 0x1234', 'it writes 0x2 to 0x1234.'],
    ['0x55 0', 'it raises an invalidation-completion interrupt.'],
    ['0x5 0', 'It tells nobody that it is done'],
    ['0x04 0', 'Drops every entry of the interrupt-entry cache.'],
    ['0x500000014 0', 'Drops entry 0x5 of the interrupt-entry cache.'],
    ['0x510000014 0', 'Drops the 4 entries from 0x4 on'],
    ['0x1 0', 'Granularity 0 is reserved'],
    ['0x2 0', 'Granularity 0 is reserved'],
    ['0x30000000003 0xff001', 'Asks 03:00.0 to drop 0x0 to 0x1fffff from its own TLB.'],
    ['0x30000000003 0x7ffffffffffff001', 'Asks 03:00.0 to drop everything from its own TLB.'],
    ['0x503000008 0x1000', 'Asks 03:00.0 to drop 0x1000 to 0x1fff of PASID 5 from its own TLB.'],
    ['0x503000008 0x1001', 'of all PASIDs'],
    ['0x503001019 0x18', 'Tells 03:00.0 about page request group 3 for PASID 5: the request is invalid.'],
    ['0x503002009 0x18', 'group 3: reserved response 2.'],
    ['0x37 0', 'Drops every entry of the PASID cache.'],
    ['0x500020007 0', 'Drops the PASID-cache entries of domain 2.'],
    ['0x500020017 0', 'Drops the PASID-cache entries of PASID 5 in domain 2.'],
    ['0x500020027 0', 'Granularity 2 is reserved'],
    ['0x500020026 0', 'Drops every translation of PASID 5 in domain 2 from the IOTLB.'],
    ['0x500020036 0x3041', 'the 2 pages from 0x2000 to 0x3fff of PASID 5 in domain 2.'],
    ['0x500020036 0x3041', 'not aligned'],
    ['0x500020006 0', 'Granularity 0 is reserved'],
    ['0x37 0', 'In legacy mode the queue stops at it'],
    ['0x0 0', 'There is no such type: the queue stops at it (IQE: descriptor of an invalid type).'],
    ['0x201 0', 'There is no such type'],
    [
      '0x11 0x1',
      'on skylake, qemu-39, qemu the queue stops at it (IQE: reserved field set in a descriptor).',
    ],
  ])('%s: %s', (values, sentence) => {
    expect(decoded(`descriptor ${values}`).means.join('\n')).toContain(sentence);
  });
});

describe('reserved bits', () => {
  test('are listed with the units on which they are reserved', () => {
    const { reserved, means } = decoded('context-entry 0x8800000801 0xff1000202');
    expect(reserved).toEqual([
      { bits: '127:88', value: '0xff1', units: ['skylake', 'qemu-39', 'qemu'] },
      { bits: '47:39', value: '0x1', units: ['skylake', 'qemu-39'] },
      { bits: '11:4', value: '0x80', units: ['skylake', 'qemu-39', 'qemu'] },
    ]);
    expect(means).toContain(
      'Reserved bits 127:88, 11:4 set: on skylake, qemu-39, qemu a request through it ends in fault 0x0b ' +
        '(reserved bits set in the context entry).',
    );
  });

  test('of a domain id depend on the width that the unit has', () => {
    expect(decoded('context-entry 0x1001 0x10002').reserved).toEqual([
      { bits: '87:80', value: '0x1', units: ['skylake'] },
    ]);
  });

  test('do not matter in an entry that is not present', () => {
    const { means } = decoded('root-entry 0x2');
    expect(means.at(-1)).toContain('they do not matter while the entry is not present');
  });

  test('stand between the fields of the text', () => {
    expect(decodedText(decoded('paging-entry 4 0x2083'))).toContain(
      '  7      reserved  0x1     reserved on skylake, qemu-39, qemu\n',
    );
  });
});

describe('interrupt remapping', () => {
  test.each([
    ['irte 0x80024000d 0x40050', 'Vector 0x24 to logical destination 0x8. Only 00:0a.0 may use it.'],
    [
      'irte 0x70000250001 0x0',
      'Vector 0x25 to processor 0x700 (in xAPIC mode 0x7). The sender is not checked',
    ],
    [
      'irte 0x100000041c003 0x20000080305',
      'descriptor at 0x20000010000. Only devices of buses 0x3 to 0x5 may use it. Its faults are not recorded.',
    ],
    ['irte 0x250001 0x70300', 'Only 03:00.0 may use it, any function of it.'],
    ['irte 0x2501a1 0xc0300', 'INIT. SVT is reserved.'],
    ['irte 0x0 0x0', 'Not present: an interrupt through it ends in fault 0x22'],
    [
      'posted-interrupt-descriptor 0x0 0x2 0x0 0x0 0x500f20001 0x0 0x0 0x0',
      'Waiting: 0x41. A notification is under way',
    ],
    [
      'posted-interrupt-descriptor 0x0 0x0 0x0 0x0 0x500f20002 0x0',
      'No interrupt waits. Notifications are suppressed',
    ],
    ['posted-interrupt-descriptor 0x0 0x0 0x0 0x0 0x500f20000', 'notifies with vector 0xf2 at processor 0x5'],
    ['msi 0xfee00218 0x1', 'Asks for entry 0x11 of the interrupt-remapping table.'],
    ['msi 0xfee03000 0x441', 'Vector 0x41 to processor 0x3, NMI, as the sender chose it.'],
    ['msi 0x12345678 0x0', 'an ordinary write and no interrupt'],
    ['ioapic-entry 0x3000000000802', 'Asks for entry 0x8001'],
    [
      'ioapic-entry 0x500000000018931',
      'Vector 0x31 to logical destination 0x5, lowest priority. The message is 0xfee05004 with data 0x8131. Masked',
    ],
    ['IRTA 0x120080f', 'lies at 0x1200000 and has 65536 entries, in x2APIC mode.'],
  ])('%s: %s', (text, sentence) => {
    expect(decoded(text).means.join(' ')).toContain(sentence);
  });

  test('data above bit 15 is reserved in a message that names an entry', () => {
    expect(decoded('msi 0xfee00218 0x10000').means.at(-1)).toContain('fault 0x20');
  });
});

test('what all kinds have in common', () => {
  for (const { name, parameters, hasLevel } of kinds) {
    const result = decode([name, ...(hasLevel ? ['1'] : []), ...parameters.map(() => '0x0')]);
    expect(result).toMatchObject({ kind: name, reserved: [] });
    expect(result.source).toMatch(/^(VT-d|PCIe) chapter/);
    expect(result.means, name).not.toEqual([]);
  }
});

test('one quoted argument is the same as several, and case does not matter', () => {
  const expected = decode(['context-entry', '0x2b6a001', '0x202']);
  expect(decode(['Context-Entry 0x2B6A001 0x202'])).toEqual(expected);
});

test('the JSON has all of it', () => {
  const result = decode(['context-entry', '0x2b6a00d', '0x20f02']);
  const fields = result.fields.map((field) => ({ ...field, value: `0x${Number(field.value).toString(16)}` }));
  expect(JSON.parse(decodedJson(result))).toEqual({ schema: 1, ...result, fields });
  const message = decode([
    'DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x0 [fault reason 0x06]',
  ]);
  expect(JSON.parse(decodedJson(message))).toEqual({ schema: 1, ...message });
});

describe('the order of several values', () => {
  test('is high first with colons, as debugfs prints them, and low first in words', () => {
    const [turned, straight] = ['0x102:0x9', '0x9 0x102'].map((values) => decoded(`context-entry ${values}`));
    expect({ ...turned, order: null }).toEqual({ ...straight, order: null });
    expect([turned.order, straight.order]).toEqual(['high first', 'low first']);
    expect(decodedText(turned)).toContain('\n0x0000000000000102:0x0000000000000009  (high first, ');
    expect(decodedText(straight)).toContain('\n0x0000000000000009 0x0000000000000102  (low first)\n');
    // The third column of dmar_translation_struct has three of eight words.
    expect(decoded('pasid-table-entry 0x5020:0x2:0x49').raw.slice(0, 4)).toEqual([
      '0x0000000000000049',
      '0x0000000000000002',
      '0x0000000000005020',
      '0x0000000000000000',
    ]);
    for (const one of ['GSTS 0', 'msi 0xfee00218 0x0']) expect(decoded(one).order).toBeNull();
  });

  const hint = 'It makes no sense in this order, and would in the other: decode ';

  test.each([
    ['context-entry 0x102 0x9', 'context-entry 0x0000000000000102:0x0000000000000009'],
    ['context-entry 0x9:0x102', 'context-entry 0x0000000000000102:0x0000000000000009'],
    ['root-entry 0x0 0x4106001', 'root-entry 0x0000000000000000:0x0000000004106001'],
    ['irte 0x40050 0x80024000d', 'irte 0x0000000000040050:0x000000080024000d'],
    ['fault-record 0x8000000500000300 0xfffff000', 'fault-record 0x8000000500000300:0x00000000fffff000'],
  ])('%s is told to be the wrong way round', (line, turned) => {
    expect(decoded(line).means[0]).toBe(`${hint}${turned} reads it high first.`);
  });

  test.each([
    'context-entry 0x9 0x102',
    'context-entry 0x0 0x0',
    'descriptor 0x11 0x0',
    'context-entry 0xfff 0x3',
  ])('%s is left as it is', (line) => expect(decoded(line).means.join()).not.toContain(hint));

  test('colons and words together are refused', () => {
    expect(() => decoded('context-entry 0x102:0x9 0x1')).toThrow('expected LO as a hexadecimal value');
    expect(() => decoded('context-entry 0x1:0x2:0x3')).toThrow('expected context-entry LO HI');
  });
});

describe('what cannot be decoded is refused with what was expected', () => {
  test.each([
    [[], 'got nothing'],
    [['contex-entry', '0x1', '0x2'], 'got "contex-entry 0x1 0x2". Did you mean context-entry?'],
    [['GSTA', '0x1'], 'Did you mean GSTS?'],
    [['0x2b6a001', '0x202'], 'got "0x2b6a001 0x202". What kind of value is it?'],
    [['nonsense that is long'], 'got "nonsense that is long"\nIt knows: root-entry, context-entry'],
    [['context-entry', '0x1'], 'expected context-entry LO HI, got "context-entry 0x1"'],
    [['context-entry'], 'expected context-entry LO HI, got "context-entry"'],
    [['GSTS', '0x1', '0x2'], 'expected GSTS VALUE, got "GSTS 0x1 0x2"'],
    [['paging-entry', '0x3'], 'expected paging-entry LEVEL VALUE'],
    [['paging-entry'], 'expected paging-entry LEVEL VALUE'],
    [['paging-entry', '6', '0x3'], 'expected a LEVEL from 1 (the last) to 5, got "6"'],
    [['context-entry', '102', '0x1'], 'got "102". Did you mean 0x102?'],
    [['context-entry', '-1', '0x1'], 'expected LO as a hexadecimal value such as 0x2b6a001, got "-1"'],
    [['GSTS', '0x100000000'], 'expected VALUE of at most 32 bits, got "0x100000000"'],
    [['CAP', '0x10000000000000000'], 'expected VALUE of at most 64 bits'],
    [['CAP', `0x${'f'.repeat(9999)}`], '… (10001 characters)'],
    [['a\u001b[31m\u202e'], 'got "a\\x1b[31m\\u202e"'],
  ])('%j: %s', (words, message) => {
    expect(() => decode(words)).toThrow(DecodeError);
    expect(() => decode(words)).toThrow(message);
  });

  test('the list names every kind, and is short', () => {
    for (const { name } of kinds) expect(() => decode(['?'])).toThrow(new RegExp(` ${name}(,|\n)`));
    expect(() => decode(['?'])).toThrow(/^(.{0,110}\n){0,9}.{0,110}$/);
  });
});

test('zeros in front do not count', () => {
  expect(decode(['GSTS', `0x${'0'.repeat(40)}c7000000`]).raw).toEqual(['0xc7000000']);
});
