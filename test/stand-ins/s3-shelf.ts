/** Where the S3 server keeps its objects: in memory, or in a directory. The index is in memory in both. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Error } from './s3-xml.ts';

export interface StoredObject {
  readonly bytes: number;
  readonly etag: string;
  readonly modified: number;
  readonly storageClass: string;
  restoring: boolean;
  restored: boolean;
  read: () => Promise<Buffer>;
}

interface Bucket {
  readonly objects: Map<string, StoredObject>;
  /** Null after a change. */
  sorted: string[] | null;
}

export class Shelf {
  readonly #buckets = new Map<string, Bucket>();
  readonly #directory: string | undefined;

  /** Without a directory everything stays in memory. */
  constructor(directory: string | undefined) {
    this.#directory = directory;
    if (directory === undefined) return;
    mkdirSync(directory, { recursive: true });
    for (const bucket of readdirSync(directory)) {
      this.createBucket(bucket);
      for (const name of readdirSync(join(directory, bucket))) this.#load(bucket, join(directory, bucket, name));
    }
  }

  createBucket(name: string): boolean {
    if (this.#buckets.has(name)) return false;
    this.#buckets.set(name, { objects: new Map(), sorted: null });
    if (this.#directory !== undefined) mkdirSync(join(this.#directory, name), { recursive: true });
    return true;
  }

  objects(bucket: string): ReadonlyMap<string, StoredObject> {
    return this.#bucket(bucket).objects;
  }

  sortedKeys(bucket: string): readonly string[] {
    const found = this.#bucket(bucket);
    found.sorted ??= [...found.objects.keys()].sort();
    return found.sorted;
  }

  /** The object is in the index before the first await, and kept when the promise resolves. */
  async put(bucket: string, key: string, body: Buffer, storageClass: string): Promise<StoredObject> {
    const object = this.#index(bucket, key, storageClass, body, Date.now());
    const file = this.#file(bucket, key);
    if (file !== null) {
      await writeFile(file, Buffer.concat([headerOf(key, storageClass), body]));
      object.read = async () => parseFile(await readFile(file)).body; // From here on memory holds the index alone.
    }
    return object;
  }

  async delete(bucket: string, key: string): Promise<void> {
    const found = this.#bucket(bucket);
    if (!found.objects.delete(key)) return;
    found.sorted = null;
    const file = this.#file(bucket, key);
    if (file !== null) await rm(file, { force: true });
  }

  finishRestores(): void {
    for (const { objects } of this.#buckets.values()) {
      for (const object of objects.values()) object.restored ||= object.restoring;
    }
  }

  #index(bucket: string, key: string, storageClass: string, body: Buffer, modified: number): StoredObject {
    const found = this.#bucket(bucket);
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    const state = { restoring: false, restored: false, read: async () => body };
    const object = { bytes: body.length, etag, modified, storageClass, ...state };
    found.objects.set(key, object);
    found.sorted = null;
    return object;
  }

  #load(bucket: string, file: string): void {
    const { key, storageClass, body } = parseFile(readFileSync(file));
    const object = this.#index(bucket, key, storageClass, body, statSync(file).mtimeMs);
    object.read = async () => parseFile(await readFile(file)).body;
  }

  #bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (!bucket) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
    return bucket;
  }

  /** Named by a hash: keys are longer than file names may be, and some look like paths out of the directory. */
  #file(bucket: string, key: string): string | null {
    if (this.#directory === undefined) return null;
    return join(this.#directory, bucket, createHash('sha256').update(key).digest('hex'));
  }
}

/** A file is one line of JSON, then the body. */
const headerOf = (key: string, storageClass: string): Buffer =>
  Buffer.from(`${JSON.stringify({ key, storageClass })}\n`);

function parseFile(file: Buffer): { key: string; storageClass: string; body: Buffer } {
  const end = file.indexOf('\n');
  return { ...JSON.parse(file.toString('utf8', 0, end)), body: file.subarray(end + 1) };
}
