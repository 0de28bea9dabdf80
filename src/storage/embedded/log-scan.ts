/**
 * Reads one file of the metadata log from its first frame to its end, as recovery and cleaning do. Bodies are skipped:
 * who reads an item checks it.
 *
 * What is not a whole frame is one of two things. At the end of the newest file, with no frame after it, it is the torn
 * tail: the group that was being written when the broker died, acknowledged to nobody. Anywhere else it is damage: a frame
 * is only ever written after the one before it was durable. Damage to a head is repaired from its copy at the other end
 * of the frame; where both are gone nothing tells which items stood there, and the file is refused.
 */
import { crc32 } from 'node:zlib';
import { StorageCorruptError } from '../../errors.ts';
import type { LogFile } from './log-file.ts';
import {
  BLOCK_BYTES,
  COPY_END_BYTES,
  copyBytesAt,
  decodeRecords,
  FILE_HEADER_BYTES,
  type Frame,
  HEAD_BYTES,
  isHeadWhole,
  type LogRecord,
  peekFrame,
} from './log-frame.ts';

const WINDOW_BYTES = 1024 * 1024;

export interface ScannedFrame {
  readonly frame: Frame;
  readonly records: readonly LogRecord[];
}

/**
 * Frames of a file in order. `end` is where they are known to end, or null in the newest file, where the generator finds
 * out: its last frame is yielded only when every byte of it is there.
 */
export async function* scanFrames(file: LogFile, end: number | null): AsyncGenerator<ScannedFrame> {
  const window = new Window(file);
  let position = FILE_HEADER_BYTES;
  let held: ScannedFrame | null = null;
  const limit = end ?? file.fileBytes;
  while (position < limit) {
    const found = await frameAt(window, position, limit);
    if (found) {
      if (held) yield held;
      held = found;
      position = found.frame.end;
      continue;
    }
    const next = await nextFrame(window, position + BLOCK_BYTES, limit);
    if (next === null && end === null) break;
    if (held) yield held;
    held = null;
    const upTo: number = next ?? limit;
    yield* await copiesBetween(window, position, upTo);
    position = upTo;
  }
  if (held && (end !== null || (await isWhole(window, held)))) yield held;
}

/** A view of the file that moves forward in large reads. */
class Window {
  readonly file: LogFile;
  /** One buffer for all reads: nothing that is decoded from it refers to it. */
  readonly #buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #bytes: Buffer = this.#buffer.subarray(0, 0);
  #position = 0;

  constructor(file: LogFile) {
    this.file = file;
  }

  /** At least `length` bytes from `position`, fewer at the end of the file. */
  async at(position: number, length: number): Promise<Buffer> {
    const start = position - this.#position;
    if (start >= 0 && start + length <= this.#bytes.length) return this.#bytes.subarray(start);
    const bytes = Math.min(Math.max(WINDOW_BYTES, length), Math.max(0, this.file.fileBytes - position));
    const into = bytes <= WINDOW_BYTES ? this.#buffer.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
    this.#bytes = await this.file.readInto(into, position);
    this.#position = position;
    return this.#bytes;
  }
}

async function frameAt(window: Window, position: number, limit: number): Promise<ScannedFrame | null> {
  const { sequence, nonce } = window.file;
  const first = await window.at(position, HEAD_BYTES);
  const frame = peekFrame(first, 0, { sequence, nonce, position }, limit);
  if (!frame) return null;
  const head = await window.at(position, frame.headBytes);
  if (head.length < frame.headBytes || !isHeadWhole(head, 0, frame, nonce)) return null;
  return { frame, records: decodeRecords(head, 0, frame) };
}

/** Position of the first whole head at or after `from`. */
async function nextFrame(window: Window, from: number, limit: number): Promise<number | null> {
  for (let position = from; position < limit; position += BLOCK_BYTES) {
    if (await frameAt(window, position, limit)) return position;
  }
  return null;
}

/** The frames that fill `[from, to)`, by the copies of their heads, backwards from a boundary that is certain. */
async function copiesBetween(window: Window, from: number, to: number): Promise<ScannedFrame[]> {
  const { file } = window;
  const frames: ScannedFrame[] = [];
  for (let end = to; end > from; ) {
    const copy = await copyBefore(file, from, end);
    if (!copy) {
      throw new StorageCorruptError(
        `${file.name} is damaged between byte ${from} and ${end}: expected frames of the metadata log, found neither a ` +
          'whole head nor a whole copy of one, so it is unknown which items stood there',
      );
    }
    frames.unshift(copy);
    end = copy.frame.position;
  }
  return frames;
}

async function copyBefore(file: LogFile, from: number, end: number): Promise<ScannedFrame | null> {
  const copyBytes = copyBytesAt(await file.read(end - COPY_END_BYTES, COPY_END_BYTES));
  if (copyBytes === null || copyBytes < HEAD_BYTES || copyBytes > end - from - COPY_END_BYTES) return null;
  const copy = await file.read(end - COPY_END_BYTES - copyBytes, copyBytes);
  const position = copy.readUInt32LE(12) * BLOCK_BYTES;
  const frame = peekFrame(copy, 0, { sequence: file.sequence, nonce: file.nonce, position }, end);
  if (!frame || frame.position < from || frame.end !== end || frame.headBytes !== copyBytes) return null;
  return isHeadWhole(copy, 0, frame, file.nonce) ? { frame, records: decodeRecords(copy, 0, frame) } : null;
}

/** Whether bodies and the copy of the head are all there: asked of the newest frame only. */
async function isWhole(window: Window, { frame, records }: ScannedFrame): Promise<boolean> {
  const { file } = window;
  for (const { bodyPosition, bodyBytes, bodyCrc } of records) {
    const body = await file.read(bodyPosition, bodyBytes);
    if (body.length !== bodyBytes || crc32(body) !== bodyCrc) return false;
  }
  return (await copyBefore(file, frame.position, frame.end)) !== null;
}
