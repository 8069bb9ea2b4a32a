import { execaNode } from 'execa';
import { describe, expect, test } from 'vitest';
import { bundle } from '../support/dmascope.ts';

const dmascope = (args: readonly string[], input = '') =>
  execaNode(bundle, [...args], { reject: false, input, stripFinalNewline: false });

describe('wrong usage says what was expected, what came and what to do', () => {
  test.each([
    [
      ['explain', 'nic9', '0x1'],
      'expected a device: nic0, nvme0, gpu0, hba1, usb0, tb0; got "nic9". Did you mean nic0?',
    ],
    [['explain', 'nic0', 'x'], 'expected an address of at most 64 bits such as 0x1000000, got "x"'],
    [['explain', 'nic0'], 'expected <address> (what the device asks for'],
    [
      ['explain', 'nic0'],
      '\nusage: dmascope explain [options] <device> <address>\nfor example: dmascope explain nic0 0x1000000 --write\n',
    ],
    [['explain', 'nic0', 'buffer', '--time', '1us'], 'no buffer was mapped for nic0: map nic0 maps one'],
    [['compare', 'iommu=pt'], 'for example: dmascope compare "intel_iommu=on" "intel_iommu=on iommu=pt"'],
    [
      ['run', '--set', 'Iotlb.entries=6'],
      '--set: "Iotlb.entries" is no parameter. Did you mean iotlb.entries?',
    ],
    [['run', '--set', "a'b=1"], `--set: "a'b" is no parameter.`],
    [['run', '--exec', 'dma nic0 wrote'], '--exec: expected read or write; got "wrote". Did you mean write?'],
    [['run', '--time', '5'], '--time: expected a duration such as 10ms, 250us or 1s; got "5"'],
    [
      ['run', 'now', 'here'],
      'expected no more arguments, got also "now here"\nusage: dmascope run [options]\n',
    ],
    [['demo', 'nope'], 'expected a demo, or a file such as ./my-talk.md: tour'],
    [['inspect', '/sys/nothing', '--time', '1us'], 'has no file "/sys/nothing"'],
    [['sweep'], 'expected what to vary: a file, --boot'],
    [['explain', 'nic0\u001b[31m', '0x1'], 'got "nic0\\x1b[31m"'],
  ])('%j: %s', async (args, message) => {
    const { stderr, stdout, exitCode } = await dmascope(args);

    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^dmascope: [^A-Z]/);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
  });

  test('every command has help, by help and by --help', async () => {
    const [one, other] = await Promise.all([dmascope(['help', 'explain']), dmascope(['explain', '--help'])]);

    expect(one).toMatchObject({ exitCode: 0, stdout: other.stdout });
    expect(one.stdout).toContain('Usage: dmascope explain [options] <device> <address>');
  });
});

describe('run', () => {
  test('with --every JSON is an array, and each format has as many reports', async () => {
    const [json, ndjson, csv, text] = await Promise.all(
      ['json', 'ndjson', 'csv', 'text'].map(async (format) => {
        const { stdout } = await dmascope(['run', '--time', '5us', '--every', '2us', '--format', format]);
        return stdout;
      }),
    );
    const times = [2000, 4000, 5000];

    expect(JSON.parse(json).map((report: { simulatedNs: number }) => report.simulatedNs)).toEqual(times);
    expect(
      ndjson
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).simulatedNs),
    ).toEqual(times);
    expect([
      ...new Set(
        csv
          .trimEnd()
          .split('\n')
          .slice(1)
          .map((line) => Number(line.split(',')[0])),
      ),
    ]).toEqual(times);
    expect(text.match(/^simulated .*/gm)).toHaveLength(3);
  });

  test('without it each format has one report', async () => {
    const [json, ndjson, csv] = await Promise.all(
      ['json', 'ndjson', 'csv'].map(async (format) => {
        const { stdout } = await dmascope(['run', '--time', '5us', '--format', format]);
        return stdout;
      }),
    );

    expect(JSON.parse(ndjson)).toEqual(JSON.parse(json));
    expect(csv.trimEnd().split('\n')).toHaveLength(1 + 6);
  });

  test('a pipe gets a line for each device, without rules', async () => {
    const { stdout } = await dmascope(['run', '--time', '5us']);

    expect(stdout).not.toMatch(/[─│┌]/);
    expect(stdout.match(/^(nic0|nvme0|gpu0|hba1|usb0|tb0) /gm)).toHaveLength(6);
  });

  test('ctrl-c ends it with what there is', async () => {
    const running = execaNode(bundle, ['run', '--time', '1000s', '--format', 'json'], { reject: false });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    running.kill('SIGINT');
    const { stdout, stderr, exitCode } = await running;

    const { simulatedNs } = JSON.parse(String(stdout));
    expect(simulatedNs).toBeGreaterThan(0);
    expect(simulatedNs).toBeLessThan(1000e9);
    expect(stderr).toContain(`dmascope: stopped at ${(simulatedNs / 1e6).toFixed(3)} of 1000000.000 ms`);
    expect(exitCode).toBe(130);
  });
});

test.each([
  ['run', ['run', '--boot', 'iommu=on', '--time', '1us'], ''],
  ['compare', ['compare', 'intel_iommu=on', 'iommu=on', '--time', '1us'], 'B: '],
  ['explain', ['explain', 'nic0', '0x0', '--boot', 'iommu=on', '--time', '1us'], ''],
])('%s tells which words of a boot line Linux ignores', async (_, args, side) => {
  const { stderr, exitCode } = await dmascope(args);

  expect(exitCode).toBe(0);
  expect(stderr).toBe(
    `dmascope: ${side}boot word iommu=on: Linux on x86 knows no iommu=on: it is ignored silently and turns nothing on. Did you mean intel_iommu=on?\n`,
  );
});

describe('decode from standard input', () => {
  const log = [
    '[    0.1] usb 1-1: new high-speed device',
    '[    0.2] DMAR: IOMMU enabled',
    '[   23.7] DMAR: [DMA Write NO_PASID] Request device [00:08.0] fault addr 0x102000 [fault reason 0x05] \u001b[31mPTE Write',
  ].join('\n');

  test.each([[['decode']], [['decode', '-']]])(
    '%j explains each fault and passes over the rest',
    async (args) => {
      const { stdout, stderr, exitCode } = await dmascope(args, log);

      expect(stdout).toContain(
        '  The write of 00:08.0 at 0x102000 was refused: no write permission (0x05).\n',
      );
      expect(stdout).toContain('\\x1b[31mPTE');
      expect(stdout).not.toContain('usb');
      expect(stderr).toBe('dmascope: 1 of 3 lines explained; 1 more about DMAR tell of no fault\n');
      expect(exitCode).toBe(0);
    },
  );

  test('as JSON it is one array', async () => {
    const { stdout } = await dmascope(['decode', '--format', 'json'], log);

    expect(JSON.parse(stdout)).toMatchObject([
      { schema: 1, kind: 'kernel-message', line: expect.stringContaining('Request device') },
    ]);
  });

  test('nothing is refused as nothing', async () => {
    const { stderr, exitCode } = await dmascope(['decode'], '');

    expect(stderr).toContain('got nothing');
    expect(exitCode).toBe(2);
  });
});
