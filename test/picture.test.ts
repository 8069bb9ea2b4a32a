import { expect, test } from 'vitest';
import { toPng, toSvg } from './support/picture.ts';
import { openTerminal } from './support/terminal.ts';

async function draw(output: string, columns = 12): Promise<string> {
  const script = `process.stdout.write(${JSON.stringify(output)})`;
  await using terminal = await openTerminal({
    command: process.execPath,
    args: ['-e', script],
    columns,
    rows: 2,
  });
  await terminal.exited;
  return toSvg(terminal.emulator);
}

test('cells of one style become one text, each character in its own column', async () => {
  const svg = await draw('a \x1b[1;38;2;1;2;3mb<c');

  expect(svg).toContain('<text x="10" y="25" fill="#d5d8df">a</text>');
  expect(svg).toContain('<text x="30 40 50" y="25" fill="#010203" font-weight="bold">b&lt;c</text>');
});

test('palette colours, dim and inverse become plain colours', async () => {
  const svg = await draw(
    '\x1b[38;5;196ma\x1b[0m\x1b[38;5;232mb\x1b[0m\x1b[7mc\x1b[0m\x1b[2;38;2;255;255;255md',
  );

  expect(svg).toContain('fill="#ff0000">a<');
  expect(svg).toContain('fill="#080808">b<');
  expect(svg).toContain('<rect x="30" y="10" width="10" height="20" fill="#d5d8df"/>');
  expect(svg).toContain('fill="#16181d">c<');
  expect(svg).toContain('fill="#8b8c8e">d<');
});

test('blocks and lines fill their cells, and a wide character takes two columns', async () => {
  const svg = await draw('▄─│漢x');

  expect(svg).toContain('<rect x="10" y="20" width="10" height="10" fill="#d5d8df"/>');
  expect(svg).toContain('<rect x="20" y="19.5" width="5.5" height="1" fill="#d5d8df"/>');
  expect(svg).toContain('<rect x="34.5" y="10" width="1" height="10.5" fill="#d5d8df"/>');
  expect(svg).toContain('<text x="40 60" y="25" fill="#d5d8df">漢x</text>');
});

test('the picture becomes a PNG of twice the size', async ({ skip }) => {
  const svg = await draw('hello');
  const png = Buffer.from(pngOrReason(svg, skip));

  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2 * 140, 2 * 60]);
});

/** A bare machine may have no font at all; then there is nothing to draw with, and the test says so. */
function pngOrReason(svg: string, skip: (reason: string) => never): Uint8Array {
  try {
    return toPng(svg);
  } catch (error) {
    if (error instanceof Error && error.message.includes('a font')) return skip(error.message);
    throw error;
  }
}
