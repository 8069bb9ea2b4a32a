import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewNames } from '../../source/commands/command.ts';
import { fieldNames } from '../../source/commands/entry.ts';
import { commandHelp, commandText, parseCommand, parseCommands } from '../../source/commands/parse.ts';
import { anyCommand } from '../support/commands.ts';

const error = (text: string): string => {
  const parsed = parseCommand(text);
  return parsed.ok ? `parsed as ${JSON.stringify(parsed.command)}` : parsed.error;
};

test('the text of a command parses to that command', () => {
  fc.assert(
    fc.property(anyCommand, (command) => {
      expect(parseCommand(commandText(command))).toEqual({ ok: true, command });
    }),
    { numRuns: 1000 },
  );
});

test('several commands parse as each of them does', () => {
  fc.assert(
    fc.property(fc.array(anyCommand, { maxLength: 5 }), (commands) => {
      expect(parseCommands(commands.map(commandText).join(' ; '))).toEqual({ commands, error: null });
    }),
  );
});

test.each([
  ['device nic0 flip', { name: 'device', device: 'nic0', to: 'flip' }],
  ['  device   03:00.0   guest a ', { name: 'device', device: 'nic0', to: 'guest A' }],
  ['device 0000:05:00.0 host', { name: 'device', device: 'hba1', to: 'host' }],
  ['device all passthrough', { name: 'device', device: 'all', to: 'passthrough' }],
  ['dma nic0 write', { name: 'dma', device: 'nic0', type: 'write', address: '0x1000000', bytes: 64 }],
  [
    'dma nic0 read 0xDEADBEEF 0x100',
    { name: 'dma', device: 'nic0', type: 'read', address: '0xdeadbeef', bytes: 256 },
  ],
  [
    'dma gpu0 translate 0x1000',
    { name: 'dma', device: 'gpu0', request: 'translate', type: 'write', address: '0x1000', bytes: 64 },
  ],
  [
    'dma gpu0 translate read 0x1000 8 pasid 0x12',
    {
      name: 'dma',
      device: 'gpu0',
      request: 'translate',
      type: 'read',
      address: '0x1000',
      bytes: 8,
      pasid: 18,
    },
  ],
  [
    'dma gpu0 translated write',
    { name: 'dma', device: 'gpu0', request: 'translated', type: 'write', address: '0x1000000', bytes: 64 },
  ],
  [
    'dma gpu0 page-request read 0x1000',
    { name: 'dma', device: 'gpu0', request: 'page-request', type: 'read', address: '0x1000', bytes: 64 },
  ],
  [
    'dma nic0 write 0x1000 64 pasid 5',
    { name: 'dma', device: 'nic0', type: 'write', address: '0x1000', bytes: 64, pasid: 5 },
  ],
  ['dma nic0 read 4096', { name: 'dma', device: 'nic0', type: 'read', address: '0x1000', bytes: 64 }],
  ['boot', { name: 'boot', line: '' }],
  ['boot  intel_iommu=on iommu=pt ', { name: 'boot', line: 'intel_iommu=on iommu=pt' }],
  ['boot boot', { name: 'boot', line: 'boot' }],
  ['run', { name: 'run', forNs: null }],
  ['run 10ms', { name: 'run', forNs: 10e6 }],
  ['step', { name: 'step', count: 1 }],
  ['speed max', { name: 'speed', factor: Number.POSITIVE_INFINITY }],
  ['speed faster', { name: 'speed', factor: 'faster' }],
  ['speed 1/16', { name: 'speed', factor: 1 / 16 }],
  ['dma nic0 write buffer', { name: 'dma', device: 'nic0', type: 'write', address: 'buffer', bytes: 64 }],
  ['map nic0', { name: 'map', device: 'nic0', count: 1, bytes: 4096 }],
  ['map nic0 16 2048', { name: 'map', device: 'nic0', count: 16, bytes: 2048 }],
  ['unmap nic0', { name: 'unmap', device: 'nic0', which: 'oldest' }],
  ['cycle nic0 1000', { name: 'cycle', device: 'nic0', count: 1000 }],
  [
    'entry nic0 context p=0 TT=2',
    {
      name: 'entry',
      device: 'nic0',
      table: 'context',
      address: null,
      fields: [
        { field: 'P', value: '0x0' },
        { field: 'TT', value: '0x2' },
      ],
    },
  ],
  [
    'entry hba1 page 0x1000 W=0',
    {
      name: 'entry',
      device: 'hba1',
      table: 'page',
      address: '0x1000',
      fields: [{ field: 'W', value: '0x0' }],
    },
  ],
  ['kernel 6.8', { name: 'kernel', version: '6.8', defaultOn: false }],
  ['kernel 6.12 default-on', { name: 'kernel', version: '6.12', defaultOn: true }],
  ['mark', { name: 'mark' }],
  ['expect nic0.faults  = 1', { name: 'expect', expression: 'nic0.faults  = 1' }],
  [
    'measure pt, cold: walks = change(page_walks) ,reads a page=iommu_mrds/2',
    {
      name: 'measure',
      row: 'pt, cold',
      columns: [
        { heading: 'walks', value: 'change(page_walks)' },
        { heading: 'reads a page', value: 'iommu_mrds/2' },
      ],
    },
  ],
  ['open tables 05:00.0 0x1000', { name: 'open', view: 'tables', device: 'hba1', address: '0x1000' }],
  ['scene 3', { name: 'scene', to: 3 }],
  ['demo claims', { name: 'demo', demo: 'claims' }],
])('"%s" is a command', (text, command) => {
  expect(parseCommand(text)).toEqual({ ok: true, command });
});

/** As a message lists them. */
const names = commandHelp.map(({ usage }) => usage.split(' ')[0]).join(', ');

test.each([
  ['', `expected a command: ${names}; got nothing`],
  ['devise nic0 flip', `expected a command: ${names}; got "devise". Did you mean device?`],
  ['measure', 'expected a row such as "strict: walks = change(page_walks)", got nothing'],
  ['measure strict', 'expected a row such as "strict: walks = change(page_walks)", got "strict"'],
  ['measure strict: walks', 'expected a column such as "strict: walks = change(page_walks)", got "walks"'],
  [
    'measure strict: walks = 1,',
    'expected a column such as "strict: walks = change(page_walks)", got nothing',
  ],
  [
    'measure strict: walks = page_walk',
    'expected a name such as iommu_requests; got "page_walk". Did you mean page_walks?',
  ],
  ['measure strict: walks = 1 = 1', 'expected a value such as change(iommu_mrds), got "1 = 1"'],
  ['device', 'expected a device: nic0, nvme0, gpu0, hba1, usb0, tb0; got nothing'],
  [
    'device nic1 flip',
    'expected a device: nic0, nvme0, gpu0, hba1, usb0, tb0; got "nic1". Did you mean nic0?',
  ],
  [
    'device 03:00.1 flip',
    'expected a device: 03:00.0, 04:00.0, 01:00.0, 05:00.0, 00:14.0, 07:00.0; got "03:00.1". Did you mean 03:00.0?',
  ],
  [
    'device nic0',
    'expected what to do with it: flip, passthrough, translated, blocked, host, process, guest; got nothing',
  ],
  [
    'device nic0 pasthrough',
    'expected what to do with it: flip, passthrough, translated, blocked, host, process, guest; got "pasthrough". Did you mean passthrough?',
  ],
  ['device nic0 guest', 'expected a guest: A, B; got nothing'],
  ['device nic0 guest C', 'expected a guest: A, B; got "C". Did you mean A?'],
  ['device nic0 flip now', 'expected no more than "device nic0 flip" has, got also "now"'],
  ['dma nic0', 'expected read or write; got nothing'],
  ['dma nic0 writ', 'expected read or write; got "writ". Did you mean write?'],
  ['dma nic0 write here', 'expected an address of at most 64 bits such as 0x1000000, got "here"'],
  [
    'dma nic0 write 0x10000000000000000',
    'expected an address of at most 64 bits such as 0x1000000, got "0x10000000000000000"',
  ],
  ['dma nic0 write 0x1000 0', 'expected the number of bytes from 1 to 2097152, got "0"'],
  ['dma nic0 write 0x1000 1e3', 'expected the number of bytes from 1 to 2097152, got "1e3"'],
  ['dma nic0 write 0x1000 64 65', 'expected no more than "dma nic0 write 0x1000000 64" has, got also "65"'],
  [
    'interrupt nic0 0x1000',
    'expected the address of an interrupt message, from 0xfee00000 to 0xfeeffffc in steps of 4, got "0x1000"',
  ],
  ['interrupt nic0 0xfee00000 0x100000000', 'expected the data from 0 to 4294967295, got "0x100000000"'],
  [
    'interrupt nic0 0xfee00000 1 2',
    'expected no more than "interrupt nic0 0xfee00000 0x41" has, got also "2"',
  ],
  ['invalidation nic0 stric', 'expected strict, lazy or flip; got "stric". Did you mean strict?'],
  ['map nic0 0', 'expected the number of buffers from 1 to 100000, got "0"'],
  ['map nic0 1 5000', 'expected at most 4096 bytes, or a multiple of 2097152, got "5000"'],
  ['unmap nic0 first', 'expected oldest, newest or all; got "first"'],
  [
    'entry nic0 contxt P=0',
    'expected a table: root, context, pasid, page; got "contxt". Did you mean context?',
  ],
  ['entry nic0 context', 'expected fields such as P=0, got nothing'],
  [
    'entry nic0 context TTT=0',
    `expected a field of the context entry: ${fieldNames('context').join(', ')}; got "TTT". Did you mean TT?`,
  ],
  ['entry nic0 context P', 'expected an address of at most 64 bits such as 0x1000000, got nothing'],
  ['kernel 2.6', 'expected a version of Linux from 5.4 to 6.18, got "2.6"'],
  ['kernel 6.8 on', 'expected how it was built: default-on; got "on"'],
  ['open table', `expected a view: ${viewNames.join(', ')}; got "table". Did you mean tables?`],
  ['scene forth', 'expected where to go: next, back, leave; got "forth"'],
  [
    'expect nic0.lane = passthruogh',
    'expected what nic0.lane may be: off, passthrough, translated, guest, blocked; got "passthruogh". Did you mean passthrough?',
  ],
  [
    'expect nic0.lan = off',
    'expected what to ask of nic0 such as iommu_requests; got "lan". Did you mean lane?',
  ],
  ['expect gsts.TE = 1', 'expected a name such as iommu_requests; got "gsts.TE". Did you mean gsts.TES?'],
  ['expect change(nic0.lane) = 0', 'expected a count such as iommu_requests in change(…), got "nic0.lane"'],
  ['expect 1', 'expected a comparison: =, !=, <=, >=, <, >, has, lacks; got nothing'],
  ['expect 1 +', 'expected a value or a name, got nothing'],
  ['expect dmesg has DMAR', 'expected a text in quotation marks behind has, got "DMAR"'],
  ['workload nic0 halt', 'expected start, stop or flip; got "halt"'],
  ['pause now', 'expected no more than "pause" has, got also "now"'],
  ['run 10', 'expected a duration such as 10ms or 250us, got "10"'],
  ['run -5ms', 'expected a duration such as 10ms or 250us, got "-5ms"'],
  ['step 0', 'expected the number of requests from 1 to 1000000, got "0"'],
  ['speed 100', 'expected a speed from 1/16 to 64, max, faster or slower; got "100"'],
  ['speed', 'expected a speed from 1/16 to 64, max, faster or slower; got nothing'],
])('"%s": %s', (text, message) => {
  expect(error(text)).toBe(message);
});

test('control characters come back in a message as text only, and long words are cut', () => {
  expect(error('device nic0 \u001b[2Jflip')).toBe(
    'expected what to do with it: flip, passthrough, translated, blocked, host, process, guest; got "\\x1b[2Jflip"',
  );
  expect(error(`run ${'x'.repeat(500)}`).length).toBeLessThan(150);
});

test('control characters never reach a boot line', () => {
  expect(parseCommand('boot intel_iommu=on\u001b[2J\niommu=pt')).toEqual({
    ok: true,
    command: { name: 'boot', line: 'intel_iommu=on [2J iommu=pt' },
  });
});

describe('any text', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.oneof(
          fc.constantFrom(
            'device',
            'dma',
            'run',
            'nic0',
            'flip',
            'guest',
            '0x10',
            '1/0',
            '-1',
            '__proto__',
            'constructor',
            'toString',
          ),
          fc.string({ unit: 'binary', maxLength: 5 }),
        ),
        { maxLength: 6 },
      )
      .map((words) => words.join(' ')),
  );

  test('is a command or a message without control characters that says what was expected', () => {
    fc.assert(
      fc.property(text, (line) => {
        const parsed = parseCommand(line);
        if (parsed.ok) {
          expect(parseCommand(commandText(parsed.command))).toEqual(parsed);
        } else {
          expect(parsed.error).toMatch(/^expected /);
          expect(parsed.error).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('named like a part of every object is no command', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'valueOf'])
      expect(error(name)).toMatch(/^expected a command: /);
  });
});

test('in a list the first wrong command ends it, and what came before it stands', () => {
  expect(parseCommands('pause; ;step 2;; stepp; pause')).toEqual({
    commands: [{ name: 'pause' }, { name: 'step', count: 2 }],
    error: `expected a command: ${names}; got "stepp". Did you mean step?`,
  });
  expect(parseCommands('')).toEqual({ commands: [], error: null });
});

test('every command has help', () => {
  expect(names).toContain(
    'device, dma, map, unmap, cycle, entry, interrupt, invalidation, device-tlb, echo, boot, unit, kernel, compare, experiment, workload, pause, run',
  );
  for (const { usage, help } of commandHelp) expect(usage.length * help.length).toBeGreaterThan(0);
});
