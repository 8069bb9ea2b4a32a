import { readdirSync, readFileSync } from 'node:fs';

/**
 * Process ids of the children of a process whose command line has a word, from `/proc`: without a package
 * that a bare machine might lack.
 */
export function childrenOf(parent: number, word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const ppid = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        return (
          Number(ppid) === parent && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
        );
      } catch {
        // It ended while we looked.
        return false;
      }
    })
    .map(Number);
}
