/** A boot line as plain text: each word, what it does to which device, and what Linux would silently ignore. */
import { notOurs } from '../linux/boot/boot-line.ts';
import { wordSentence } from '../output/boot-words.ts';
import type { BootExplanation, ExplainedWord } from '../output/explain-boot.ts';
import { badge, domainWord } from './fate.ts';
import { padded, wrap } from './rows.ts';

const width = 100;

export function bootText({ line, words, translation, devices, summary, messages }: BootExplanation): string {
  const column = Math.min(32, Math.max(14, ...words.map(({ text }) => text.length)) + 3);
  const beside = (text: string, rest: readonly string[]) =>
    rest
      .flatMap((each) => wrap(each, width - column))
      .map((each, i) => padded(i === 0 ? text : '', column) + each);
  const nothing = beside('(no word)', ['Linux decides by how it was built.']);
  const rows = devices.map(
    ({ name, bdf, lane, domain, why }) =>
      `${padded(name, 7)}${padded(bdf, 9)}${padded(badge(lane), 5)}${padded(domainWord(domain), 10)}${why}`,
  );
  const lines = [
    line === '' ? '(an empty line)' : line,
    '',
    ...(words.length === 0
      ? nothing
      : words.flatMap((word) => beside(word.text, sentences(word, translation)))),
    '',
    ...wrap(summary, width),
    '',
    ...rows.map((row) => `  ${row}`),
    ...(messages.length === 0 ? [] : ['', 'The kernel says:', ...messages.map((message) => `  ${message}`)]),
  ];
  return `${lines.map((text) => text.trimEnd()).join('\n')}\n`;
}

function sentences(word: ExplainedWord, translation: boolean): string[] {
  const { effect, known, overriddenBy, changes } = word;
  const isOurs = known && effect !== notOurs;
  const none =
    !isOurs || overriddenBy !== null
      ? []
      : [
          translation
            ? 'All devices would be the same without it.'
            : 'DMA remapping is off, so no device is affected.',
        ];
  return [wordSentence(word), ...(changes.length === 0 ? none : changes.map(changeText))];
}

const changeText = ({ devices, without, now }: ExplainedWord['changes'][number]): string =>
  `${devices.join(', ')}: ${now}; without this word ${without}.`;
