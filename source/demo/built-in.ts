/** The demos that come with the program, in the order in which they are listed. */
import bigPages from './built-in/big-pages.md';
import claims from './built-in/claims.md';
import faultStorm from './built-in/fault-storm.md';
import lazy from './built-in/lazy.md';
import nested from './built-in/nested.md';
import tour from './built-in/tour.md';
import untrusted from './built-in/untrusted.md';
import type { Demo } from './demo.ts';
import { readDemo } from './read-demo.ts';

const texts: Readonly<Record<string, string>> = {
  tour,
  claims,
  'big-pages': bigPages,
  lazy,
  untrusted,
  'fault-storm': faultStorm,
  nested,
};

export const builtInNames: readonly string[] = Object.keys(texts);

/** @throws RangeError if there is none of that name */
export function builtInDemo(name: string): Demo {
  if (!Object.hasOwn(texts, name)) throw new RangeError(`there is no demo ${name}`);
  return readDemo(texts[name], name, `${name}.md`);
}
