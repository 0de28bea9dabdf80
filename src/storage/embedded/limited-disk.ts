import type { Disk } from './disk.ts';

/**
 * A Disk that lets `limit` operations at a time into the thread pool and keeps the others in line, so that large writes
 * of objects never take the thread that the metadata log needs: an acknowledgement would wait for all of them.
 */
export function limitedDisk(disk: Disk, limit: number): Disk {
  let running = 0;
  const line: (() => void)[] = []; // Bounded by the operations that callers have in flight, which they limit.
  const enter = (): Promise<void> | null => {
    if (running < limit) {
      running += 1;
      return null;
    }
    return new Promise((resolve) => line.push(resolve));
  };
  const leave = (): void => {
    const next = line.shift();
    if (next) next();
    else running -= 1;
  };
  const limited =
    <Arguments extends readonly unknown[], Result>(operation: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      const turn = enter();
      if (turn) await turn;
      try {
        return await operation(...given);
      } finally {
        leave();
      }
    };
  return {
    open: limited(disk.open),
    close: limited(disk.close),
    read: limited(disk.read),
    write: limited(disk.write),
    writeDurably: limited(disk.writeDurably),
    sync: limited(disk.sync),
    syncDirectory: limited(disk.syncDirectory),
    size: limited(disk.size),
    stat: limited(disk.stat),
    rename: limited(disk.rename),
    remove: limited(disk.remove),
    makeDirectory: limited(disk.makeDirectory),
    names: limited(disk.names),
  };
}
