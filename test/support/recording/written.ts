/** What the recorded kernel wrote to the unit, in the words of the bench: commands, and descriptors word by word. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Written } from '../host.ts';
import type { RunName } from './recorded-run.ts';

const kinds: Readonly<Record<string, string>> = { 'context-cache': 'context' };

const DESCRIPTOR = /:vtd_inv_desc invalidate desc type (\S+) high (\S+) low (\S+)$/;
const COMMAND = /:vtd_reg_write_gcmd status \S+ value (\S+)$/;
const REGISTER = /:vtd_reg_write addr (\S+) size \S+ value (\S+)$/;

/** In scalable mode QEMU does not trace PASID-cache descriptors: the head moves on, and nothing is said. */
export const UNTRACED = 'untraced';

const texts = new Map<string, string>();

/** The text of a file of a run in `fixtures/traces`. */
function textOf(file: string): string {
  let text = texts.get(file);
  if (text === undefined) {
    text = gunzipSync(readFileSync(`fixtures/traces/${file}.gz`)).toString();
    texts.set(file, text);
  }
  return text;
}

/** The lines of the phases of these names, first words: `boot`, `vfio-bind`, `type`. */
function linesIn(run: RunName, phases: readonly string[]): string[] {
  const found: string[] = [];
  let isIn = false;
  for (const line of textOf(`${run}.trace`).split('\n')) {
    if (line.startsWith('# phase ')) isIn = phases.includes(line.split(' ')[2]);
    else if (isIn) found.push(line);
  }
  return found;
}

/** GCMD writes and descriptors of phases, in order. */
export function writtenIn(run: RunName, ...phases: string[]): Written[] {
  const written: Written[] = [];
  let isFetched = false;
  for (const line of linesIn(run, phases)) {
    const descriptor = DESCRIPTOR.exec(line);
    const command = COMMAND.exec(line);
    if (descriptor !== null) {
      const [, type, high, low] = descriptor;
      written.push(`${kinds[type] ?? type} ${low} ${high}`);
      isFetched = false;
    } else if (command !== null) written.push(`gcmd ${command[1]}`);
    else if (line.includes(':vtd_inv_qi_head ')) {
      if (isFetched) written.push(UNTRACED);
      isFetched = true;
    }
  }
  return written;
}

/** The last value that was written to a register at boot. */
export function registerAtBoot(run: RunName, offset: number): bigint {
  let value = 0n;
  for (const line of linesIn(run, ['boot'])) {
    const write = REGISTER.exec(line);
    if (write !== null && Number(write[1]) === offset) value = BigInt(write[2]);
  }
  return value;
}

/** What the guest printed: its script, and its kernel's log where the script showed it. */
export const consoleOf = (run: RunName): string[] => textOf(`${run}.serial.log`).split(/\r?\n/);
