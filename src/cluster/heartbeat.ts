/**
 * The slow heartbeat: in intervals a broker writes its own item with a counter that grew, and reads all items of the cluster with
 * one query. It is the second opinion about who is there, and what everything else that is told by calls falls back on. A table that does
 * not answer, refuses, throttles, or has what cannot be read is survived: the broker goes on with what it knows, and says so.
 */
import { StorageCorruptError, StorageRefusedError, StorageThrottledError, StorageUnavailableError } from '../errors.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { type BrokerItem, type ClusterItems, encodeBroker, readClusterItems } from './cluster-items.ts';
import { within } from './within.ts';

export const HEARTBEAT_INTERVAL_MS = 10_000;
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
  #writtenAt: number;
  #fit = true;
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
    this.#timer = timers.after(HEARTBEAT_INTERVAL_MS * (0.95 + random.float() / 10), () => void this.beat());
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
    const item = { ...own(), counter: ++this.#counter };
    const { session } = item;
    const options = { cause: 'membership', signal } as const;
    const outcome = await metadata.put(encodeBroker(clusterId, item), whenEquals({ session }), options);
    if (outcome.ok) {
      this.#writtenAt = runtime.clock.monotonic();
      this.#judgeFitness();
      return true;
    }
    const { existing } = outcome;
    if (existing === null)
      this.#lost(
        'the table does not know this broker any more: it was deleted or made anew, or this broker was away for too long',
      );
    else if (Number(existing.attributes['epoch']) > item.brokerEpoch) {
      this.#lost(`broker id ${item.brokerId} was registered anew by another process`);
    } else this.#lost('the table has an earlier registration of this broker: it was put back to an earlier state');
    return false;
  }

  async #read(signal: AbortSignal): Promise<boolean> {
    const { clusterId, metadata, runtime, onItems } = this.#options;
    const askedAt = runtime.clock.monotonic();
    const items = await readClusterItems(metadata, clusterId, { cause: 'membership', signal });
    if (!this.#stop.signal.aborted) onItems(items, askedAt);
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

const ignore = () => {};

function adviceFor(cause: StorageUnavailableError): string {
  if (cause instanceof StorageThrottledError) return 'the table throttles heartbeats; going on with what is known';
  if (cause instanceof StorageRefusedError)
    return 'the table refuses heartbeats: rights lost, or the table is gone; going on with what is known';
  return 'the table does not answer heartbeats; going on with what is known';
}
