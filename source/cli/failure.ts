/** What is said when something went wrong, and the exit code it gives. */
import { CommanderError } from 'commander';
import { printableLines, shellText } from '../commands/printable.ts';
import { Refused } from '../commands/result.ts';
import { MalformedCase } from '../conformance/index.ts';
import { DemoError } from '../demo/demo.ts';
import { BadPerfEvent } from '../linux/unit/perf-event.ts';
import { QemuError } from '../oracle/program.ts';
import { DecodeError } from '../output/decode.ts';
import { BadSetting } from '../parameters/registry.ts';
import { NotPrivate } from '../sources/notes/runtime-directory.ts';
import { TraceError } from '../sources/qemu-trace/trace-error.ts';
import { BadDefinition } from '../sweep/definition.ts';
import { BadResults } from '../sweep/result-file.ts';
import { BadShard } from '../sweep/shard.ts';
import { PointFailed } from '../sweep/sweep.ts';
import { UnknownDemo } from './demo.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import { UnreadableInput } from './input.ts';

/** Input that is not what it should be: wrong usage, said in one line. */
const inputErrors = [
  Refused,
  DemoError,
  UnknownDemo,
  NotPrivate,
  UnreadableInput,
  TraceError,
  DecodeError,
  MalformedCase,
  QemuError,
  BadSetting,
  BadDefinition,
  BadResults,
  BadShard,
  PointFailed,
  BadPerfEvent,
];

/** Print what went wrong. Returns the exit code. */
export function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  if (error instanceof Error && inputErrors.some((kind) => error instanceof kind)) {
    process.stderr.write(`dmascope: ${printableLines(error.message)}\n`);
    return USAGE_ERROR;
  }
  process.stderr.write(
    `dmascope: unexpected error: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.stderr.write(`reproduce with: dmascope ${process.argv.slice(2).map(shellText).join(' ')}\n`);
  return 1;
}
