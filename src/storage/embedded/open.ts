/**
 * The data directory of a broker without S3 and DynamoDB:
 *
 *   lock, owner   held while a broker runs, and its pid
 *   format        version of everything below
 *   metadata/     the log of the metadata store: metadata-log.ts
 *   objects/      one file per object: object-paths.ts
 *   uploads/      objects being written; emptied at start
 */
import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartupError, StorageCorruptError } from '../../errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { lockDirectory } from './directory-lock.ts';
import { type Disk, errorCode, failureBeforeEffect, isAbsent, systemDisk } from './disk.ts';
import { limitedDisk } from './limited-disk.ts';
import { EmbeddedMetadataStore } from './metadata-store.ts';
import { EmbeddedObjectStore } from './object-store.ts';

const FORMAT = 'millrace data 1\n';
const THREADS_DEFAULT = 4;

export interface EmbeddedStoresOptions {
  readonly directory: string;
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'logger'>;
  /** For tests: a disk that fails, small log files. */
  readonly disk?: Disk;
  readonly logFileBytes?: number;
}

export interface EmbeddedStores {
  readonly objects: EmbeddedObjectStore;
  readonly metadata: EmbeddedMetadataStore;
  /** Closes both, then gives the directory free. */
  close(): Promise<void>;
}

/**
 * Opens the stores of a data directory, and makes it when it is not there. Throws StartupError when another broker has it
 * open or it holds something else, StorageCorruptError when the metadata log is damaged beyond what one item explains.
 *
 * @example
 * const stores = await openEmbeddedStores({ directory: './millrace-data', runtime: systemRuntime(logger) });
 */
export async function openEmbeddedStores(options: EmbeddedStoresOptions): Promise<EmbeddedStores> {
  const { runtime, disk = systemDisk, logFileBytes } = options;
  const directory = await makeDataDirectory(disk, options.directory);
  const lock = lockDirectory(directory);
  try {
    await prepare(disk, directory);
    const objectDisk = limitedDisk(disk, Math.max(1, threadCount() - 1));
    const objects = await EmbeddedObjectStore.open({ disk: objectDisk, directory, clock: runtime.clock });
    const metadata = await EmbeddedMetadataStore.open({
      disk,
      directory: `${directory}/metadata`,
      runtime,
      ...(logFileBytes !== undefined && { logFileBytes }),
    });
    const close = async () => {
      await objects.close();
      await metadata.close();
      lock.release();
    };
    return { objects, metadata, close };
  } catch (error) {
    lock.release();
    if (error instanceof StartupError || error instanceof StorageCorruptError || errorCode(error) === '') throw error;
    throw failureBeforeEffect(error, `opening the data directory ${directory}`);
  }
}

/** Threads of libuv's pool, as libuv itself finds out. */
function threadCount(): number {
  const given = Number(process.env['UV_THREADPOOL_SIZE']);
  return Number.isInteger(given) && given > 0 ? given : THREADS_DEFAULT;
}

/** Makes the directory and the ones above it, each name durable. Tells the real path. */
async function makeDataDirectory(disk: Disk, directory: string): Promise<string> {
  try {
    const first = await mkdir(directory, { recursive: true, mode: 0o750 });
    const real = await realpath(directory);
    if (first !== undefined) {
      const top = dirname(await realpath(first));
      for (let made = real; made !== top && made !== dirname(made); made = dirname(made)) {
        await disk.syncDirectory(dirname(made));
      }
    }
    return real;
  } catch (error) {
    throw new StartupError(`the data directory ${directory} cannot be made: ${String(error)}`, { cause: error });
  }
}

async function prepare(disk: Disk, directory: string): Promise<void> {
  const format = await readFormat(`${directory}/format`);
  if (format === null) {
    await assertEmpty(disk, directory);
    await writeFormat(disk, directory);
  } else if (format !== FORMAT) {
    throw new StartupError(
      `the data directory ${directory} has format ${JSON.stringify(format.trim())}; this version of Millrace reads ` +
        `${JSON.stringify(FORMAT.trim())}`,
    );
  }
  for (const name of ['metadata', 'objects', 'uploads']) await disk.makeDirectory(`${directory}/${name}`);
  await disk.syncDirectory(directory);
}

async function readFormat(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function writeFormat(disk: Disk, directory: string): Promise<void> {
  const unfinished = `${directory}/format.tmp`;
  await disk.remove(unfinished);
  const fd = await disk.open(unfinished, 'create');
  try {
    await disk.write(fd, [Buffer.from(FORMAT)], 0);
    await disk.sync(fd);
  } finally {
    await disk.close(fd);
  }
  await disk.rename(unfinished, `${directory}/format`);
}

/** A directory of something else is left alone. */
async function assertEmpty(disk: Disk, directory: string): Promise<void> {
  const ours = ['lock', 'owner', 'format.tmp', 'lost+found'];
  const others = ((await disk.names(directory)) ?? []).filter((name) => !ours.includes(name) && !name.startsWith('.'));
  if (others.length > 0) {
    throw new StartupError(`the directory ${directory} holds ${others[0]} but no Millrace data; give an empty one`);
  }
}
