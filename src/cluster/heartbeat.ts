/**
 * The slow heartbeat: in intervals a broker writes its own item with a counter that grew, and reads all items of the cluster with
 * one query. It is the second opinion about who is there, and what everything else that is told by calls falls back on. A table that does
 * not answer, refuses, throttles, or has what cannot be read is survived: the broker goes on with what it knows, and says so.
 */
import { StorageCorruptError, StorageRefusedError, StorageThrottledError, StorageUnavailableError } from '../errors.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Item, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { type BrokerItem, type ClusterItems, encodeBroker, readClusterItems } from './cluster-items.ts';
import { within } from './within.ts';

export const HEARTBEAT_INTERVAL_MS = 10_000;
/** Until the table was read for the first time: a broker that knows nothing of the cluster does nothing in it. */
const FIRST_READ_INTERVAL_MS = 1_000;
/** A broker that has not written for so long should lead nothing: its journals cannot write either. */
export const UNFIT_AFTER_MS = 25_000;

export interface HeartbeatsOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly runtime: Runtime;
  /** The item of this broker but for its counter, as it is at the moment. */
  readonly own: () => Omit<BrokerItem, 'counter'>;
  /** Every answer of the table, with the moment at which it was asked. */
  readonly onItems: (items: ClusterItems, askedAt: number) => void;
  /** The item of this broker is gone, or another process's: it must not go on. */
  readonly onLost: (why: string) => void;
  /** Whether this broker can write changed. */
  readonly onFit: (fit: boolean) => void;
  readonly onBeat: (outcome: 'ok' | 'failed') => void;
}

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #stop = new AbortController();
  #counter = 0;
  /** The counter that the table has, unless it was put back to an earlier state. */
  #standing = 0;
  #writtenAt: number;
  #fit = true;
  #hasRead = false;
  #failures = 0;
  #timer: TimerHandle | null = null;
  #beating: Promise<void> | null = null;
  #reading: Promise<boolean> | null = null;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
    this.#writtenAt = options.runtime.clock.monotonic();
  }

  get fit(): boolean {
    return this.#fit;
  }

  /** The table was read once. */
  get hasRead(): boolean {
    return this.#hasRead;
  }

  /** Writes and reads now, and from then on in intervals. */
  start(): Promise<void> {
    return this.beat();
  }

  /** Writes the item as it is now, and reads: out of turn, or after what is under way. */
  async beat(): Promise<void> {
    while (this.#beating !== null) await this.#beating;
    this.#timer?.cancel();
    this.#beating = this.#beat();
    try {
      await this.#beating;
    } finally {
      this.#beating = null;
      this.#schedule();
    }
  }

  /** Writes the item without reading. False when that did not succeed. */
  async write(): Promise<boolean> {
    while (this.#beating !== null) await this.#beating;
    const writing = this.#bounded((signal) => this.#write(signal));
    this.#beating = writing.then(ignore);
    try {
      return await writing;
    } finally {
      this.#beating = null;
    }
  }

  /** Reads all items out of turn; calls that come while one reads share it. False when the table did not answer. */
  refresh(): Promise<boolean> {
    this.#reading ??= this.#bounded((signal) => this.#read(signal)).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stop.abort(new Error('the broker stops'));
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return;
    const { timers, random } = this.#options.runtime;
    this.#timer?.cancel();
    const intervalMs = this.#hasRead ? HEARTBEAT_INTERVAL_MS : FIRST_READ_INTERVAL_MS;
    this.#timer = timers.after(intervalMs * (0.95 + random.float() / 10), () => void this.beat());
  }

  async #beat(): Promise<void> {
    const written = await this.#bounded((signal) => this.#write(signal));
    this.#options.onBeat(written ? 'ok' : 'failed');
    this.#judgeFitness();
    if (this.#stop.signal.aborted) return;
    if (!(await this.refresh()) || !written || this.#failures === 0) return;
    this.#options.runtime.logger.info({ failures: this.#failures }, 'the table answers heartbeats again');
    this.#failures = 0;
  }

  async #write(signal: AbortSignal): Promise<boolean> {
    const { clusterId, metadata, runtime, own } = this.#options;
    for (;;) {
      const item = { ...own(), counter: ++this.#counter };
      const { session } = item;
      const condition = whenEquals({ session, counter: this.#standing });
      const outcome = await metadata.put(encodeBroker(clusterId, item), condition, { cause: 'membership', signal });
      signal.throwIfAborted(); // A later one may have been written since.
      const existing = outcome.ok ? null : outcome.existing;
      const isOurs = existing?.attributes['session'] === session;
      const counter = isOurs ? Number(existing!.attributes['counter']) : Number.NaN;
      if (outcome.ok || counter === item.counter) {
        this.#standing = item.counter;
        this.#writtenAt = runtime.clock.monotonic();
        this.#judgeFitness();
        return true;
      }
      // One that seemed to have failed came through, and holds something older.
      if (counter > this.#standing) {
        this.#standing = counter;
        continue;
      }
      this.#lost(reasonOf(item, existing));
      return false;
    }
  }

  async #read(signal: AbortSignal): Promise<boolean> {
    const { clusterId, metadata, runtime, onItems } = this.#options;
    const askedAt = runtime.clock.monotonic();
    const items = await readClusterItems(metadata, clusterId, { cause: 'membership', signal });
    if (this.#stop.signal.aborted) return true;
    this.#hasRead = true;
    onItems(items, askedAt);
    return true;
  }

  #lost(why: string): void {
    if (this.#stop.signal.aborted) return;
    this.stop();
    this.#options.onLost(why);
  }

  #judgeFitness(): void {
    const fit = this.#options.runtime.clock.monotonic() - this.#writtenAt < UNFIT_AFTER_MS;
    if (fit === this.#fit) return;
    this.#fit = fit;
    this.#options.onFit(fit);
  }

  /** What the store throws is said and survived. */
  async #bounded(act: (signal: AbortSignal) => Promise<boolean>): Promise<boolean> {
    const { runtime } = this.#options;
    try {
      return await within(runtime.timers, act, { signal: this.#stop.signal });
    } catch (cause) {
      if (this.#stop.signal.aborted) return false;
      if (cause instanceof StorageCorruptError) {
        runtime.logger.error(
          { reason: cause.message },
          'the table has what nobody can read; going on with what is known',
        );
        return false;
      }
      if (!(cause instanceof StorageUnavailableError)) throw cause;
      this.#failures++;
      runtime.logger.warn({ reason: cause.message, failures: this.#failures }, adviceFor(cause));
      return false;
    }
  }
}

/** Why the item in the table is not the one that was written last. */
function reasonOf({ brokerId, brokerEpoch }: Omit<BrokerItem, 'counter'>, existing: Item | null): string {
  if (existing === null)
    return 'the table does not know this broker any more: it was deleted or made anew, or this broker was away for too long';
  if (Number(existing.attributes['epoch']) > brokerEpoch)
    return `broker id ${brokerId} was registered anew by another process`;
  return 'the table has an earlier state of this broker: it was put back';
}

const ignore = () => {};

function adviceFor(cause: StorageUnavailableError): string {
  if (cause instanceof StorageThrottledError) return 'the table throttles heartbeats; going on with what is known';
  if (cause instanceof StorageRefusedError)
    return 'the table refuses heartbeats: rights lost, or the table is gone; going on with what is known';
  return 'the table does not answer heartbeats; going on with what is known';
}
