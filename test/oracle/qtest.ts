/**
 * QEMU's qtest protocol over standard input and output: one line a command, one line an answer. The server works
 * with any accelerator as long as the virtual CPU is stopped, so no guest is needed.
 */
import { execa } from 'execa';
import { QEMU } from './availability.ts';

/** What QEMU last complained of, kept for the message when it ends. */
const KEPT_COMPLAINTS = 2000;

export class Qtest implements AsyncDisposable {
  private readonly process;
  private readonly waiting: { left: number; values: bigint[]; done: (values: bigint[]) => void }[] = [];
  private readonly failures: ((error: Error) => void)[] = [];
  private complaints = '';
  private rest = '';

  constructor(args: readonly string[]) {
    this.process = execa(QEMU, [...args, '-qtest', 'stdio', '-qtest-log', 'none'], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
      buffer: false,
      reject: false,
    });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => this.receive(text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.complaints = (this.complaints + text).slice(-KEPT_COMPLAINTS);
    });
    // A pipe to a process that has ended; its end is reported below.
    this.process.stdin.on('error', () => {});
    void this.process.then(() => {
      for (const fail of this.failures.splice(0)) fail(new Error(`QEMU ended: ${this.complaints}`));
    });
  }

  /** Send commands in one go. Resolves with the values of those that answer with one, in order. */
  send(lines: readonly string[]): Promise<bigint[]> {
    if (lines.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.failures.push(reject);
      this.waiting.push({ left: lines.length, values: [], done: resolve });
      this.process.stdin.write(`${lines.join('\n')}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.failures.length = 0;
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
        this.failures[0]?.(new Error(`QEMU answered "${line}"`));
        continue;
      }
      if (line.length > 3) batch.values.push(BigInt(line.slice(3)));
      if (--batch.left === 0) {
        this.waiting.shift();
        this.failures.shift();
        batch.done(batch.values);
      }
    }
  }
}
