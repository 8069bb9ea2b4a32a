// Takes a picture of the dashboard as it runs: npm run screens -- --size 100x30 --keys "2 down enter" -- --boot off

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openDmascope } from '../test/support/dmascope.ts';
import { toPng, toSvg } from '../test/support/picture.ts';

const usage = `npm run screens -- [options] [-- arguments of dmascope]

  --out DIR        folder to write to (default: screens)
  --name NAME      name of the files (default: screen)
  --size CxR       columns and rows (default: 100x30)
  --keys "KEYS"    keys to press, with spaces between: 2 down enter ctrl-z
  --seconds N      how long to let it run, before the keys and after them (default: 2)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: 'screens' },
    name: { type: 'string', default: 'screen' },
    size: { type: 'string', default: '100x30' },
    keys: { type: 'string', default: '' },
    seconds: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(usage);
} else {
  await takePicture();
}

async function takePicture() {
  const [columns, rows] = values.size.split('x').map(Number);
  if (!(columns > 0 && rows > 0)) throw new Error(`expected --size as 100x30, got "${values.size}"`);

  await using terminal = await openDmascope(positionals, { columns, rows });
  await terminal.waitFor(/\S/);
  await seconds(Number(values.seconds));

  for (const key of values.keys.split(' ').filter((word) => word !== '')) {
    terminal.press(key);
    // Two keys in one read may mean something else than one after the other: escape and a letter, for one.
    await seconds(0.1);
  }

  if (values.keys !== '') await seconds(Number(values.seconds));

  const svg = toSvg(terminal.emulator);
  save('txt', `${terminal.text()}\n`);
  save('svg', svg);
  save('png', toPng(svg));
}

function save(extension: string, content: string | Uint8Array) {
  const file = path.join(values.out, `${values.name}.${extension}`);

  mkdirSync(values.out, { recursive: true });
  writeFileSync(file, content);
  console.log(file);
}

function seconds(count: number) {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
