import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkDemo, failuresOf } from '../../source/demo/check-demo.ts';
import { DemoError, noteKinds } from '../../source/demo/demo.ts';
import { readDemo } from '../../source/demo/read-demo.ts';

const read = (text: string) => readDemo(text, 'talk', 'talk.md');

const talk = `# My talk, 12 min

What it is about.

<!-- not shown to anybody -->

## The stray write landed

nic0 asked for *0x01000000*
and got \`exactly\` that.

Nothing checked it.

> say: Look at the arrow.
> It is thick.
> if asked: Why? Speed.
>
> A thing to say.

\`\`\`dmascope
boot intel_iommu=on iommu=pt
# a remark
dma nic0 write 0x01000000 64

expect corrupted_pages = 1
\`\`\`

## The end
`;

test('a demo is read as it is written', () => {
  const demo = read(talk);
  expect(demo).toMatchObject({
    name: 'talk',
    title: 'My talk',
    minutes: 12,
    introduction: ['What it is about.'],
    scenes: [
      {
        heading: 'The stray write landed',
        line: 7,
        caption: ['nic0 asked for 0x01000000 and got exactly that.', 'Nothing checked it.'],
        notes: [
          { kind: 'say', text: 'Look at the arrow. It is thick.' },
          { kind: 'if asked', text: 'Why? Speed.' },
          { kind: 'say', text: 'A thing to say.' },
        ],
      },
      { heading: 'The end', caption: [], notes: [], commands: [] },
    ],
  });
  expect(demo.scenes[0].commands.map(({ line, text }) => `${line} ${text}`)).toEqual([
    '21 boot intel_iommu=on iommu=pt',
    '23 dma nic0 write 0x01000000 64',
    '25 expect corrupted_pages = 1',
  ]);
});

describe('what is wrong is told with file and line', () => {
  test.each([
    ['', 'talk.md:1: expected a title such as "# My talk", got nothing'],
    ['# A', 'talk.md:1: expected a scene such as "## First", got none'],
    ['words\n', 'talk.md:1: expected a title such as "# My talk" first, got a paragraph'],
    ['## B', 'talk.md:1: expected a title such as "# My talk" first, got a heading of a scene'],
    ['# A\n# B', 'talk.md:2: expected one title, got a second one: "B"'],
    ['# A\n### B', 'talk.md:2: expected # for the title or ## for a scene, got ###'],
    [
      '# A\n## B\n\n- a list',
      'talk.md:4: expected a heading, a paragraph, a quotation or a block of dmascope commands, got a list',
    ],
    ['# A\n> note', 'talk.md:2: expected a scene such as "## First" before notes for the speaker'],
    ['# A\n```dmascope\n```', 'talk.md:2: expected a scene such as "## First" before commands'],
    [
      '# A\n## B\n```dmascop\n```',
      'talk.md:3: expected a block of: dmascope; got "dmascop". Did you mean dmascope?',
    ],
    ['# A\n## B\n```\nboot\n```', 'talk.md:3: expected a block of: dmascope; got nothing'],
    [
      '# A\n## B\n> sya: hello',
      'talk.md:3: expected a kind of note: say, point, ask, if asked, if it goes wrong; got "sya". Did you mean say?',
    ],
    [
      '# A\n## B\n```dmascope\npause\ndevice nic1 flip\n```',
      'talk.md:5: expected a device: nic0, nvme0, gpu0, hba1, usb0, tb0; got "nic1". Did you mean nic0?',
    ],
    [
      '# A\n## B\n```dmascope\nexpect nic0.lan = off\n```',
      'talk.md:4: expected what to ask of nic0 such as iommu_requests; got "lan". Did you mean lane?',
    ],
    ['# A\n## B\n```dmascope\nrun 2s\n```', 'talk.md:4: expected at most 1s of simulated time, got "run 2s"'],
    [
      '# A\n## B\n```dmascope\nbot intel_iommu=on\n```',
      expect.stringMatching(/^talk\.md:4: expected a command: .*; got "bot"\. Did you mean boot\?$/),
    ],
    ['# A\n\0', 'talk.md:2: expected text in UTF-8, got a byte that is none'],
    ['\ufffd', 'talk.md:1: expected text in UTF-8, got a byte that is none'],
    ['# A\n## B\n```dmascope\nscene 2\n```', 'talk.md:4: expected a command to the machine, got "scene 2"'],
  ])('%j: %s', (text, message) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ constructor: DemoError, message }));
  });
});

test('control characters of a file never reach a screen', () => {
  const demo = read('# A \u001b[2J\n## B \u202e\nC \u0007\n> say: \u001b]0;x\u0007\n');
  expect(JSON.stringify(demo)).not.toMatch(/\\u001b|\\u0007|\u202e/);
});

test('any text is a demo or is refused with file and line', () => {
  const piece = fc.constantFrom(
    '# A',
    '## B',
    'words',
    '> say: so',
    '```dmascope',
    '```',
    'pause',
    'expect 1 = 1',
    '- x',
    '',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 12 }).map((all) => all.join('\n')),
  );
  fc.assert(
    fc.property(text, (markdown) => {
      try {
        const { scenes } = read(markdown);
        for (const { notes, commands, line } of scenes) {
          expect(line).toBeGreaterThan(0);
          for (const { kind } of notes) expect(noteKinds).toContain(kind);
          for (const command of commands) expect(command.line).toBeGreaterThan(line);
        }
      } catch (error) {
        expect((error as Error).message).toMatch(/^talk\.md:\d+: expected /);
      }
    }),
    { numRuns: 500 },
  );
});

describe('a scene', () => {
  const failures = (commands: string) => {
    const demo = read(`# A\n## B\n\`\`\`dmascope\n${commands}\n\`\`\`\n`);
    return failuresOf(demo, checkDemo(demo, { boot: 'intel_iommu=on iommu=pt', seed: 42 }));
  };

  test('fails by what was not so, with what was there instead', () => {
    expect(failures('boot\nexpect gsts.TES = 1\nexpect groups = 0')).toEqual([
      'talk.md:5: expected gsts.TES = 1, got 0',
    ]);
  });

  test('fails by a refused command, unless the refusal is what it expects', () => {
    expect(failures('device tb0 passthrough')).toEqual([
      expect.stringMatching(/^talk\.md:4: expected device tb0 passthrough, got .*untrusted/),
    ]);
    expect(failures('device tb0 passthrough\nexpect refused has "untrusted"')).toEqual([]);
  });
});
