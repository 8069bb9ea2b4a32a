/** The kernel command line, read as Linux reads it: the words of boot-words.ts, and what is silently ignored. */

import { nearest } from '../nearest.ts';
import { DEFAULT_VERSION, isSince, type KernelVersion } from '../version.ts';
import {
  type ParameterRule,
  parameterRules,
  settingsWithoutWords,
  strangers,
  type WordRule,
  type WordSettings,
} from './boot-words.ts';

export type BootWord = {
  readonly text: string;
  /** False for a word that the kernel ignores without a message, or only with one. */
  readonly known: boolean;
  /** What it does, in a sentence for people. */
  readonly effect: string;
  /** A valid word that was probably meant. */
  readonly suggestion: string | null;
  /** A later word that sets the same and wins, or null. */
  readonly overriddenBy: string | null;
};

export type BootSettings = WordSettings & {
  /** As far as Linux reads it. */
  readonly line: string;
  readonly words: readonly BootWord[];
  /** Kernel messages printed while the line is parsed: before it is printed as `Kernel command line`, and after. */
  readonly messages: { readonly early: readonly string[]; readonly late: readonly string[] };
};

/** COMMAND_LINE_SIZE of x86, without the byte that ends the line. */
const MOST_CHARACTERS = 2047;

/** The effect of a word that has none here. */
export const notOurs = 'not about the IOMMU';

type Setting = keyof WordSettings;

/** What is gathered while a line is read. */
type Reading = {
  readonly version: KernelVersion;
  readonly settings: { -readonly [K in Setting]: WordSettings[K] };
  /** The last word that set each. */
  readonly setBy: Map<Setting, number>;
  /** Messages of early parameters come before those of the others, those about unknown words at the end. */
  readonly early: string[];
  readonly late: string[];
  readonly unknown: string[];
  /** The word that is being read, by its place in the line. */
  index: number;
};

type Read = Omit<BootWord, 'overriddenBy'> & { readonly sets: readonly Setting[] };

const byName: ReadonlyMap<string, ParameterRule> = new Map(parameterRules.map((rule) => [rule.name, rule]));

/** Whole words to offer for completion and as suggestions. */
export const bootWords: readonly string[] = parameterRules.flatMap(({ name, value, rules }) => {
  if (value === 'none') return [name];
  const current = rules.filter(
    (rule) => existsIn(DEFAULT_VERSION, rule) && (value === 'boolean' || isOffered(rule)),
  );
  return [...new Set(current.map(({ word }) => `${name}=${word}`))];
});

/** A word that does something on this machine. */
function isOffered({ sets, message }: WordRule): boolean {
  return sets !== undefined || (message !== undefined && !message.endsWith('ignored.'));
}

function existsIn(version: KernelVersion, { since, before }: Pick<WordRule, 'since' | 'before'>): boolean {
  return (
    (since === undefined || isSince(version, since)) && (before === undefined || !isSince(version, before))
  );
}

/** Read a command line. Never fails: Linux boots with any line. */
export function readBootLine(line: string, version: KernelVersion = DEFAULT_VERSION): BootSettings {
  const reading: Reading = {
    version,
    settings: { ...settingsWithoutWords },
    setBy: new Map(),
    early: [],
    late: [],
    unknown: [],
    index: 0,
  };
  const texts = wordsOf(line.slice(0, MOST_CHARACTERS));
  const read: Read[] = [];
  // What stands behind two dashes is for init alone.
  const dashes = texts.indexOf('--');
  const end = dashes < 0 ? texts.length : dashes;
  // Early parameters are read first, wherever they stand (early_param before __setup).
  for (const early of [true, false]) {
    texts.forEach((text, index) => {
      if (isEarly(text) !== early) return;
      reading.index = index;
      if (index < end) read[index] = readWord(text, reading);
      else read[index] = ignored(text, index === end ? LAST_WORD : FOR_INIT, null);
    });
  }
  const beyond = line.slice(MOST_CHARACTERS).trim();
  if (beyond !== '')
    read.push(ignored(beyond.length > 40 ? `${beyond.slice(0, 40)}…` : beyond, TOO_FAR, null));
  const words = read.map(({ sets, ...word }, index): BootWord => {
    const winners = sets.map((setting) => reading.setBy.get(setting) ?? index);
    const winner = winners.length > 0 && !winners.includes(index) ? texts[winners[0]] : null;
    return { ...word, overriddenBy: winner };
  });
  const { early, late, unknown } = reading;
  return {
    ...reading.settings,
    line: line.slice(0, MOST_CHARACTERS),
    words,
    messages: { early, late: [...late, ...unknownMessage(unknown, version)] },
  };
}

const LAST_WORD = 'ends what the kernel reads: the rest is for init';
const FOR_INIT = 'stands behind --: the kernel hands it to init and does not read it';
const TOO_FAR = `lies behind character ${MOST_CHARACTERS}: Linux on x86 reads no further, without a message`;

/** The words of a line; blanks between quotation marks belong to one (next_arg of lib/cmdline.c). */
const wordsOf = (line: string): string[] => line.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];

/** What start_kernel prints about words that nothing in the kernel reads. */
function unknownMessage(words: readonly string[], version: KernelVersion): string[] {
  if (words.length === 0 || !isSince(version, '5.14')) return [];
  // Arguments of init come first, then its environment, in which a later value takes the place of an earlier one.
  const environment = new Map(words.filter((word) => word.includes('=')).map((word) => [nameOf(word), word]));
  const list = [...words.filter((word) => !word.includes('=')), ...environment.values()].join(' ');
  return isSince(version, '5.15')
    ? [`Unknown kernel command line parameters "${list}", will be passed to user space.`]
    : [`Unknown command line parameters: ${list}`];
}

const nameOf = (text: string): string => text.split('=', 1)[0];

/**
 * A word as name and value. The kernel takes hyphens and underscores in a name for the same, and quotation marks
 * around the word or its value away.
 */
function partsOf(text: string): { name: string; value: string | null } {
  const word = unquoted(text);
  const equals = word.indexOf('=');
  const name = (equals < 0 ? word : word.slice(0, equals)).replaceAll('-', '_');
  return { name, value: equals < 0 ? null : unquoted(word.slice(equals + 1)) };
}

const unquoted = (text: string): string => (text.startsWith('"') ? text.slice(1).replace(/"$/, '') : text);

const isEarly = (text: string): boolean => byName.get(partsOf(text).name)?.early === true;

function readWord(text: string, reading: Reading): Read {
  const { name, value } = partsOf(text);
  const rule = byName.get(name);
  if (rule !== undefined && !existsIn(reading.version, rule)) {
    return ignored(text, `Linux ${reading.version} does not know it yet: ignored silently`, null);
  }
  if (rule !== undefined) {
    if (rule.value === 'none') return applied(text, [rule.rules[0]], rule, reading);
    if (rule.value === 'boolean') return readBoolean(text, value, rule, reading);
    return readList(text, value, rule, reading);
  }
  if (Object.hasOwn(strangers, name)) {
    const { effect, known } = strangers[name];
    if (!known) reading.unknown.push(text);
    return { text, known, effect, suggestion: null, sets: [] };
  }
  return readUnknown(text, name, value, reading);
}

function readUnknown(text: string, name: string, value: string | null, reading: Reading): Read {
  const names = [...byName.keys()];
  // Kernels have many parameters: iomem= is right, and only two letters away from iommu=.
  const isOurs = /iommu|intrem|strict|passthr/i.test(text);
  const meant = isOurs ? nearest(name, names) : nearest(name, names, name.length > 6 ? 2 : 1);
  if (meant === null) return { text, known: true, effect: notOurs, suggestion: null, sets: [] };
  const suggestion = value === null || value === '' ? meant : `${meant}=${withoutCapitals(meant, value)}`;
  // A name with a dot could belong to a module that is loaded later: nothing is said about it.
  if (name.includes('.') || !isSince(reading.version, '5.14')) {
    return ignored(text, 'unknown: Linux ignores it silently', suggestion);
  }
  reading.unknown.push(text);
  return ignored(text, 'unknown: Linux says so in its log and passes it to user space', suggestion);
}

/** A value in lower case, where the kernel knows it like that alone. */
function withoutCapitals(name: string, value: string): string {
  const small = value.toLowerCase();
  return byName.get(name)?.rules.some(({ word }) => word === small) === true ? small : value;
}

/** A comma-separated list of words. */
function readList(text: string, value: string | null, rule: ParameterRule, reading: Reading): Read {
  if (value === null || /^,*$/.test(value)) return readEmpty(text, value, rule, reading);
  const { others } = rule;
  const found: WordRule[] = [];
  let wrong: string | null = null;
  for (let rest = value; rest !== ''; rest = rest.replace(/^[^,]*,*/, '')) {
    const [word] = rest.split(',', 1);
    if (word === '') continue;
    const match = matchingRule(word, rule, reading.version);
    if (match === undefined) {
      if (others !== 'not about the IOMMU') wrong ??= word;
      // The kernel prints all that is left of the value, not the one word.
      if (others === 'printed' && isSince(reading.version, '5.16')) {
        reading.late.push(`DMAR: Unknown option - '${rest}'`);
      }
      continue;
    }
    found.push(match);
    apply(match, rule, reading);
    if (match.last === true) {
      // It returns 1, which do_early_param takes for an error.
      reading.early.push(malformed(rule));
      break;
    }
  }
  if (disownsItself(rule, reading)) reading.unknown.push(text);
  const effects = found.map(({ effect }) => effect).join('; ');
  const sets = found.flatMap(settingsOf);
  if (wrong === null) {
    return { text, known: true, effect: effects === '' ? notOurs : effects, suggestion: null, sets };
  }
  const rest = effects === '' ? '' : `; the rest: ${effects}`;
  const why = ignoredWord(wrong, rule, reading.version);
  return { ...ignored(text, `${why}${rest}`, suggestWord(wrong, rule, reading.version)), sets };
}

/** A parameter without a value, `iommu` or `iommu=`. */
function readEmpty(text: string, value: string | null, rule: ParameterRule, reading: Reading): Read {
  const { name, early } = rule;
  if (value === null) {
    if (early) reading.early.push(malformed(rule));
    else reading.unknown.push(text);
  } else if (disownsItself(rule, reading)) reading.unknown.push(text);
  const suggestion = name === 'intel_iommu' ? 'intel_iommu=on' : null;
  return ignored(text, 'has no value: Linux ignores it', suggestion);
}

/** The word of a list that the kernel takes a word for; of two that match by prefix the longer: forcesac is not force. */
function matchingRule(
  word: string,
  { value, rules }: ParameterRule,
  version: KernelVersion,
): WordRule | undefined {
  return rules
    .filter((rule) => existsIn(version, rule))
    .filter((rule) => (value === 'words by prefix' ? word.startsWith(rule.word) : word === rule.word))
    .sort((a, b) => b.word.length - a.word.length)[0];
}

/** Until 5.16 intel_iommu_setup returned 0, as if it had not known its own parameter, which was then listed. */
const disownsItself = ({ others }: ParameterRule, { version }: Reading): boolean =>
  others === 'printed' && !isSince(version, '5.16');

const malformed = ({ name }: ParameterRule): string => `Malformed early option '${name}'`;

/** A boolean as kstrtobool reads it: y, 1, on and n, 0, off, since 5.19 t and f too, by the first letters. */
function readBoolean(text: string, value: string | null, rule: ParameterRule, reading: Reading): Read {
  // A module's parameter without a value is on (param_set_bool).
  const [yes, no] = isSince(reading.version, '5.19')
    ? [/^(y|t|1|on)/i, /^(n|f|0|of)/i]
    : [/^(y|1|on)/i, /^(n|0|of)/i];
  const isOn = value === null ? !rule.early : yes.test(value);
  if (!isOn && !no.test(value ?? '')) {
    if (rule.early) reading.early.push(malformed(rule));
    const why = rule.early ? 'Linux says that it is malformed and ignores it' : 'Linux ignores it';
    const what = value === null || value === '' ? 'has no value' : `"${value}" is neither 0 nor 1`;
    return ignored(text, `${what}: ${why}`, `${rule.name}=1`);
  }
  const chosen = rule.rules.find(
    ({ word, ...rest }) => word === (isOn ? '1' : '0') && existsIn(reading.version, rest),
  );
  return chosen === undefined ? ignored(text, notOurs, null) : applied(text, [chosen], rule, reading);
}

function applied(text: string, rules: readonly WordRule[], parameter: ParameterRule, reading: Reading): Read {
  for (const rule of rules) apply(rule, parameter, reading);
  const effect = rules.map((rule) => rule.effect).join('; ');
  return { text, known: true, effect, suggestion: null, sets: rules.flatMap(settingsOf) };
}

function apply(rule: WordRule, { early }: ParameterRule, reading: Reading): void {
  Object.assign(reading.settings, rule.sets);
  for (const setting of settingsOf(rule)) reading.setBy.set(setting, reading.index);
  if (rule.message !== undefined) (early ? reading.early : reading.late).push(rule.message);
}

const settingsOf = ({ sets = {} }: WordRule): Setting[] => Object.keys(sets) as Setting[];

function ignoredWord(word: string, { name, rules, others }: ParameterRule, version: KernelVersion): string {
  if (name === 'iommu' && word === 'on') {
    return 'Linux on x86 knows no iommu=on: it is ignored silently and turns nothing on';
  }
  const elsewhere = rules.find((rule) => word.startsWith(rule.word) && !existsIn(version, rule));
  const when = elsewhere?.since === undefined ? 'any more' : 'yet';
  const what = elsewhere === undefined ? 'is unknown' : `is not known to Linux ${version} ${when}`;
  const how =
    others === 'printed' && isSince(version, '5.16')
      ? 'Linux says so in its log and ignores it'
      : 'Linux ignores it silently';
  return `"${word}" ${what}: ${how}`;
}

function suggestWord(word: string, { name, rules }: ParameterRule, version: KernelVersion): string | null {
  if (name === 'iommu' && (word === 'on' || word === 'yes' || word === '1')) return 'intel_iommu=on';
  if (name === 'iommu' && word === 'strict') return 'iommu.strict=1';
  if (name === 'iommu' && word === 'lazy') return 'iommu.strict=0';
  const words = rules.filter((rule) => existsIn(version, rule)).map((rule) => rule.word);
  // One that somebody did not finish, before one that is only similar.
  const meant = words.find((each) => word.length > 1 && each.startsWith(word)) ?? nearest(word, words);
  return meant === null ? null : `${name}=${meant}`;
}

const ignored = (text: string, effect: string, suggestion: string | null): Read => ({
  text,
  known: false,
  effect,
  suggestion,
  sets: [],
});
