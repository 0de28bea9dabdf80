import type { Disk, OpenMode } from '../../../../src/storage/embedded/disk.ts';

const BLOCK_BYTES = 4_096;

/** A small seeded generator: the same seed, the same run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Inode {
  /** What a reader sees now, and what is on the platter: they differ where nothing was synced since. */
  blocks: Buffer[];
  durable: Buffer[];
  size: number;
  durableSize: number;
}

type NameChange =
  | { readonly type: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly type: 'unlink'; readonly path: string }
  | { readonly type: 'rename'; readonly from: string; readonly to: string };

export type Fault = { readonly when: 'before' | 'after'; readonly code: string };

const ZERO = Buffer.alloc(BLOCK_BYTES);
const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/'));
const failure = (code: string, operation: string) => Object.assign(new Error(`${code}: ${operation}`), { code });

/**
 * A disk in memory that forgets what a real one may forget. Data that was not synced survives a power cut block by block
 * or not; names survive in any order or not, unless their directory was synced. `cutPower` stops the process as well:
 * operations never answer from then on.
 */
export class SimulatedDisk implements Disk {
  /** Asked before each operation. */
  fault: (operation: keyof Disk, path: string) => Fault | null = () => null;
  /** Operations so far. */
  operations = 0;
  /** The power goes when this many operations began; the last one took effect or not. */
  cutAt = Number.POSITIVE_INFINITY;
  readonly #random: () => number;
  #names = new Map<string, Inode>();
  #directories = new Set<string>();
  #durableNames = new Map<string, Inode>();
  #pending: NameChange[] = [];
  readonly #open = new Map<number, { inode: Inode; path: string }>();
  #nextFd = 100;
  #isCut = false;
  #whenCut: (() => void) | null = null;

  constructor(random: () => number, directories: readonly string[]) {
    this.#random = random;
    for (const directory of directories) this.#directories.add(directory);
  }

  /** Resolves when the power went. */
  cut(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenCut = resolve;
      if (this.#isCut) resolve();
    });
  }

  /** What a machine finds that is switched on again. */
  afterPowerCut(): SimulatedDisk {
    const next = new SimulatedDisk(this.#random, [...this.#directories]);
    for (const change of this.#pending) if (this.#random() < 0.5) applyName(this.#durableNames, change);
    for (const [path, inode] of this.#durableNames) next.#names.set(path, this.#survivor(inode));
    next.#durableNames = new Map(next.#names);
    return next;
  }

  /** What a restart of the process alone finds: everything the kernel knew. */
  afterKill(): SimulatedDisk {
    const next = new SimulatedDisk(this.#random, [...this.#directories]);
    next.#names = new Map(this.#names);
    next.#durableNames = new Map(this.#durableNames);
    next.#pending = [...this.#pending];
    return next;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  #survivor(inode: Inode): Inode {
    const size = this.#random() < 0.5 ? inode.durableSize : inode.size;
    const blocks: Buffer[] = [];
    for (let index = 0; index * BLOCK_BYTES < size; index += 1) {
      const block = this.#random() < 0.5 ? inode.durable[index] : inode.blocks[index];
      blocks.push(Buffer.from(block ?? ZERO));
    }
    return { blocks, durable: blocks.map((block) => Buffer.from(block)), size, durableSize: size };
  }

  /** `half` is what an interrupted or failing operation may do instead of its whole effect. */
  async #do<T>(operation: keyof Disk, path: string, effect: () => T, half: () => void = () => {}): Promise<T> {
    this.operations += 1;
    await Promise.resolve();
    if (this.#isCut) return await new Promise<never>(() => {});
    if (this.operations >= this.cutAt) {
      if (this.#random() < 0.5) effect();
      else half();
      this.#isCut = true;
      this.#whenCut?.();
      return await new Promise<never>(() => {});
    }
    const fault = this.fault(operation, path);
    if (fault?.when === 'before') throw failure(fault.code, `${operation} ${path}`);
    if (fault?.when === 'after') {
      if (this.#random() < 0.5) effect();
      else half();
      throw failure(fault.code, `${operation} ${path}`);
    }
    return effect();
  }

  #change(change: NameChange): void {
    applyName(this.#names, change);
    this.#pending.push(change);
  }

  open(path: string, mode: OpenMode): Promise<number> {
    return this.#do('open', path, () => {
      let inode = this.#names.get(path);
      if (mode === 'create') {
        if (inode) throw failure('EEXIST', path);
        if (!this.#directories.has(parentOf(path))) throw failure('ENOENT', path);
        inode = { blocks: [], durable: [], size: 0, durableSize: 0 };
        this.#change({ type: 'link', path, inode });
      }
      if (!inode) throw failure('ENOENT', path);
      this.#nextFd += 1;
      this.#open.set(this.#nextFd, { inode, path });
      return this.#nextFd;
    });
  }

  close(fd: number): Promise<void> {
    return this.#do('close', this.#of(fd).path, () => void this.#open.delete(fd));
  }

  get openCount(): number {
    return this.#open.size;
  }

  read(fd: number, into: Buffer, position: number): Promise<number> {
    const { inode, path } = this.#of(fd);
    return this.#do('read', path, () => {
      const count = Math.max(0, Math.min(into.length, inode.size - position));
      for (let done = 0; done < count; ) {
        const at = position + done;
        const block = inode.blocks[Math.floor(at / BLOCK_BYTES)] ?? ZERO;
        done += block.copy(into, done, at % BLOCK_BYTES, Math.min(BLOCK_BYTES, (at % BLOCK_BYTES) + count - done));
      }
      return count;
    });
  }

  write(fd: number, parts: readonly Uint8Array[], position: number): Promise<void> {
    const { inode, path } = this.#of(fd);
    return this.#do('write', path, () => void put(inode, Buffer.concat(parts), position));
  }

  writeDurably(fd: number, bytes: Uint8Array, position: number): Promise<void> {
    const { inode, path } = this.#of(fd);
    // Copied now: the caller keeps the buffer unchanged only until the promise settles.
    const copy = Buffer.from(bytes);
    return this.#do(
      'writeDurably',
      path,
      () => {
        for (const index of put(inode, copy, position)) inode.durable[index] = Buffer.from(inode.blocks[index]!);
        if (inode.size > inode.durableSize) throw failure('EINVAL', `a durable write beyond the end of ${path}`);
      },
      // All of it in the page cache, some of it on the platter, and no later sync will write the rest.
      () => {
        for (const index of put(inode, copy, position)) {
          if (this.#random() < 0.5) inode.durable[index] = Buffer.from(inode.blocks[index]!);
        }
      },
    );
  }

  sync(fd: number): Promise<void> {
    const { inode, path } = this.#of(fd);
    return this.#do('sync', path, () => {
      inode.durable = inode.blocks.map((block) => Buffer.from(block));
      inode.durableSize = inode.size;
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#do('syncDirectory', path, () => {
      const touches = (change: NameChange) =>
        change.type === 'rename'
          ? parentOf(change.from) === path || parentOf(change.to) === path
          : parentOf(change.path) === path;
      // A journal keeps order: what happened before a synced change is kept with it.
      const last = this.#pending.findLastIndex(touches);
      for (const change of this.#pending.splice(0, last + 1)) applyName(this.#durableNames, change);
    });
  }

  size(fd: number): Promise<number> {
    const { inode, path } = this.#of(fd);
    return this.#do('size', path, () => inode.size);
  }

  stat(path: string): Promise<{ size: number; modifiedMs: number } | null> {
    return this.#do('stat', path, () => {
      const inode = this.#names.get(path);
      return inode ? { size: inode.size, modifiedMs: 0 } : null;
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do('rename', from, () => {
      if (!this.#names.has(from)) throw failure('ENOENT', from);
      if (!this.#directories.has(parentOf(to))) throw failure('ENOENT', to);
      this.#change({ type: 'rename', from, to });
    });
  }

  remove(path: string): Promise<boolean> {
    return this.#do('remove', path, () => {
      if (!this.#names.has(path)) return false;
      this.#change({ type: 'unlink', path });
      return true;
    });
  }

  /** Directories are durable at once here: their order against names is the subject of no test. */
  makeDirectory(path: string): Promise<boolean> {
    return this.#do('makeDirectory', path, () => {
      if (this.#directories.has(path)) return false;
      this.#directories.add(path);
      return true;
    });
  }

  names(directory: string): Promise<string[] | null> {
    return this.#do('names', directory, () => {
      if (!this.#directories.has(directory)) return null;
      const all = [...this.#names.keys(), ...this.#directories];
      return all.filter((path) => parentOf(path) === directory).map((path) => path.slice(directory.length + 1));
    });
  }

  #of(fd: number): { inode: Inode; path: string } {
    const open = this.#open.get(fd);
    if (!open) throw failure('EBADF', String(fd));
    return open;
  }
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === 'link') names.set(change.path, change.inode);
  else if (change.type === 'unlink') names.delete(change.path);
  else {
    const inode = names.get(change.from);
    if (!inode) return; // The change before it was forgotten.
    names.delete(change.from);
    names.set(change.to, inode);
  }
}

/** Tells which blocks changed. */
function put(inode: Inode, bytes: Buffer, position: number): number[] {
  const changed: number[] = [];
  for (let done = 0; done < bytes.length; ) {
    const at = position + done;
    const index = Math.floor(at / BLOCK_BYTES);
    const block = Buffer.from(inode.blocks[index] ?? ZERO);
    done += bytes.copy(block, at % BLOCK_BYTES, done);
    inode.blocks[index] = block;
    changed.push(index);
  }
  inode.size = Math.max(inode.size, position + bytes.length);
  return changed;
}
