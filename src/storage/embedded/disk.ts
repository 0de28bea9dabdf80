/**
 * The file operations that the embedded stores use, as promises, each off the event loop. The seam where tests put a
 * disk that is full or fails; nothing else of `node:fs` is used here while the stores are open.
 */
import * as fs from 'node:fs';
import { StorageFullError, StorageUnavailableError } from '../../errors.ts';

const { O_CREAT, O_DIRECTORY, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR, O_WRONLY } = fs.constants;

/** POSIX guarantees 1,024 (IOV_MAX on Linux and macOS). */
const PARTS_PER_WRITE_MAX = 1_024;

export type OpenMode =
  | 'read'
  /** Existing file, for writes that `writeDurably` makes durable one by one. */
  | 'write-durably'
  /** New file; fails with EEXIST. */
  | 'create';

export interface Disk {
  open(path: string, mode: OpenMode): Promise<number>;
  close(fd: number): Promise<void>;
  /** Reads until `into` is full or the file ends; tells how many bytes. */
  read(fd: number, into: Buffer, position: number): Promise<number>;
  /** Writes all parts in order from `position` on. Not durable before `sync`. */
  write(fd: number, parts: readonly Uint8Array[], position: number): Promise<void>;
  /** Writes inside an allocated file and returns when the bytes are on stable storage. The file is open 'write-durably'. */
  writeDurably(fd: number, bytes: Uint8Array, position: number): Promise<void>;
  /** Makes data and size durable. */
  sync(fd: number): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  size(fd: number): Promise<number>;
  /** Size and time of last change, null when absent. */
  stat(path: string): Promise<{ readonly size: number; readonly modifiedMs: number } | null>;
  rename(from: string, to: string): Promise<void>;
  /** False when it was not there. */
  remove(path: string): Promise<boolean>;
  /** False when it was there already. The parent must exist. */
  makeDirectory(path: string): Promise<boolean>;
  /** Null when it is not there. */
  names(directory: string): Promise<string[] | null>;
}

/**
 * Linux waits for the data inside the write itself (O_DSYNC): one trip to the thread pool instead of two. macOS flushes
 * the drive's cache only on F_FULLFSYNC, which is what libuv's fdatasync is there.
 */
const DURABLE_IN_WRITE = process.platform === 'linux';
const FLAGS: Record<OpenMode, number> = {
  read: O_RDONLY,
  'write-durably': O_RDWR | (DURABLE_IN_WRITE ? O_DSYNC : 0),
  create: O_WRONLY | O_CREAT | O_EXCL,
};

export const systemDisk: Disk = {
  open: (path, mode) =>
    new Promise((resolve, reject) => {
      fs.open(path, FLAGS[mode], 0o640, (error, fd) => (error ? reject(error) : resolve(fd)));
    }),

  close: (fd) =>
    new Promise((resolve, reject) => {
      fs.close(fd, (error) => (error ? reject(error) : resolve()));
    }),

  read: (fd, into, position) =>
    new Promise((resolve, reject) => {
      const step = (done: number): void => {
        fs.read(fd, into, done, into.length - done, position + done, (error, count) => {
          if (error) reject(error);
          else if (count === 0 || done + count === into.length) resolve(done + count);
          else step(done + count);
        });
      };
      if (into.length === 0) resolve(0);
      else step(0);
    }),

  write: async (fd, parts, position) => {
    let at = position;
    for (let first = 0; first < parts.length; first += PARTS_PER_WRITE_MAX) {
      at += await writeParts(fd, parts.slice(first, first + PARTS_PER_WRITE_MAX), at);
    }
  },

  writeDurably: async (fd, bytes, position) => {
    await writeWhole(fd, bytes, position);
    if (!DURABLE_IN_WRITE) await dataSync(fd);
  },

  sync: (fd) => dataSync(fd),

  syncDirectory: (path) =>
    new Promise((resolve, reject) => {
      fs.open(path, O_RDONLY | O_DIRECTORY, (openError, fd) => {
        if (openError) return reject(openError);
        fs.fsync(fd, (syncError) => {
          fs.close(fd, (closeError) => {
            const error = syncError ?? closeError;
            if (error) reject(error);
            else resolve();
          });
        });
      });
    }),

  size: (fd) =>
    new Promise((resolve, reject) => {
      fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats.size)));
    }),

  stat: (path) =>
    new Promise((resolve, reject) => {
      fs.stat(path, (error, stats) => {
        if (!error) resolve({ size: stats.size, modifiedMs: stats.mtimeMs });
        else if (isAbsent(error)) resolve(null);
        else reject(error);
      });
    }),

  rename: (from, to) =>
    new Promise((resolve, reject) => {
      fs.rename(from, to, (error) => (error ? reject(error) : resolve()));
    }),

  remove: (path) =>
    new Promise((resolve, reject) => {
      fs.unlink(path, (error) => {
        if (!error) resolve(true);
        else if (isAbsent(error)) resolve(false);
        else reject(error);
      });
    }),

  makeDirectory: (path) =>
    new Promise((resolve, reject) => {
      fs.mkdir(path, 0o750, (error) => {
        if (!error) resolve(true);
        else if (error.code === 'EEXIST') resolve(false);
        else reject(error);
      });
    }),

  names: (directory) =>
    new Promise((resolve, reject) => {
      fs.readdir(directory, (error, names) => {
        if (!error) resolve(names);
        else if (isAbsent(error)) resolve(null);
        else reject(error);
      });
    }),
};

export const errorCode = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? '';

/** ENOTDIR: a file stands where the path wants a directory. */
export const isAbsent = (error: unknown): boolean => errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR';

/** EFBIG is a file-size limit of the process. */
export const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error));

/** For a failure before anything took effect: `full` promises that nothing was done. */
export function failureBeforeEffect(error: unknown, doing: string): StorageUnavailableError {
  return isFull(error)
    ? new StorageFullError(`no room for ${doing}`, { cause: error })
    : new StorageUnavailableError(`${doing} failed: ${errorCode(error)}`, { cause: error });
}

function dataSync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}

function writeWhole(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      fs.write(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error) reject(error);
        else if (done + count < bytes.length) step(done + count);
        else resolve();
      });
    };
    if (bytes.length === 0) resolve();
    else step(0);
  });
}

/** One writev, and whatever a short write left over. */
function writeParts(fd: number, parts: readonly Uint8Array[], position: number): Promise<number> {
  let total = 0;
  for (const part of parts) total += part.length;
  return new Promise((resolve, reject) => {
    if (total === 0) return resolve(0);
    fs.writev(fd, parts, position, (error, count) => {
      if (error) return reject(error);
      if (count === total) return resolve(total);
      writeRest(fd, parts, position, count).then(() => resolve(total), reject);
    });
  });
}

async function writeRest(fd: number, parts: readonly Uint8Array[], position: number, written: number): Promise<void> {
  let start = 0;
  for (const part of parts) {
    const end = start + part.length;
    if (end > written) {
      const from = Math.max(start, written);
      await writeWhole(fd, part.subarray(from - start), position + from);
    }
    start = end;
  }
}
