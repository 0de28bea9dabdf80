/**
 * Time that passes only when nothing else is left to do. One event runs at a time, earliest first, in order of arrival
 * among equals; then the event loop gets a real turn, in which every promise that can settle does, before the next one.
 * Whatever waits for something else than this queue (a thread, a file, a real timer) would break that, and shows in the
 * test that watches for it (`asynchrony.test.ts`).
 *
 * Who looks at the clock again and again in one event would do so for ever: no timer ends it. The clock throws then.
 */
import type { Clock, TimerHandle, Timers } from '../../src/runtime/clock.ts';
import { Violation } from './history.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | null;
}

/** Where the simulated wall clock starts, milliseconds since 1970. */
export const WALL_START_MS = 1_763_683_200_000;

/** Far above what is done at one moment, and reached within seconds by who does it without an end. */
const LOOKS_MAX = 3_000_000;

export class SimulatedTime implements Clock, Timers {
  #elapsedMs = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  #soon: (() => void)[] = [];
  #soonAt = 0;
  #eventCount = 0;
  /** Looks at the clock, and events, since time passed last. */
  #looks = 0;
  #violation: Violation | null = null;

  /** Milliseconds since the start. */
  monotonic(): number {
    this.#look();
    return this.#elapsedMs;
  }

  /** The true wall clock, which never jumps: that of the stores. */
  now(): number {
    this.#look();
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
          if (this.#violation) throw this.#violation;
          if (isDone() || !this.#runNext()) {
            resolve();
            return;
          }
        } catch (cause) {
          this.#looks = 0; // Whoever reports it tells when.
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
    this.#look();
    next();
    return true;
  }

  #look(): void {
    if (++this.#looks <= LOOKS_MAX) return;
    // Who does not end by this is noticed all the same.
    this.#violation ??= new Violation(
      'liveness',
      `no time passes at ${this.#elapsedMs} ms, and somebody waits for that`,
    );
    throw this.#violation;
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
      if (event.at > this.#elapsedMs) {
        this.#elapsedMs = event.at;
        this.#looks = 0;
      }
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
