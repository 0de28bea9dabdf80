/**
 * Reads the bodies of items back from the log. Items that were written one after the other are read with one request.
 * Each body is checked against its CRC: damage is told with the key, the file and the position, and hits that item only.
 */
import { crc32 } from 'node:zlib';
import { StorageCorruptError } from '../../errors.ts';
import { describeKey } from '../item-rules.ts';
import type { Item } from '../metadata-store.ts';
import { failureBeforeEffect } from './disk.ts';
import type { IndexEntry } from './metadata-index.ts';

/** Reading over a gap this large costs less than another request. */
const GAP_BYTES_MAX = 16 * 1024;
const RUN_BYTES_MAX = 2 * 1024 * 1024;

const NO_BODY = Buffer.alloc(0);

export const withoutBody = (entry: IndexEntry): Item => entry.item(NO_BODY);

/** The items of the entries, in their order. Holds their files from the call on, so that cleaning may go on meanwhile. */
export async function readItems(entries: readonly IndexEntry[]): Promise<Item[]> {
  const files = new Set(entries.map((entry) => entry.file));
  for (const file of files) file.hold();
  try {
    const bodies = new Map<IndexEntry, Buffer>();
    for (const run of runsOf(entries)) await readBodies(run, bodies);
    return entries.map((entry) => entry.item(bodies.get(entry) ?? NO_BODY));
  } finally {
    for (const file of files) file.release();
  }
}

async function readBodies(run: readonly IndexEntry[], into: Map<IndexEntry, Buffer>): Promise<void> {
  const first = run[0]!;
  const last = run[run.length - 1]!;
  const bytes = await readRun(first, last.bodyPosition + last.bodyBytes - first.bodyPosition);
  for (const entry of run) {
    const start = entry.bodyPosition - first.bodyPosition;
    into.set(entry, checkedBody(entry, bytes.subarray(start, start + entry.bodyBytes)));
  }
}

export async function readItem(entry: IndexEntry): Promise<Item> {
  entry.file.hold();
  try {
    return entry.item(checkedBody(entry, await readRawBody(entry)));
  } finally {
    entry.file.release();
  }
}

/** The body as it stands, damaged or not. */
export async function readRawBody(entry: IndexEntry): Promise<Buffer> {
  return entry.bodyBytes === 0 ? NO_BODY : await readRun(entry, entry.bodyBytes);
}

/** Entries in the order of the disk, cut where the next one is far away. */
function runsOf(entries: readonly IndexEntry[]): IndexEntry[][] {
  const inOrder = entries.filter((entry) => entry.bodyBytes > 0);
  inOrder.sort((a, b) => a.file.sequence - b.file.sequence || a.bodyPosition - b.bodyPosition);
  const runs: IndexEntry[][] = [];
  let run: IndexEntry[] = [];
  for (const entry of inOrder) {
    const first = run[0];
    const previous = run[run.length - 1];
    const continues =
      first !== undefined &&
      previous !== undefined &&
      first.file === entry.file &&
      entry.bodyPosition - (previous.bodyPosition + previous.bodyBytes) <= GAP_BYTES_MAX &&
      entry.bodyPosition + entry.bodyBytes - first.bodyPosition <= RUN_BYTES_MAX;
    if (continues) run.push(entry);
    else {
      run = [entry];
      runs.push(run);
    }
  }
  return runs;
}

async function readRun(first: IndexEntry, bytes: number): Promise<Buffer> {
  try {
    return await first.file.read(first.bodyPosition, bytes);
  } catch (error) {
    throw failureBeforeEffect(error, `reading ${first.file.name} at byte ${first.bodyPosition}`);
  }
}

function checkedBody(entry: IndexEntry, body: Buffer): Buffer {
  if (body.length === entry.bodyBytes && crc32(body) === entry.bodyCrc) return body;
  throw new StorageCorruptError(
    `item ${describeKey(entry)} is damaged: ${entry.file.name} at byte ${entry.bodyPosition}: expected ` +
      `${entry.bodyBytes} bytes with CRC-32 ${hex(entry.bodyCrc)}, found ${body.length} with ${hex(crc32(body))}`,
  );
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0');
