/**
 * Puts one entry into its slot and finds out what became of it. After the adaptive p99 delay the identical put is sent a
 * second time, and whichever answers first counts. What follows from an answer is decided in `leadership.ts`.
 */
import { StorageFullError, StorageThrottledError, StorageUnavailableError } from '../errors.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ABSENT, type Item, type MetadataStore, type WriteOutcome } from '../storage/metadata-store.ts';
import { LatencyWindow } from './latency-window.ts';
import type { PutAnswer } from './leadership.ts';

export interface EntryWriterOptions {
  /** Whether a slow put is sent twice. */
  readonly hedge: boolean;
  /** A put without an answer for this long counts as unknown. */
  readonly attemptMsMax: number;
}

const HEDGE_MS_MIN = 5;
/** Above the p99, so that one put in a hundred is doubled. */
const HEDGE_FACTOR = 1.1;

export class EntryWriter {
  readonly #metadata: MetadataStore;
  readonly #runtime: Runtime;
  readonly #options: EntryWriterOptions;
  readonly #signal: AbortSignal;
  readonly #latency = new LatencyWindow();
  readonly #attempts = new Set<Attempt>();

  constructor(metadata: MetadataStore, runtime: Runtime, options: EntryWriterOptions, signal: AbortSignal) {
    this.#metadata = metadata;
    this.#runtime = runtime;
    this.#options = options;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      for (const attempt of this.#attempts) attempt.giveUp();
    });
  }

  /** Rejects only for what is neither an answer nor a store that is away: a bug, or a broken store. */
  put(item: Item): Promise<PutAnswer> {
    return new Promise((resolve, reject) => {
      const attempt: Attempt = new Attempt(item, {
        metadata: this.#metadata,
        runtime: this.#runtime,
        signal: this.#signal,
        hedgeMs: this.#options.hedge ? this.#hedgeMs() : null,
        attemptMsMax: this.#options.attemptMsMax,
        observe: (latencyMs) => this.#latency.add(latencyMs),
        answered: (answer) => {
          this.#attempts.delete(attempt);
          resolve(answer);
        },
        broken: (cause) => {
          this.#attempts.delete(attempt);
          reject(cause);
        },
      });
      this.#attempts.add(attempt);
      attempt.start();
    });
  }

  #hedgeMs(): number | null {
    const p99 = this.#latency.p99();
    return p99 === null ? null : Math.max(HEDGE_MS_MIN, p99 * HEDGE_FACTOR);
  }
}

interface AttemptContext {
  readonly metadata: MetadataStore;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly hedgeMs: number | null;
  readonly attemptMsMax: number;
  readonly observe: (latencyMs: number) => void;
  readonly answered: (answer: PutAnswer) => void;
  readonly broken: (cause: unknown) => void;
}

class Attempt {
  readonly #item: Item;
  readonly #context: AttemptContext;
  readonly #timers: TimerHandle[] = [];
  #inFlight = 0;
  #settled = false;
  /** The worst that a put of this attempt ended with. */
  #failure: 'nothingDone' | 'throttled' | 'unknown' = 'nothingDone';

  constructor(item: Item, context: AttemptContext) {
    this.#item = item;
    this.#context = context;
  }

  start(): void {
    const { runtime, hedgeMs, attemptMsMax } = this.#context;
    this.#send();
    if (this.#settled) return;
    if (hedgeMs !== null && hedgeMs < attemptMsMax) {
      this.#timers.push(runtime.timers.after(hedgeMs, () => this.#settled || this.#send(), { keepAlive: true }));
    }
    this.#timers.push(runtime.timers.after(attemptMsMax, () => this.giveUp(), { keepAlive: true }));
  }

  /** Waits no longer: the put may still happen. */
  giveUp(): void {
    this.#settle({ type: 'unknown' });
  }

  #send(): void {
    const { metadata, runtime, signal } = this.#context;
    const startedAt = runtime.clock.monotonic();
    this.#inFlight++;
    metadata.put(this.#item, ABSENT, { cause: 'journal', once: true, signal }).then(
      (outcome) => {
        this.#inFlight--;
        this.#context.observe(runtime.clock.monotonic() - startedAt);
        this.#answered(outcome);
      },
      (cause) => {
        this.#inFlight--;
        this.#failed(cause);
      },
    );
  }

  #answered(outcome: WriteOutcome): void {
    const id = outcome.ok ? null : outcome.existing?.attributes['id'];
    if (id === null) this.#settle({ type: 'written' });
    else if (id === undefined) this.#failed(new StorageUnavailableError('a failed condition without an item'));
    else this.#settle({ type: 'occupied', id: String(id) });
  }

  #failed(cause: unknown): void {
    if (this.#settled) return;
    if (!(cause instanceof StorageUnavailableError)) {
      this.#end(() => this.#context.broken(cause));
      return;
    }
    if (cause instanceof StorageThrottledError) {
      if (this.#failure === 'nothingDone') this.#failure = 'throttled';
    } else if (!(cause instanceof StorageFullError)) {
      this.#failure = 'unknown';
    }
    // While the other one is under way, it may still bring an answer.
    if (this.#inFlight === 0) this.#settle({ type: this.#failure });
  }

  #settle(answer: PutAnswer): void {
    this.#end(() => this.#context.answered(answer));
  }

  #end(tell: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const timer of this.#timers) timer.cancel();
    tell();
  }
}
