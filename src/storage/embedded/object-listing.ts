/**
 * Lists the keys of the embedded object store in byte order without reading the whole tree: folders are merged by key, and
 * within a folder only the shards that a page needs are read.
 */
import { type ObjectKey, objectKey } from '../object-store.ts';
import type { Disk } from './disk.ts';
import { decodeName, folderNames, isContinued, shardName } from './object-paths.ts';

/** Names that go on in directories: 1,000 characters, encoded, in pieces of 200. */
const DEPTH_MAX = 16;

/** Up to `limit` keys with the prefix, strictly after `after`. */
export async function listKeys(
  disk: Disk,
  root: string,
  prefix: string,
  after: string,
  limit: number,
): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = [];
  const cursors: Cursor[] = [];
  for (const folder of await namesBelow(disk, root)) {
    // A folder matters when its keys can begin with the prefix, and are not all behind `after`.
    const reaches = folder.startsWith(prefix) || prefix.startsWith(folder);
    if (reaches && !isBehind(folder, after)) cursors.push(new Cursor(disk, root, folder, prefix, after));
  }
  while (keys.length < limit && cursors.length > 0) {
    const least = leastOf(cursors);
    const key = least.take();
    if (key !== null) keys.push(key);
    else if (!(await least.advance())) cursors.splice(cursors.indexOf(least), 1);
  }
  return keys;
}

/** Whether every text that begins with `start` is at or before `after`, other than what goes on from `after` itself. */
const isBehind = (start: string, after: string): boolean => start < after && !after.startsWith(start);

function leastOf(cursors: readonly Cursor[]): Cursor {
  let least = cursors[0]!;
  for (const cursor of cursors) if (cursor.bound < least.bound) least = cursor;
  return least;
}

/** The keys of one folder, in order. */
class Cursor {
  /** No key that is still to come is below this. */
  bound: string;
  readonly #disk: Disk;
  readonly #root: string;
  readonly #folder: string;
  readonly #prefix: string;
  readonly #after: string;
  /** Still to be read, and read but not taken; both highest first. */
  #shards: string[] | null = null;
  #keys: string[] = [];

  constructor(disk: Disk, root: string, folder: string, prefix: string, after: string) {
    this.#disk = disk;
    this.#root = root;
    this.#folder = folder;
    this.#prefix = prefix;
    this.#after = after;
    this.bound = folder;
  }

  /** The next key, or null when the next shard must be read first. */
  take(): ObjectKey | null {
    const key = this.#keys.pop();
    if (key === undefined) return null;
    this.bound = this.#keys.at(-1) ?? this.#nextShardBound();
    return objectKey(key);
  }

  /** Reads the next shard; false when there is none. */
  async advance(): Promise<boolean> {
    this.#shards ??= await this.#readShards();
    const shard = this.#shards.pop();
    if (shard === undefined) return false;
    const directory = [this.#root, ...folderNames(this.#folder), shardName(shard)].join('/');
    this.#keys = (await namesBelow(this.#disk, directory))
      .map((leaf) => this.#folder + leaf)
      .filter((key) => key.startsWith(this.#prefix) && key > this.#after)
      .sort()
      .reverse();
    this.bound = this.#keys.at(-1) ?? this.#nextShardBound();
    return true;
  }

  #nextShardBound(): string {
    return this.#folder + (this.#shards?.at(-1) ?? '\x7f');
  }

  async #readShards(): Promise<string[]> {
    const shards = await namesBelow(this.#disk, [this.#root, ...folderNames(this.#folder)].join('/'));
    return shards
      .filter((shard) => {
        const start = this.#folder + shard;
        return (start.startsWith(this.#prefix) || this.#prefix.startsWith(start)) && !isBehind(start, this.#after);
      })
      .sort()
      .reverse();
  }
}

/** The decoded names in a directory, those that go on in directories below it included. */
async function namesBelow(disk: Disk, directory: string): Promise<string[]> {
  const found: string[] = [];
  let open: string[][] = [[]];
  for (let depth = 0; depth < DEPTH_MAX && open.length > 0; depth += 1) {
    const deeper: string[][] = [];
    for (const pieces of open) {
      for (const name of (await disk.names([directory, ...pieces].join('/'))) ?? []) {
        if (isContinued(name)) {
          deeper.push([...pieces, name]);
          continue;
        }
        const decoded = decodeName([...pieces, name]);
        if (decoded !== null) found.push(decoded);
      }
    }
    open = deeper;
  }
  return found;
}
