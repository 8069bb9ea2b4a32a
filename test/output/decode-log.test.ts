import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogReader, LogText } from '../../source/output/decode/log.ts';

function explained(text: string) {
  const reader = new LogReader();
  const renderer = new LogText();
  const lines = [...text.split('\n').flatMap((line) => reader.read(line)), ...reader.end()];
  return { reader, lines, text: lines.map((line) => renderer.text(line)).join('') };
}

const write = (device: string) =>
  `[   23.7] DMAR: [DMA Write NO_PASID] Request device [${device}] fault addr 0x102000 [fault reason 0x05] PTE Write access is not set`;

const folder = new URL('../../fixtures/kernel-log/', import.meta.url);

describe.each(readdirSync(folder))('the log %s', (file) => {
  test('every message is explained, each with its reason', () => {
    const lines = readFileSync(new URL(file, folder), 'utf8').split('\n');
    const { reader, lines: found } = explained(lines.join('\n'));
    const messages = lines.filter(
      (line) => /Request device|fault status/.test(line) && !line.startsWith('#'),
    );
    expect(found).toHaveLength(messages.length);
    expect(reader.explained).toBe(messages.length);
  });
});

test('a reason on the next line, as the oldest kernels print it, belongs to the message before', () => {
  const { lines } = explained(
    [
      'dmar: DMAR:[DMA Write] Request device [02:00.0] fault addr fffe0000',
      'DMAR:[fault reason 05] PTE Write access is not set',
      'dmar: DMAR:[DMA Read] Request device [02:00.1] fault addr fffe0000',
    ].join('\n'),
  );
  expect(lines.map(({ decoded }) => decoded[0].means[0])).toEqual([
    'The write of 02:00.0 at 0xfffe0000 was refused: no write permission (0x05).',
    'The read request of 02:00.1 was refused. The reason is on the next line of the log.',
  ]);
});

test('other lines are passed over, and those about DMAR are counted', () => {
  const { reader, text } = explained(
    ['usb 1-1: new device', 'DMAR: IOMMU enabled', write('00:08.0'), 'DMAR: [DMA Write', '', 'bye'].join(
      '\n',
    ),
  );
  expect(reader).toMatchObject({ lines: 6, explained: 1, passedOver: 2 });
  expect(text).not.toMatch(/usb|bye|enabled/);
});

test('the line about a unit has both capability registers', () => {
  const { lines } = explained(
    '[ 0.1] DMAR: dmar1: reg_base_addr fed91000 ver 1:0 cap d2008c40660462 ecap f050da',
  );
  expect(lines[0].decoded.map(({ kind, raw }) => `${kind} ${raw}`)).toEqual([
    'CAP 0x00d2008c40660462',
    'ECAP 0x0000000000f050da',
  ]);
});

test('the line about a queue that stopped has the descriptor', () => {
  const { lines } = explained('DMAR: Invalidation Time-out Error: qw0 = 0x30000000003, qw1 = 0xff001');
  expect(lines[0].decoded[0].means[0]).toContain('Asks 03:00.0 to drop');
});

test('what leads to a fault and where to look is told once for each device', () => {
  const { text } = explained([write('00:08.0'), write('00:08.0'), write('00:09.0')].join('\n'));
  expect(text.match(/Likely causes/g)).toHaveLength(2);
  expect(text.match(/was refused/g)).toHaveLength(3);
});

test('nothing that a log holds can move the cursor', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(
      write('00:08.0'),
      'DMAR: ',
      '\u001b[2J',
      ' cap 1 ecap 2 ',
      'qw0 = 0x2, qw1 = 0x3',
      '[fault reason 5]',
    ),
    fc.constantFrom('Request device [', ']', ' fault addr 0x1'),
  );
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 6 }), (lines) => {
      const { text } = explained(lines.map((pieces) => pieces.join('')).join('\n'));
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]|\p{Surrogate}/u);
    }),
    { numRuns: 500 },
  );
});
