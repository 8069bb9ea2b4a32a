import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type IPty, spawn } from '@lydell/node-pty';
import type { Terminal as Emulator } from '@xterm/headless';
import headless from '@xterm/headless';
import { bytesOf } from './keys.ts';

export type TerminalOptions = {
  command: string;
  args?: string[];
  columns?: number;
  rows?: number;
  cwd?: string;
  /** On top of a bare environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Somebody's very first start of dmascope, who is welcomed. */
  firstStart?: boolean;
};

export type Exit = { exitCode: number; signal: number | undefined };

/** Starts a program in a real pseudo-terminal and keeps the screen that a person would see. */
export async function openTerminal(options: TerminalOptions): Promise<TestTerminal> {
  return new TestTerminal(options);
}

export class TestTerminal implements AsyncDisposable {
  readonly exited: Promise<Exit>;
  /** The emulator itself, for pictures and for questions this class does not answer. */
  readonly emulator: Emulator;

  private readonly pty: IPty;
  private readonly home = mkdtempSync(path.join(tmpdir(), 'dmascope-home-'));
  private readonly watchers = new Set<() => void>();
  private exit: Exit | undefined;
  private byteCount = 0;
  private clearCount = 0;

  constructor({ command, args = [], columns = 80, rows = 24, cwd, env, firstStart }: TerminalOptions) {
    if (firstStart !== true) markStarted(this.home);
    this.emulator = new headless.Terminal({ cols: columns, rows, allowProposedApi: true });
    this.pty = spawn(command, args, {
      name: 'xterm-256color',
      cols: columns,
      rows,
      cwd: cwd ?? process.cwd(),
      env: { ...bareEnvironment(this.home), ...env },
      encoding: null,
    });

    this.countFullClears();
    // The emulator answers what a program asks its terminal, such as the position of the cursor.
    this.emulator.onData((answer) => this.exit ?? this.pty.write(answer));

    // Without an encoding the chunks are bytes, whatever the type says.
    this.pty.onData((chunk) => this.receive(chunk as unknown as Uint8Array));
    this.exited = new Promise((resolve) => {
      this.pty.onExit(({ exitCode, signal }) => {
        // An empty write comes back when everything before it is on the screen.
        this.emulator.write('', () => {
          this.exit = { exitCode, signal: signal || undefined };
          resolve(this.exit);
          this.notify();
        });
      });
    });
  }

  /** The rows of the window, without the blanks at their ends. */
  screen(): string[] {
    const buffer = this.emulator.buffer.active;
    return Array.from(
      { length: this.emulator.rows },
      (_, row) => buffer.getLine(buffer.viewportY + row)?.translateToString(true) ?? '',
    );
  }

  text(): string {
    return this.screen().join('\n');
  }

  bufferType(): 'normal' | 'alternate' {
    return this.emulator.buffer.active.type;
  }

  /** Bytes received since the start. */
  bytes(): number {
    return this.byteCount;
  }

  /** How often the whole window was erased: by CSI 2 J, CSI 3 J, or home and CSI J. */
  fullClears(): number {
    return this.clearCount;
  }

  /** Settles as soon as the screen shows it; looks after every piece of output. */
  waitFor(wanted: string | RegExp | (() => boolean), timeoutMs = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (this.shows(wanted)) settle(resolve);
        else if (this.exit) settle(() => reject(this.failure(wanted, `exit ${this.exit?.exitCode}`)));
      };
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        this.watchers.delete(check);
        finish();
      };
      const timer = setTimeout(
        () => settle(() => reject(this.failure(wanted, `${timeoutMs} ms`))),
        timeoutMs,
      );

      this.watchers.add(check);
      check();
    });
  }

  /** Presses keys by name or character: `press('down', 'enter')`, `press('q')`, `press('ctrl-z')`. */
  press(...keys: string[]): void {
    for (const key of keys) this.pty.write(bytesOf(key));
  }

  /** Types text character by character. */
  type(text: string): void {
    this.press(...text);
  }

  /** Pastes as a terminal does that was asked for bracketed paste. */
  paste(text: string): void {
    this.pty.write(`\x1b[200~${text}\x1b[201~`);
  }

  /** Sends bytes as they are, for mouse reports and malformed input. */
  send(bytes: string): void {
    this.pty.write(bytes);
  }

  resize(columns: number, rows: number): void {
    this.emulator.resize(columns, rows);
    this.pty.resize(columns, rows);
  }

  async close(): Promise<void> {
    if (!this.exit) this.pty.kill('SIGKILL');
    await this.exited;
    this.emulator.dispose();
    rmSync(this.home, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private receive(chunk: Uint8Array): void {
    this.byteCount += chunk.length;
    this.emulator.write(chunk, () => this.notify());
  }

  private notify(): void {
    for (const watcher of this.watchers) watcher();
  }

  private shows(wanted: string | RegExp | (() => boolean)): boolean {
    if (typeof wanted === 'function') return wanted();
    return typeof wanted === 'string' ? this.text().includes(wanted) : wanted.test(this.text());
  }

  private failure(wanted: string | RegExp | (() => boolean), after: string): Error {
    const frame = this.screen().map((row) => `  | ${row}`);
    return new Error(`expected ${wanted} on the screen, but after ${after} it shows\n${frame.join('\n')}`);
  }

  private countFullClears(): void {
    this.emulator.parser.registerCsiHandler({ final: 'J' }, ([mode = 0]) => {
      const { cursorX, cursorY } = this.emulator.buffer.active;
      const fromHome = mode === 0 && cursorX === 0 && cursorY === 0;

      if (mode === 2 || mode === 3 || fromHome) this.clearCount++;
      return false;
    });
  }
}

/** Nothing of the machine the tests run on: no CI, no colour settings, no configuration of the person at it. */
/** As if dmascope had been started there before. */
function markStarted(home: string): void {
  const folder = path.join(home, '.local', 'state', 'dmascope');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'started'), '');
}

function bareEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    COLORTERM: 'truecolor',
  };
}
