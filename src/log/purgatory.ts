/**
 * Fetches that wait for records. Nothing is polled: a waiter hangs on each of its partitions, and what a journal applies
 * marks the ones it touches. Marked waiters look again together, at the end of the turn, when the writer of the records
 * has put them into memory too.
 */

import type { TimerHandle, Timers } from '../runtime/clock.ts';
import type { PartitionId } from './log.ts';
import { PartitionMap } from './partition-map.ts';

/** Who finds no room to wait looks again after a pause that doubles. */
export const FULL_PAUSE_MS_MIN = 100;
export const FULL_PAUSE_MS_MAX = 3_200;

export interface PurgatoryOptions {
  readonly timers: Timers;
  /** Waiters at once; beyond it a fetch does not wait. */
  readonly waitersMax: number;
  /** Partitions that all waiters hang on together; beyond it a fetch does not wait. */
  readonly hooksMax: number;
}

export interface Wait {
  readonly partitions: readonly PartitionId[];
  readonly maxWaitMs: number;
  readonly signal: AbortSignal;
  /** True when the partition at `index`, which changed, ends the wait. */
  readonly satisfied: (index: number) => boolean;
}

/** `full`: there was no room to wait. `closed`: nobody waits here any more. */
export type WaitEnd = 'waited' | 'full' | 'closed';

interface Waiter {
  readonly wait: Wait;
  readonly end: () => void;
  /** Indexes of partitions that changed since the last look; empty when none did. */
  changed: number[];
}

interface Hook {
  readonly waiter: Waiter;
  readonly index: number;
}

export class Purgatory {
  readonly #options: PurgatoryOptions;
  readonly #hooks = new PartitionMap<Set<Hook>>();
  readonly #waiters = new Set<Waiter>();
  #hookCount = 0;
  #marked: Waiter[] = [];
  #closed = false;

  constructor(options: PurgatoryOptions) {
    this.#options = options;
  }

  get waiterCount(): number {
    return this.#waiters.size;
  }

  get hookCount(): number {
    return this.#hookCount;
  }

  /**
   * Resolves when satisfied, after `maxWaitMs`, when aborted or closed, or at once when there is no room to wait: who asks
   * again at once would do so for ever.
   */
  wait(wait: Wait): Promise<WaitEnd> {
    const { waitersMax, hooksMax, timers } = this.#options;
    const full = this.#waiters.size >= waitersMax || this.#hookCount + wait.partitions.length > hooksMax;
    if (wait.signal.aborted) return Promise.resolve('waited');
    if (this.#closed) return Promise.resolve('closed');
    if (full) return Promise.resolve('full');
    return new Promise((resolve) => {
      const hooks: Hook[] = [];
      let timer: TimerHandle | null = null;
      const end = () => {
        timer?.cancel();
        wait.signal.removeEventListener('abort', end);
        this.#unhook(wait.partitions, hooks);
        this.#waiters.delete(waiter);
        resolve(this.#closed ? 'closed' : 'waited');
      };
      const waiter: Waiter = { wait, end, changed: [] };
      this.#waiters.add(waiter);
      this.#hook(wait.partitions, waiter, hooks);
      wait.signal.addEventListener('abort', end, { once: true });
      timer = timers.after(wait.maxWaitMs, end);
    });
  }

  /** Something about this partition changed: records, log start, or that it exists. */
  changed(topicId: string, partition: number): void {
    const hooks = this.#hooks.get(topicId, partition);
    if (hooks === undefined) return;
    for (const { waiter, index } of hooks) {
      if (waiter.changed.length === 0) {
        if (this.#marked.length === 0) this.#options.timers.soon(() => this.#look());
        this.#marked.push(waiter);
      }
      waiter.changed.push(index);
    }
  }

  /** Who leads what has changed: every waiter looks at all that it waits for. */
  allChanged(): void {
    for (const waiter of this.#waiters) {
      if (waiter.changed.length === 0) {
        if (this.#marked.length === 0) this.#options.timers.soon(() => this.#look());
        this.#marked.push(waiter);
      }
      waiter.changed = waiter.wait.partitions.map((_, index) => index);
    }
  }

  /** Ends every wait. */
  close(): void {
    this.#closed = true;
    for (const { end } of [...this.#waiters]) end();
  }

  #look(): void {
    const marked = this.#marked;
    this.#marked = [];
    for (const waiter of marked) {
      const { changed } = waiter;
      waiter.changed = [];
      if (!this.#waiters.has(waiter)) continue;
      let done = false;
      for (const index of changed) done = waiter.wait.satisfied(index) || done;
      if (done) waiter.end();
    }
  }

  #hook(partitions: readonly PartitionId[], waiter: Waiter, hooks: Hook[]): void {
    partitions.forEach(({ topicId, partition }, index) => {
      const hook: Hook = { waiter, index };
      hooks.push(hook);
      this.#hooks.getOrAdd(topicId, partition, () => new Set<Hook>()).add(hook);
    });
    this.#hookCount += partitions.length;
  }

  #unhook(partitions: readonly PartitionId[], hooks: readonly Hook[]): void {
    partitions.forEach(({ topicId, partition }, index) => {
      const others = this.#hooks.get(topicId, partition);
      others?.delete(hooks[index]!);
      if (others?.size === 0) this.#hooks.delete(topicId, partition);
    });
    this.#hookCount -= partitions.length;
  }
}
