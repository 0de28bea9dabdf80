/**
 * One share partition at work: its window in memory, its record in the journal of its group, the timer of its locks.
 *
 * All that was decided until an entry is built is one write, and one write is under way at a time. Whoever acknowledges is
 * answered when the write with it is durable. A write that fails leaves its records acquired until their locks end.
 */
import type { GroupConfig } from '../../cluster/group-config.ts';
import { KafkaError } from '../../errors.ts';
import type { Decided, Journal, RecordsView } from '../../journal/journal.ts';
import { SHARE_IN_FLIGHT_MAX, SHARE_RUNS_MAX } from '../../limits.ts';
import type { TimerHandle } from '../../runtime/clock.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CommitCadence } from '../group/offsets/commit-cadence.ts';
import { groupOwner } from '../owner.ts';
import { type Acquired, type AcquireLimits, type AcquireWish, acquire, nextFetchOffset } from './acquire.ts';
import {
  type Acknowledgement,
  acknowledge,
  advanceStart,
  beginRound,
  endRound,
  expireLocks,
  hasUnwritten,
  nextLockEndMs,
  releaseMember,
  type ShareWindow,
} from './share-partition-state.ts';
import { encodeShareRecord, type ShareRecord, shareKey, stateEpochOf } from './share-record.ts';

/** Locks that ended while nothing could be written are looked at again after this. */
const RETRY_MS = 1_000;
/** A guess for the first read. */
const RECORD_BYTES = 1_024;

export interface SharePartitionOptions {
  readonly groupId: string;
  readonly topicId: string;
  readonly partition: number;
  /** Of the group. */
  readonly journal: Journal;
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>;
  readonly cadence: CommitCadence;
  readonly config: () => GroupConfig;
  /** A write has ended. */
  readonly onSettled: (partition: SharePartition) => void;
  /** Another share partition stands in the journal under this name, or none, or somebody else writes it. */
  readonly onFenced: (partition: SharePartition) => void;
}

export type WishForRecords = Omit<AcquireWish, 'lockedUntilMs'>;

interface Write {
  /** Once the entry is being built: nothing joins it any more. */
  sealed: { readonly round: number; readonly text: string } | null;
  readonly done: Promise<void>;
}

export class SharePartition {
  readonly groupId: string;
  readonly topicId: string;
  readonly partition: number;
  /** Of the group, whatever the journal of the partition is. */
  readonly groupJournal: Journal;
  readonly #options: SharePartitionOptions;
  readonly #owner: string;
  readonly #key: string;
  readonly #stateEpoch: number;
  readonly #leaderEpoch: number;
  readonly #waiters = new Set<() => void>();
  #window: ShareWindow;
  #write: Write | null = null;
  /** The write after the one that is under way. */
  #next: PromiseWithResolvers<void> | null = null;
  #timer: TimerHandle | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #retryAtMs = 0;
  #logStartOffset = 0;
  #reading = false;
  /** Somebody else wants to read when this reading ends. */
  #contended = false;
  #closed: KafkaError | null = null;
  /** Of what was read last, so that no more is read than is wanted. */
  bytesPerRecord = RECORD_BYTES;

  constructor(options: SharePartitionOptions, record: ShareRecord) {
    this.groupId = options.groupId;
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.groupJournal = options.journal;
    this.#options = options;
    this.#owner = groupOwner(options.groupId);
    this.#key = shareKey(options.topicId, options.partition);
    this.#stateEpoch = record.stateEpoch;
    this.#leaderEpoch = record.leaderEpoch;
    this.#window = record.window;
  }

  get window(): ShareWindow {
    return this.#window;
  }

  /** Nothing of it is given out any more. A successor may be giving it out already, once the journal is not led here. */
  get closed(): boolean {
    return this.#closed !== null || this.groupJournal.role !== 'leading';
  }

  /** Nobody has records of it and nothing is being written: it can be made again from its record at any time. */
  get idle(): boolean {
    return this.#write === null && !this.#reading && this.#window.runs.every(({ state }) => state !== 'Acquired');
  }

  /** One member reads at a time, so that no two read for the same records. False: another one does. */
  beginReading(): boolean {
    if (this.#reading) this.#contended = true;
    if (this.#reading || this.#closed !== null) return false;
    this.#reading = true;
    return true;
  }

  endReading(): void {
    this.#reading = false;
    if (!this.#contended) return;
    this.#contended = false;
    this.#wake();
  }

  /** Called when there may be something to acquire again. Returns the way to stop. */
  onAcquirable(waiter: () => void): () => void {
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  /** Null: everything is in other hands. */
  get nextFetchOffset(): number | null {
    return nextFetchOffset(this.#window, this.#limits());
  }

  advanceStart(logStartOffset: number): void {
    this.#logStartOffset = Math.max(this.#logStartOffset, logStartOffset);
    this.#window = advanceStart(this.#window, logStartOffset);
  }

  acquire(wish: WishForRecords): Acquired {
    const acquired = acquire(this.#window, { ...wish, lockedUntilMs: this.#lockUntilMs() }, this.#limits());
    this.#window = acquired.window;
    this.#arm();
    return acquired;
  }

  /** Durable when it resolves. Throws INVALID_RECORD_STATE, INVALID_REQUEST, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR. */
  async acknowledge(memberId: string, wishes: readonly Acknowledgement[]): Promise<void> {
    if (this.#closed !== null) throw this.#closed;
    const { shareDeliveryCountLimit: deliveryCountLimit } = this.#options.config();
    const answer = acknowledge(this.#window, wishes, {
      memberId,
      deliveryCountLimit,
      lockUntilMs: this.#lockUntilMs(),
      logStartOffset: this.#logStartOffset,
    });
    if ('rejected' in answer) throw new KafkaError(answer.rejected, answer.message);
    this.#window = answer.window;
    await this.#written();
  }

  /** What the member still holds is there for others. Durable when it resolves. Throws as `acknowledge`. */
  async release(memberId: string): Promise<void> {
    if (this.#closed !== null) return;
    this.#window = releaseMember(this.#window, memberId, this.#options.config().shareDeliveryCountLimit);
    await this.#written();
  }

  /** The end of its life in memory. Who waits for a write hears of the write, who comes later of `error`. */
  close(error: KafkaError): void {
    this.#closed ??= error;
    this.#timer?.cancel();
    this.#timer = null;
    this.#next?.reject(error);
    this.#next = null;
    this.#wake();
  }

  /** Whether the journal still has the share partition that this one was made of. */
  isCurrent(view: RecordsView): boolean {
    const text = view.record(this.#owner, this.#key);
    return text !== undefined && stateEpochOf(text) === this.#stateEpoch;
  }

  #limits(): AcquireLimits {
    const { shareDeliveryCountLimit, sharePartitionMaxRecordLocks } = this.#options.config();
    return {
      deliveryCountLimit: shareDeliveryCountLimit,
      recordLocksMax: sharePartitionMaxRecordLocks,
      occupancyMax: SHARE_IN_FLIGHT_MAX,
      runsMax: SHARE_RUNS_MAX,
    };
  }

  #lockUntilMs(): number {
    return this.#options.runtime.clock.monotonic() + this.#options.config().shareRecordLockDurationMs;
  }

  /** When everything that was decided until now is durable. */
  #written(): Promise<void> {
    this.#arm();
    if (!hasUnwritten(this.#window)) return Promise.resolve();
    if (this.#write === null) return this.#begin();
    if (this.#write.sealed === null) return this.#write.done;
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }

  #begin(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const write: Write = { sealed: null, done: promise };
    this.#write = write;
    this.#options.cadence.join(() => {
      this.groupJournal
        .coordinate((view) => this.#decide(view, write))
        .then(
          () => this.#end(write, null),
          (cause) => this.#end(write, cause),
        )
        .then(resolve, reject);
    });
    return promise;
  }

  #decide(view: RecordsView, write: Write): Decided<void> {
    const { text } = this.#seal(write);
    if (!this.isCurrent(view)) {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the share partition was altered, deleted or made anew');
    }
    const changes = [{ key: this.#key, value: text }];
    return { commands: [{ type: 'recordsChanged', owner: this.#owner, changes }], answer: undefined };
  }

  #seal(write: Write): { readonly round: number; readonly text: string } {
    if (write.sealed === null) {
      const record = { stateEpoch: this.#stateEpoch, leaderEpoch: this.#leaderEpoch, window: this.#window };
      write.sealed = { round: this.#window.round, text: encodeShareRecord(record) };
      this.#window = beginRound(this.#window);
    }
    return write.sealed;
  }

  /** Throws what went wrong. */
  #end(write: Write, cause: unknown): void {
    const failed = cause !== null;
    this.#window = endRound(this.#window, this.#seal(write).round, !failed);
    this.#write = null;
    if (failed) this.#retryAtMs = this.#options.runtime.clock.monotonic() + RETRY_MS;
    if (this.#closed !== null) {
      if (failed) throw cause;
      return;
    }
    if (failed && cause instanceof KafkaError && cause.error === 'NOT_LEADER_OR_FOLLOWER') {
      this.#options.onFenced(this);
      throw cause;
    }
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.#written().then(next.resolve, next.reject);
    this.#arm();
    this.#wake();
    this.#options.onSettled(this);
    if (failed) throw cause;
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #arm(): void {
    const endMs = nextLockEndMs(this.#window);
    if (this.#closed !== null || endMs === null) return;
    const { clock, timers } = this.#options.runtime;
    const atMs = Math.max(endMs, this.#retryAtMs);
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = timers.after(Math.max(atMs - clock.monotonic(), 0), () => this.#expire());
  }

  #expire(): void {
    this.#timer = null;
    const { runtime, config, groupId } = this.#options;
    const nowMs = runtime.clock.monotonic();
    this.#window = expireLocks(this.#window, nowMs, config().shareDeliveryCountLimit);
    this.#written().catch((cause) => {
      const { topicId, partition } = this;
      const fields = { groupId, topicId, partition, cause: String(cause) };
      runtime.logger.warn(fields, 'records of a share group whose locks ended are not released yet');
    });
  }
}
