import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { faultMessage, faultStatusMessage } from '../../source/linux/log/messages.ts';
import { decode, decodedText } from '../../source/output/decode.ts';
import { faultReasons, isInterruptFault } from '../../source/vtd/faults/fault-reason.ts';
import { faultRecord } from '../../source/vtd/formats/fault-record.ts';

/** What each line of a log says: device, type, PASID, address or index, reason; or the fault status. */
const expected: Readonly<Record<string, readonly string[]>> = {
  'linux-6.12.txt': ['PPF', '00:08.0 write - 0x102000 0x05'],
  'linux-5.17.txt': [
    '03:00.0 read - 0xffffe000 0x06',
    '00:02.0 write 0x12 0x7f0012345000 0x71',
    '03:00.0 interrupt - 0x2e 0x22',
    'PFO PPF FRI=0x1',
    '03:00.0 read - 0x1000 0x05',
    '05:1f.7 write - 0xfee00000 0x0e',
  ],
  'linux-5.14.txt': ['03:00.0 read - 0xfffff000 0x06', '03:1f.7 write 0x1 0xff001000 0x79'],
  'before-5.14.txt': [
    '03:00.0 write - 0xff001000 0x05',
    '00:1f.2 read - 0x7b800000 0x0c',
    '03:00.0 read 0x7 0x1000 0x02',
    'f0:1f.7 interrupt - 0x2e 0x26',
    'PFO PPF',
  ],
  'oldest.txt': [
    '03:00.0 read - 0xffffe000 0x06',
    'PPF',
    '02:00.0 write - 0xfffe0000 -',
    'f0:1f.7 interrupt - 0x2e -',
  ],
};

function summary(line: string): string {
  const { fields, name } = decode([line]);
  const value = (of: string) => fields.find((field) => field.name === of)?.value ?? '-';
  if (name !== 'fault status') {
    const at = value('address') === '-' ? value('index') : value('address');
    return [value('device'), value('type'), value('PASID'), at, value('reason')].join(' ');
  }
  const flags = fields.filter((field) => field.value === '1').map((field) => field.name);
  return [...flags.reverse(), ...(value('FRI') === '0x0' ? [] : [`FRI=${value('FRI')}`])].join(' ');
}

const folder = new URL('../../fixtures/kernel-log/', import.meta.url);

describe.each(readdirSync(folder))('%s', (file) => {
  const lines = readFileSync(new URL(file, folder), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  test('every line is understood', () => {
    expect(lines.map(summary)).toEqual(expected[file]);
  });

  test.each(lines)('%s', (line) => {
    // Without the quotes a shell hands over words; broken in two, a terminal a line break.
    expect(decode(line.split(' ')).fields).toEqual(decode([line]).fields);
    expect(decode([line.replace(' fault addr', ' \n   fault addr')]).fields).toEqual(decode([line]).fields);
    expect(decode([line.replace(/^.*?(?=dmar)/i, '')]).fields).toEqual(decode([line]).fields);
  });
});

test('every message that the simulated kernel prints is understood', () => {
  for (const { code, meaning } of faultReasons) {
    const isInterrupt = isInterruptFault(code);
    const FI = isInterrupt ? 0x2en << 48n : 0xfffff000n;
    const record = faultRecord.encode({ F: 1, FR: code, SID: 0x300, FI, T1: isInterrupt ? 0 : 1 });
    const { fields, means } = decode([faultMessage(record)]);
    expect(fields.at(-1)).toMatchObject({ name: 'reason', value: `0x${code.toString(16).padStart(2, '0')}` });
    // Linux has no text for 0x27 and 0x28, and prints the index of these as an address.
    const request =
      code === 0x27 || code === 0x28
        ? 'interrupt request of 03:00.0 with index 0x2e000000000000'
        : isInterrupt
          ? 'interrupt request of 03:00.0 with index 0x2e'
          : 'read of 03:00.0 at 0xfffff000';
    expect(means[0]).toContain(`The ${request} was refused: ${meaning}`);
  }
  expect(decode([faultStatusMessage(0x102)]).means[0]).toContain('the first in record 1');
});

test('a fault comes with its causes and places to look', () => {
  const text = decodedText(
    decode([
      'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xff001000 [fault reason 0x05] PTE Write access is not set',
    ]),
  );
  expect(text).toContain('Likely causes:\n  the driver used the buffer after its unmap');
  expect(text).toContain('Look at:\n  lspci -k -s 03:00.0\n');
});

test('a reason on its own line joins its message', () => {
  const { means } = decode([
    'DMAR:[DMA Write] Request device [02:00.0] fault addr 0 \nDMAR:[fault reason 12] non-zero reserved fields in PTE',
  ]);
  expect(means).toEqual([
    'The write of 02:00.0 at 0x0 was refused: reserved bits set in a paging entry (0x0c).',
    'Older kernels print the reason in decimal: 12 is 0x0c.',
  ]);
});

test('Linux prints other requests as reads and writes', () => {
  const line = (type: string, reason: string) =>
    decode([
      `DMAR: [DMA ${type} NO_PASID] Request device [03:00.0] fault addr 0x1000 [fault reason ${reason}]`,
    ]);
  expect(line('Read', '0x05').means[1]).toContain('AtomicOp');
  expect(line('Write', '0x06').means[1]).toContain('page request');
  expect(line('Read', '0x06').means).toHaveLength(1);
});

test.each([
  ['DMAR: IOMMU enabled', 'expected a whole message about a fault, got "DMAR: IOMMU enabled"\nSuch as:\n'],
  [
    'DMAR: dmar0: reg_base_addr fed90000 ver 1:0 cap d2008c222f0606 ecap f00f4a',
    'Did you mean CAP 0xd2008c222f0606, or ECAP 0xf00f4a?',
  ],
  [
    'DMAR: QI HEAD: IOTLB Invalidation qw0 = 0x500f2, qw1 = 0xfffff040',
    'Did you mean descriptor 0x500f2 0xfffff040?',
  ],
  [
    'DMAR: [DMA Write NO_PASID] Request device [03:20.0] fault addr 0x1 [fault reason 0x05]',
    'expected a device such as [03:00.0], got "[03:20.0]"',
  ],
  [
    'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1 [fault reason 0x105]',
    'expected a fault reason such as 0x05, or 05 in decimal, got "0x105"',
  ],
  [
    'DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1 [fault reason 0c]',
    'expected a fault reason such as 0x05, or 05 in decimal, got "0c"',
  ],
  [
    'DMAR: DRHD: handling fault status reg 2\nDMAR: [DMA Write] Request device [03:00.0] fault addr 0',
    'expected one message, got 2',
  ],
])('%j is refused: %s', (line, message) => {
  expect(() => decode([line])).toThrow(message);
});
