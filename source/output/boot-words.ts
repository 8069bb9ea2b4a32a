/** Words of a boot line in sentences, wherever they are told. */
import { type BootWord, notOurs } from '../linux/boot/boot-line.ts';

/** What a word does, what was meant by it, and which later word sets the same. */
export function wordSentence({ effect, suggestion, overriddenBy }: BootWord): string {
  const meant = suggestion === null ? '' : ` Did you mean ${suggestion}?`;
  const wins = overriddenBy === null ? '' : ` ${overriddenBy} sets the same, comes later and wins.`;
  return `${capital(effect)}.${meant}${wins}`;
}

/** What to tell somebody who has not asked about words: those that Linux ignores, or that none is about the IOMMU. */
export function wordWarnings(words: readonly BootWord[]): string[] {
  const ignored = words.filter(({ known }) => !known);
  if (words.length > 0 && words.every(({ effect }) => effect === notOurs)) {
    return [`boot line: no word of "${words.map(({ text }) => text).join(' ')}" is about the IOMMU`];
  }
  return ignored.map((word) => `boot word ${word.text}: ${wordSentence(word)}`);
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
