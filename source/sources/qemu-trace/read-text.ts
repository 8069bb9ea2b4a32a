/** The text of a trace file, plain or gzip. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TraceError } from './trace-error.ts';

/** A whole boot with block and network traffic is 16 MB; what is far beyond is no trace, or a trap. */
const LARGEST = 256 * 2 ** 20;

const filesystemProblems: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EISDIR: 'expected a trace, got a directory',
  EACCES: 'permission to read it was denied',
  ERR_INVALID_ARG_VALUE: 'no file can have that name',
};

/** Bytes, and the error that ended them early. */
type Bytes = { readonly bytes: Buffer; readonly error: NodeJS.ErrnoException | null };

/**
 * Read a file; whether it is gzip is told by its first bytes, not by its name.
 *
 * @throws TraceError if it cannot be read, is damaged, or is too large
 */
export async function readText(file: string): Promise<string> {
  const raw = await collect(file, () => createReadStream(file));
  if (raw.error !== null) {
    const { code, message } = raw.error;
    throw new TraceError(file, null, filesystemProblems[code ?? ''] ?? `it cannot be read: ${message}`);
  }
  if (raw.bytes[0] !== 0x1f || raw.bytes[1] !== 0x8b) return decoded(raw.bytes);
  const plain = await collect(file, () => Readable.from(pieces(raw.bytes)).pipe(createGunzip()));
  if (plain.error !== null) throw damaged(file, plain.bytes, plain.error.message);
  return decoded(plain.bytes);
}

/** In pieces, so that what was unpacked before a damaged place is still at hand. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 4096) yield bytes.subarray(at, at + 4096);
}

async function collect(file: string, open: () => AsyncIterable<Buffer>): Promise<Bytes> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of open()) {
      size += chunk.length;
      if (size > LARGEST) {
        throw new TraceError(file, null, `expected a trace of at most ${LARGEST / 2 ** 20} MiB, got more`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof TraceError) throw error;
    return { bytes: Buffer.concat(chunks), error: error as NodeJS.ErrnoException };
  }
  return { bytes: Buffer.concat(chunks), error: null };
}

function damaged(file: string, bytes: Buffer, cause: string): TraceError {
  const last = bytes.reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), 0);
  const whole = last === 0 ? 'no line before it is whole' : `line ${last} is the last whole one`;
  return new TraceError(file, last + 1, `the gzip data is damaged or cut off (${cause}); ${whole}`);
}

/** What is not UTF-8 becomes one character for each byte, which the reader of lines then complains about. */
const decoded = (bytes: Buffer): string =>
  isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1').replace(/[\xa0-\xff]/g, '\ufffd');
