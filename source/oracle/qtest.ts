/**
 * QEMU's qtest protocol over standard input and output: one line a command, one line an answer. The server works
 * with any accelerator as long as the virtual CPU is stopped, so no guest is needed.
 */
import { existsSync } from 'node:fs';
import { execa } from 'execa';
import { printable } from '../commands/printable.ts';
import { QemuError, type QemuProgram } from './program.ts';

/** What QEMU last complained of, kept for the message when it ends. */
const KEPT_COMPLAINTS = 2000;

/** QEMU answers a whole case within milliseconds; this is for a machine that is very busy. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * Ends a process with the one that started it, however that ends. QEMU itself does not: it goes on without its
 * standard input. Where there is no such program, a killed dmascope leaves its QEMU behind.
 */
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

type Batch = {
  left: number;
  readonly values: bigint[];
  readonly done: (values: bigint[]) => void;
  readonly failed: (error: Error) => void;
};

export class Qtest implements AsyncDisposable {
  private readonly process;
  private readonly waiting: Batch[] = [];
  private readonly timer: NodeJS.Timeout;
  private complaints = '';
  private rest = '';
  private end: QemuError | null = null;

  constructor(program: QemuProgram, args: readonly string[]) {
    const line = [program.path, ...args, '-qtest', 'stdio', '-qtest-log', 'none'];
    const [file, ...rest] = SETPRIV === undefined ? line : [SETPRIV, '--pdeathsig', 'KILL', '--', ...line];
    this.process = execa(file, rest, {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
      buffer: false,
      reject: false,
      forceKillAfterDelay: 1000,
    });
    this.process.stdout.setEncoding('latin1').on('data', (text: string) => this.receive(text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.complaints = (this.complaints + text).slice(-KEPT_COMPLAINTS);
    });
    // A pipe to a process that has ended; its end is reported below.
    this.process.stdin.on('error', () => {});
    void this.process.then(({ exitCode, signal }) => {
      const how = signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
      const words = this.complaints.trim().split('\n').map(printable).join('; ');
      this.fail(new QemuError(`QEMU ended (${how})${words === '' ? '' : `: ${words}`}`));
    });
    this.timer = setTimeout(() => this.giveUp(), ANSWER_TIMEOUT_MS);
  }

  /**
   * Send commands in one go. Resolves with the values of those that answer with one, in order.
   *
   * @throws QemuError if QEMU ends, says no to one, or does not answer
   */
  send(lines: readonly string[]): Promise<bigint[]> {
    if (this.end !== null) return Promise.reject(this.end);
    if (lines.length === 0) return Promise.resolve([]);
    return new Promise((done, failed) => {
      this.waiting.push({ left: lines.length, values: [], done, failed });
      this.timer.refresh();
      this.process.stdin.write(`${lines.join('\n')}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.timer);
    this.process.kill('SIGKILL');
    await this.process;
  }

  private receive(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      // Interrupt lines may come between answers.
      if (line.startsWith('IRQ')) continue;
      const batch = this.waiting[0];
      if (batch === undefined || !line.startsWith('OK')) {
        this.fail(new QemuError(`QEMU answered ${JSON.stringify(line)}`));
        return;
      }
      if (line.length > 3) batch.values.push(BigInt(line.slice(3)));
      if (--batch.left === 0) {
        this.waiting.shift();
        batch.done(batch.values);
      }
    }
  }

  private giveUp(): void {
    if (this.waiting.length > 0)
      this.fail(new QemuError(`QEMU did not answer for ${ANSWER_TIMEOUT_MS / 1000} s`));
  }

  private fail(error: QemuError): void {
    clearTimeout(this.timer);
    this.end ??= error;
    for (const { failed } of this.waiting.splice(0)) failed(this.end);
    this.process.kill('SIGKILL');
  }
}
