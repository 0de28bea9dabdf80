/**
 * Time that passes only when nothing else is left to do. One event runs at a time, earliest first, in order of arrival
 * among equals; then the event loop gets a real turn, in which every promise that can settle does, before the next one.
 * Whatever waits for something else than this queue (a thread, a file, a real timer) would break that, and shows in the
 * test that watches for it (`asynchrony.test.ts`).
 */
import type { Clock, TimerHandle, Timers } from '../../src/runtime/clock.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | null;
}

/** Where the simulated wall clock starts, milliseconds since 1970. */
export const WALL_START_MS = 1_763_683_200_000;

export class SimulatedTime implements Clock, Timers {
  #elapsedMs = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  #soon: (() => void)[] = [];
  #soonAt = 0;
  #eventCount = 0;

  /** Milliseconds since the start. */
  monotonic(): number {
    return this.#elapsedMs;
  }

  /** The true wall clock, which never jumps: that of the stores. */
  now(): number {
    return WALL_START_MS + Math.floor(this.#elapsedMs);
  }

  /** Events that ran. */
  get eventCount(): number {
    return this.#eventCount;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    const event: Event = { at: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback };
    push(this.#heap, event);
    return {
      cancel: () => {
        event.callback = null;
      },
    };
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Runs events until `isDone` says so after one of them, or until there are none. Rejects with what an event throws. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (isDone() || !this.#runNext()) {
            resolve();
            return;
          }
        } catch (cause) {
          reject(cause);
          return;
        }
        setImmediate(step);
      };
      setImmediate(step);
    });
  }

  #runNext(): boolean {
    const next = this.#soonAt < this.#soon.length ? this.#takeSoon() : this.#takeTimer();
    if (next === null) return false;
    this.#eventCount++;
    next();
    return true;
  }

  #takeSoon(): () => void {
    const callback = this.#soon[this.#soonAt++]!;
    if (this.#soonAt === this.#soon.length) {
      this.#soon = [];
      this.#soonAt = 0;
    }
    return callback;
  }

  #takeTimer(): (() => void) | null {
    for (;;) {
      const event = pop(this.#heap);
      if (event === undefined) return null;
      if (event.callback === null) continue;
      this.#elapsedMs = Math.max(this.#elapsedMs, event.at);
      return event.callback;
    }
  }
}

const isBefore = (left: Event, right: Event): boolean =>
  left.at < right.at || (left.at === right.at && left.order < right.order);

function push(heap: Event[], event: Event): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
  return first;
}
