/** Where `millrace segment` finds segments: files, or objects of a store. Reading goes no further than the bytes asked for. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseSegmentId } from '../segment/segment-id.ts';
import { type ObjectStore, objectKey } from '../storage/object-store.ts';

export interface SegmentSource {
  /** Those below, when the place is a directory or prefix; null when it is one segment. */
  list(): AsyncIterable<FoundSegment> | null;
  /** The last bytes of the one segment, and its size; null when there is none. */
  readLast(length: number): Promise<{ readonly bytes: Buffer; readonly size: number } | null>;
  /** `[start, end)` of the one segment. */
  read(start: number, end: number): Promise<Buffer>;
  close(): Promise<void>;
}

export interface FoundSegment {
  readonly id: string;
  readonly bytes: number;
}

export async function openFileSource(path: string): Promise<SegmentSource> {
  const isDirectory = (await stat(path)).isDirectory();
  const file = isDirectory ? null : await open(path, 'r');
  const read = async (start: number, end: number) => {
    const bytes = Buffer.alloc(Math.max(0, end - start));
    const { bytesRead } = await file!.read(bytes, 0, bytes.length, start);
    return bytes.subarray(0, bytesRead);
  };
  return {
    list: () => (isDirectory ? segmentFiles(path) : null),
    read,
    async readLast(length) {
      const { size } = await file!.stat();
      return { bytes: await read(Math.max(0, size - length), size), size };
    },
    close: async () => file?.close(),
  };
}

async function* segmentFiles(directory: string): AsyncGenerator<FoundSegment> {
  const paths = (await readdir(directory, { recursive: true })).filter((path) => parseSegmentId(basename(path))).sort();
  for (const path of paths) yield { id: basename(path), bytes: (await stat(join(directory, path))).size };
}

const PAGE_KEYS = 1_000;

/** `key` is that of a segment, or a prefix of several. */
export function objectSource(objects: ObjectStore, key: string): SegmentSource {
  const isSegment = parseSegmentId(basename(key)) !== null;
  const options = { cause: 'tool' } as const;
  return {
    list: () => (isSegment ? null : segmentObjects(objects, key)),
    async readLast(length) {
      return readable(await objects.readLast(objectKey(key), length, options), key);
    },
    async read(start, end) {
      const bytes = readable(await objects.read(objectKey(key), { start, end }, options), key);
      return bytes ?? Buffer.alloc(0);
    },
    close: () => objects.close(),
  };
}

function readable<T>(found: T | 'archived', key: string): T {
  if (found === 'archived') throw new Error(`${key} is archived: restore it first`);
  return found;
}

async function* segmentObjects(objects: ObjectStore, prefix: string): AsyncGenerator<FoundSegment> {
  for (let after = ''; ; ) {
    const page = await objects.list(prefix, after, PAGE_KEYS, { cause: 'tool' });
    for (const { key, bytes } of page.objects) {
      after = key;
      if (parseSegmentId(basename(key))) yield { id: basename(key), bytes };
    }
    if (!page.more) return;
  }
}
