/**
 * Reads a demo out of Markdown: `#` is the title, each `##` a scene, paragraphs are for the room, quotations for the
 * speaker, and blocks of `dmascope` hold commands.
 */
import type { Blockquote, Code, Heading, Nodes, RootContent } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { toString as plainText } from 'mdast-util-to-string';
import { parseCommand } from '../commands/parse.ts';
import { printable, quoted } from '../commands/printable.ts';
import { unexpected } from '../commands/words.ts';
import { type Demo, DemoError, type Line, type Note, type NoteKind, noteKinds, type Scene } from './demo.ts';

/** The language of blocks of commands. */
export const BLOCK = 'dmascope';

/** The room waits for it. */
const LONGEST_RUN_NS = 1e9;

type Draft = { -readonly [K in keyof Scene]: Scene[K] extends readonly (infer T)[] ? T[] : Scene[K] };

/**
 * @param name what the demo is called
 * @param file what messages call the file
 * @throws DemoError with file, line, what was expected and what came
 */
export function readDemo(markdown: string, name: string, file: string): Demo {
  const reader = new Reader(file);
  reader.checkText(markdown);
  for (const node of fromMarkdown(markdown).children) reader.read(node);
  return reader.finish(name);
}

class Reader {
  private readonly file: string;
  private title: string | null = null;
  private minutes: number | null = null;
  private readonly introduction: string[] = [];
  private readonly scenes: Draft[] = [];

  constructor(file: string) {
    this.file = printable(file);
  }

  /** Bytes that are no text have been read as a replacement character, or as a zero. */
  checkText(markdown: string): void {
    const at = markdown.search(/[\0\ufffd]/);
    if (at < 0) return;
    const line = markdown.slice(0, at).split('\n').length;
    throw new DemoError(`${this.file}:${line}: expected text in UTF-8, got a byte that is none`);
  }

  read(node: RootContent): void {
    if (node.type === 'html' && node.value.startsWith('<!--')) return;
    if (node.type === 'heading') return this.heading(node);
    if (this.title === null)
      throw this.wrong(node, `expected a title such as "# My talk" first, got ${named(node)}`);
    const scene = this.scenes.at(-1);
    switch (node.type) {
      case 'paragraph':
        (scene?.caption ?? this.introduction).push(oneLine(plainText(node)));
        return;
      case 'blockquote':
        if (scene === undefined)
          throw this.wrong(node, 'expected a scene such as "## First" before notes for the speaker');
        scene.notes.push(...this.notes(node));
        return;
      case 'code':
        if (scene === undefined)
          throw this.wrong(node, 'expected a scene such as "## First" before commands');
        scene.commands.push(...this.commands(node));
        return;
    }
    throw this.wrong(
      node,
      `expected a heading, a paragraph, a quotation or a block of ${BLOCK} commands, got ${named(node)}`,
    );
  }

  finish(name: string): Demo {
    const { file, title, minutes, introduction, scenes } = this;
    if (title === null) throw new DemoError(`${file}:1: expected a title such as "# My talk", got nothing`);
    if (scenes.length === 0) throw new DemoError(`${file}:1: expected a scene such as "## First", got none`);
    return { name, file, title, minutes, introduction, scenes };
  }

  private heading(node: Heading): void {
    const text = oneLine(plainText(node));
    if (node.depth === 1) {
      if (this.title !== null)
        throw this.wrong(node, `expected one title, got a second one: ${quoted(text)}`);
      // `# My talk, 12 min`
      const [, title, minutes] = /^(.*?)(?:[\s,—–-]+(\d+) min)?$/.exec(text) ?? [];
      this.title = title;
      this.minutes = minutes === undefined ? null : Number(minutes);
      return;
    }
    if (this.title === null)
      throw this.wrong(node, `expected a title such as "# My talk" first, got ${named(node)}`);
    if (node.depth > 2)
      throw this.wrong(node, `expected # for the title or ## for a scene, got ${'#'.repeat(node.depth)}`);
    this.scenes.push({ heading: text, line: lineOf(node), caption: [], notes: [], commands: [] });
  }

  /** Each line that begins with `say:` and the like is a note; other lines go on with the one before. */
  private notes(node: Blockquote): Note[] {
    const notes: { kind: NoteKind; text: string }[] = [];
    for (const child of node.children) {
      if (child.type !== 'paragraph') {
        throw this.wrong(child, `expected notes in words in a quotation, got ${named(child)}`);
      }
      plainText(child)
        .split('\n')
        .forEach((text, i) => {
          const [, kind, rest] = /^(say|point|ask|if asked|if it goes wrong):\s*(.*)$/i.exec(text) ?? [];
          const last = notes.at(-1);
          if (kind !== undefined) notes.push({ kind: kind.toLowerCase() as NoteKind, text: clean(rest) });
          else if (i > 0 && last !== undefined) last.text = clean(`${last.text} ${text}`);
          else notes.push({ kind: 'say', text: clean(this.withoutStrangeKind(text, child)) });
        });
    }
    return notes;
  }

  /** `sya: …` is a slip of the pen, not something to say. */
  private withoutStrangeKind(text: string, node: Nodes): string {
    const [, word] = /^([a-z]{2,6}):\s/.exec(text) ?? [];
    if (word !== undefined) throw this.wrong(node, unexpected('a kind of note', word, noteKinds));
    return text;
  }

  private commands(node: Code): Line[] {
    if (node.lang !== BLOCK) {
      throw this.wrong(node, unexpected('a block of', node.lang ?? '', [BLOCK]));
    }
    // The fence itself is the first line.
    return node.value.split('\n').flatMap((text, i) => {
      const line = lineOf(node) + 1 + i;
      const written = text.trim();
      if (written === '' || written.startsWith('#')) return [];
      const parsed = parseCommand(written);
      if (!parsed.ok) throw new DemoError(`${this.file}:${line}: ${parsed.error}`);
      const { command } = parsed;
      if (command.name === 'scene' || command.name === 'demo') {
        throw new DemoError(
          `${this.file}:${line}: expected a command to the machine, got ${quoted(written)}`,
        );
      }
      if (command.name === 'run' && (command.forNs ?? 0) > LONGEST_RUN_NS) {
        throw new DemoError(
          `${this.file}:${line}: expected at most 1s of simulated time, got ${quoted(written)}`,
        );
      }
      return [{ command, text: printable(written), line }];
    });
  }

  private wrong(node: Nodes, message: string): DemoError {
    return new DemoError(`${this.file}:${lineOf(node)}: ${message}`);
  }
}

const lineOf = (node: Nodes): number => node.position?.start.line ?? 1;

/** Lines of a paragraph as one, without anything that could move a cursor. */
const oneLine = (text: string): string => clean(text.replaceAll('\n', ' '));

const clean = (text: string): string => printable(text.replace(/\s+/g, ' ').trim());

const nodeNames: Readonly<Record<string, string>> = {
  paragraph: 'a paragraph',
  blockquote: 'a quotation',
  code: 'a block of code',
  list: 'a list',
  thematicBreak: 'a line across',
  html: 'HTML',
  definition: 'a link definition',
  heading: 'a heading of a scene',
};

const named = ({ type }: Nodes): string => nodeNames[type] ?? quoted(type);
