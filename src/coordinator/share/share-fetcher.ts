/**
 * Reads and acquires records for one member: a long poll over the share partitions of its session.
 *
 * One member reads a share partition at a time. Who finds nothing to acquire waits until records arrive, or are released,
 * or another reader is done, or the time is over. Nothing is acquired that is not answered.
 */

import { type ErrorName, KafkaError, toKafkaError } from '../../errors.ts';
import type { FetchAnswer, FetchedPartition, Isolation, Log } from '../../log/log.ts';
import { linkSignals } from '../../runtime/linked-signals.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { AcquiredRange, AcquireMode } from './acquire.ts';
import { type ReadBatch, readBatches } from './read-batches.ts';
import type { SharePartition } from './share-partition.ts';
import type { SharePartitions } from './share-partitions.ts';
import type { SharePlace } from './share-sessions.ts';

/** Read for each record that is wanted, beyond what it was the last time: sizes differ. */
const READ_AHEAD_RATIO = 1.25;
const READ_BYTES_MIN = 16 * 1024;

export interface ShareFetchWish {
  readonly groupId: string;
  readonly memberId: string;
  /** The first is served first. */
  readonly places: readonly SharePlace[];
  readonly isolation: Isolation;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxRecords: number;
  readonly batchSize: number;
  readonly mode: AcquireMode;
  /** Something else is to be told at once: what is there now is the answer. */
  readonly answerNow: boolean;
}

export interface ShareFetched extends SharePlace {
  readonly error: ErrorName;
  readonly message: string;
  /** -1 when it is not known. */
  readonly leaderEpoch: number;
  readonly records: readonly Buffer[];
  readonly ranges: readonly AcquiredRange[];
}

export interface ShareFetchAnswer {
  /** Those with records, and those with errors. */
  readonly partitions: readonly ShareFetched[];
  /** Must be called once the records are on the wire. */
  release(): void;
}

export interface ShareFetcherOptions {
  readonly log: Log;
  readonly partitions: SharePartitions;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
}

interface Reading {
  readonly partition: SharePartition;
  readonly fetchOffset: number;
}

const NOTHING: ShareFetchAnswer = { partitions: [], release: () => undefined };

export class ShareFetcher {
  readonly #options: ShareFetcherOptions;

  constructor(options: ShareFetcherOptions) {
    this.#options = options;
  }

  async fetch(wish: ShareFetchWish, signal: AbortSignal): Promise<ShareFetchAnswer> {
    if (wish.places.length === 0 || wish.maxRecords <= 0 || wish.maxBytes <= 0) return NOTHING;
    const { clock } = this.#options.runtime;
    const deadlineMs = clock.monotonic() + wish.maxWaitMs;
    const { opened, failures } = await this.#open(wish);
    const bell = new Bell(this.#options.runtime);
    const unhook = this.#hook(opened, bell);
    try {
      for (;;) {
        const isLast = wish.answerNow || failures.length > 0 || signal.aborted || clock.monotonic() >= deadlineMs;
        bell.reset();
        const ends = new Map<SharePartition, number>();
        const attempt = await this.#attempt(opened, wish, ends, isLast, signal);
        if (isLast || attempt.partitions.length > 0) {
          return { partitions: [...failures, ...attempt.partitions], release: attempt.release };
        }
        if (!attempt.again) await this.#wait(bell, ends, wish, deadlineMs - clock.monotonic(), signal);
      }
    } finally {
      unhook();
    }
  }

  async #open({ groupId, places }: ShareFetchWish) {
    const opened: SharePartition[] = [];
    const failures: ShareFetched[] = [];
    const results = await Promise.allSettled(places.map((place) => this.#options.partitions.open(groupId, place)));
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') opened.push(result.value);
      else failures.push(failureOf(places[index]!, result.reason));
    }
    return { opened, failures };
  }

  /** Until the bell is rung, or records come beyond the ends that were seen. */
  async #wait(
    bell: Bell,
    ends: ReadonlyMap<SharePartition, number>,
    { isolation }: ShareFetchWish,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const ended = new AbortController();
    if (ends.size > 0 && waitMs > 0) {
      const partitions = Array.from(ends, ([{ topicId, partition }, fetchOffset]) => ({
        ...{ topicId, partition, fetchOffset },
        maxBytes: 1,
        currentLeaderEpoch: -1,
      }));
      const either = linkSignals(signal, ended.signal);
      const arrival = this.#options.log.arrival({ partitions, maxWaitMs: waitMs, isolation }, either.signal);
      arrival.finally(either.unlink).then(
        () => bell.ring(),
        () => undefined,
      );
    }
    await bell.wait(waitMs, signal);
    ended.abort();
  }

  /** Tells `ends` where the partitions ended that it looked at. */
  async #attempt(
    partitions: readonly SharePartition[],
    wish: ShareFetchWish,
    ends: Map<SharePartition, number>,
    isLast: boolean,
    signal: AbortSignal,
  ) {
    const failures: ShareFetched[] = [];
    const readings: Reading[] = [];
    const begun = await Promise.allSettled(partitions.map((partition) => this.#begin(partition, wish.isolation, ends)));
    for (const [index, result] of begun.entries()) {
      if (result.status === 'rejected') failures.push(failureOf(partitions[index]!, result.reason));
      else if (result.value !== null) readings.push(result.value);
    }
    try {
      if (readings.length === 0 || signal.aborted) return { ...NOTHING, partitions: failures, again: false };
      const answer = await this.#read(readings, wish, signal);
      const isEnough = isLast || failures.length > 0 || answer.bytes >= Math.min(wish.minBytes, wish.maxBytes);
      // Who is gone gets nothing: what it held has been released already.
      if (!isEnough || signal.aborted) {
        answer.release();
        return { ...NOTHING, again: false };
      }
      const acquired = this.#acquireAll(readings, answer, wish);
      const found = [...failures, ...acquired];
      if (acquired.some(({ records }) => records.length > 0)) {
        return { partitions: found, release: () => answer.release(), again: false };
      }
      answer.release();
      const again = readings.some(({ partition, fetchOffset }) => partition.nextFetchOffset !== fetchOffset);
      return { ...NOTHING, partitions: found, again };
    } finally {
      for (const { partition } of readings) partition.endReading();
    }
  }

  /** Null when there is nothing to read for now. Throws what the partition answers instead. */
  async #begin(
    partition: SharePartition,
    isolation: Isolation,
    ends: Map<SharePartition, number>,
  ): Promise<Reading | null> {
    if (partition.closed) throw notGivenOut();
    const { logStartOffset, highWatermark, lastStableOffset } = await this.#options.log.watermarks(partition);
    if (partition.closed) throw notGivenOut();
    // From here on in one turn: members that find nothing would else find each other reading, and wake each other for ever.
    if (!partition.beginReading()) return null;
    let reading: Reading | null = null;
    try {
      partition.advanceStart(logStartOffset);
      const fetchOffset = partition.nextFetchOffset;
      const end = isolation === 'read_committed' ? lastStableOffset : highWatermark;
      ends.set(partition, end);
      if (fetchOffset !== null && fetchOffset < end) reading = { partition, fetchOffset };
      return reading;
    } finally {
      if (reading === null) partition.endReading();
    }
  }

  #read(readings: readonly Reading[], wish: ShareFetchWish, signal: AbortSignal): Promise<FetchAnswer> {
    const wanted = Math.ceil((wish.maxRecords / readings.length) * READ_AHEAD_RATIO);
    const leastBytes = Math.max(READ_BYTES_MIN, wish.minBytes);
    const partitions = readings.map(({ partition, fetchOffset }) => ({
      topicId: partition.topicId,
      partition: partition.partition,
      fetchOffset,
      maxBytes: Math.min(wish.maxBytes, Math.max(leastBytes, Math.ceil(partition.bytesPerRecord * wanted))),
      currentLeaderEpoch: -1,
    }));
    const { maxBytes, isolation } = wish;
    return this.#options.log.fetch({ partitions, minBytes: 0, maxBytes, maxWaitMs: 0, isolation }, signal);
  }

  #acquireAll(readings: readonly Reading[], answer: FetchAnswer, wish: ShareFetchWish): ShareFetched[] {
    const found: ShareFetched[] = [];
    let left = wish.maxRecords;
    for (const [index, reading] of readings.entries()) {
      const fetched = answer.partitions[index]!;
      if (fetched.error === 'NONE') {
        const acquired = this.#acquire(reading, fetched, wish, left);
        left -= acquired.count;
        if (acquired.count > 0) found.push(acquired.fetched);
      } else if (fetched.error !== 'OFFSET_OUT_OF_RANGE') {
        // Out of range: the log start has moved, as the next attempt sees.
        found.push(failureOf(reading.partition, new KafkaError(fetched.error, fetched.message)));
      }
    }
    return found;
  }

  #acquire({ partition, fetchOffset }: Reading, fetched: FetchedPartition, wish: ShareFetchWish, maxRecords: number) {
    const { topicId, partition: index } = partition;
    const batches = readBatches(fetched);
    const [first, last] = [batches[0], batches.at(-1)];
    const base = { topicId, partition: index, error: 'NONE' as const, message: '', leaderEpoch: fetched.leaderEpoch };
    if (first === undefined || last === undefined || maxRecords <= 0 || partition.closed) {
      return { count: 0, fetched: { ...base, records: [], ranges: [] } };
    }
    partition.bytesPerRecord = fetched.bytes / (last.last - first.first + 1);
    const { memberId, batchSize, mode } = wish;
    const { ranges, count } = partition.acquire({ memberId, fetchOffset, batches, maxRecords, batchSize, mode });
    return { count, fetched: { ...base, records: recordsOf(batches, ranges), ranges } };
  }

  #hook(partitions: readonly SharePartition[], bell: Bell): () => void {
    const ring = () => bell.ring();
    const unhooks = partitions.map((partition) => partition.onAcquirable(ring));
    return () => {
      for (const unhook of unhooks) unhook();
    };
  }
}

/** Rung by whatever may bring something to acquire. */
class Bell {
  readonly #runtime: Pick<Runtime, 'timers'>;
  #rung = false;
  #answer: (() => void) | null = null;

  constructor(runtime: Pick<Runtime, 'timers'>) {
    this.#runtime = runtime;
  }

  reset(): void {
    this.#rung = false;
  }

  ring(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /** Until it is rung, or was since the reset, or the time is over, or the signal aborts. */
  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    if (this.#rung || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#runtime.timers.after(Math.max(delayMs, 0), resolve, { keepAlive: true });
    const answer = () => resolve();
    this.#answer = answer;
    signal.addEventListener('abort', answer, { once: true });
    try {
      await promise;
    } finally {
      timer.cancel();
      this.#answer = null;
      signal.removeEventListener('abort', answer);
    }
  }
}

/** The batches that hold something of the ranges. */
function recordsOf(batches: readonly ReadBatch[], ranges: readonly AcquiredRange[]): Buffer[] {
  const [first, last] = [ranges[0], ranges.at(-1)];
  if (first === undefined || last === undefined) return [];
  return batches.filter((batch) => batch.last >= first.first && batch.first <= last.last).map(({ bytes }) => bytes);
}

const notGivenOut = () => new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the share partition is not given out here');

/** Throws on what is a bug of ours. */
function failureOf({ topicId, partition }: SharePlace, cause: unknown): ShareFetched {
  const error = toKafkaError(cause);
  if (error === null) throw cause;
  const base = { topicId, partition, leaderEpoch: -1, records: [], ranges: [] };
  return { ...base, error: error.error, message: error.message };
}
