/**
 * Holds a data directory for one process. The lock is a file lock of the operating system, which ends with the process
 * however it ends: there is no stale lock to judge, and two starters cannot both win. Node itself offers no file locks,
 * but SQLite, which Node brings along, takes one on its database file (fcntl on Linux and macOS) and also keeps apart two
 * openers within one process. The database stays empty. Who holds the lock is written beside it, for the message only.
 *
 * Such a lock goes when any descriptor of the file is closed by the process: nothing else may ever open `lock`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StartupError } from '../../errors.ts';

export interface DirectoryLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** A database that nobody refers to is closed by the garbage collector, and with it the lock. */
const held = new Set<DatabaseSync>();

/** Throws StartupError naming directory and owner when another broker has it open. */
export function lockDirectory(directory: string): DirectoryLock {
  const owner = `${directory}/owner`;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(`${directory}/lock`);
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    writeFileSync(owner, `${process.pid}\n`);
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new StartupError(`the data directory ${directory} is open in another broker (pid ${ownerOf(owner)})`, {
        cause: error,
      });
    }
    throw new StartupError(`the data directory ${directory} cannot be locked: ${String(error)}`, { cause: error });
  }
  const locked = database;
  held.add(locked);
  const release = () => {
    if (held.delete(locked)) locked.close();
  };
  return { release };
}

/** Nothing decides by this: the other broker may be starting just now. */
function ownerOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}
