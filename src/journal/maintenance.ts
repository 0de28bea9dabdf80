/**
 * What keeps a journal short, in the background of its leader: a snapshot when one is due, then the pointer with the new
 * floor in one conditional write, then trimming. Entries that inline extents held are deleted when they are released.
 */
import { StorageUnavailableError } from '../errors.ts';
import { DELETE_BATCH_COUNT_MAX, SNAPSHOT_ENTRY_BYTES, SNAPSHOT_REFERENCES } from '../limits.ts';
import { sleep, yieldTurn } from '../runtime/clock.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Backoff } from './backoff.ts';
import type { Committed } from './draft.ts';
import type { JournalMetrics } from './journal-metrics.ts';
import type { JournalStore, Pointer } from './journal-store.ts';
import { captureState, encodeSnapshot } from './snapshot-encoder.ts';
import type { JournalState } from './state.ts';
import { mayTrim } from './trim-plan.ts';
import type { Uncovered } from './uncovered.ts';

export interface MaintenanceLimits {
  readonly snapshotEntryBytes: number;
  readonly snapshotReferences: number;
}

export const MAINTENANCE_LIMITS: MaintenanceLimits = {
  snapshotEntryBytes: SNAPSHOT_ENTRY_BYTES,
  snapshotReferences: SNAPSHOT_REFERENCES,
};

export interface MaintenanceContext {
  readonly store: JournalStore;
  readonly state: JournalState;
  readonly pointer: Pointer;
  readonly uncovered: Uncovered;
  readonly runtime: Runtime;
  readonly metrics: JournalMetrics;
  readonly limits: MaintenanceLimits;
  readonly signal: AbortSignal;
}

const MS_PER_SECOND = 1_000;
const DELETES_IN_FLIGHT_MAX = 16;
/**
 * Where writes cost something, deletions are paced: one partition key of DynamoDB takes 1,000 write units a second, and
 * the journal itself needs most of them. It writes fewer entries than this.
 */
const DELETES_PER_SECOND_MAX = 300;
/** An entry that names a segment keeps it from being reclaimed until a snapshot covers the entry. */
const SEGMENTS_UNCOVERED_MAX = 20_000;
const ENTRY_BYTES_PER_SNAPSHOT_BYTE = 4;
/** What a takeover may have to read behind a snapshot. */
const AMORTIZED_BYTES_MAX = 64 * 1024 * 1024;
/** Beyond this, released entries wait for the sweep of the next start. */
const RELEASED_MAX = 100_000;

export class Maintenance {
  readonly #context: MaintenanceContext;
  readonly #backoff: Backoff;
  #pointer: Pointer;
  /** Entries below were looked at; what remains of them is held by a fence or an extent. */
  #trimmedTo = 0;
  #released: number[] = [];
  #isFirst = true;
  #running: Promise<void> | null = null;
  #requested = false;

  constructor(context: MaintenanceContext) {
    this.#context = context;
    this.#pointer = context.pointer;
    this.#backoff = new Backoff(context.runtime, context.signal);
  }

  /** Sweeps what earlier lives left: entries below the floor, and snapshots that no pointer names. */
  start(): void {
    this.#run();
  }

  /** Called after each durable entry. */
  committed({ releasedEntries }: Committed): void {
    for (const seq of releasedEntries) {
      if (seq < this.#pointer.floor && this.#released.length < RELEASED_MAX) this.#released.push(seq);
    }
    if (this.#running === null && (this.#isSnapshotDue() || this.#released.length > 0)) this.#run();
  }

  /** A snapshot before its time, when there is anything to cover. */
  request(): void {
    if (this.#context.uncovered.bytes === 0 || this.#context.signal.aborted) return;
    this.#requested = true;
    this.#run();
  }

  /** Waits for what is under way; the signal has ended it. */
  async close(): Promise<void> {
    await this.#running;
  }

  #isSnapshotDue(): boolean {
    const { uncovered, limits } = this.#context;
    if (this.#requested) return true;
    // A large state is not written again for every few entries: writing it stays a small part of what entries cost.
    const amortizedBytes = ENTRY_BYTES_PER_SNAPSHOT_BYTE * (this.#pointer.snapshot?.bytes ?? 0);
    const entryBytes = Math.max(limits.snapshotEntryBytes, Math.min(amortizedBytes, AMORTIZED_BYTES_MAX));
    return (
      uncovered.bytes >= entryBytes ||
      uncovered.references >= limits.snapshotReferences ||
      uncovered.segmentCount >= SEGMENTS_UNCOVERED_MAX
    );
  }

  #run(): void {
    this.#running ??= this.#work().finally(() => {
      this.#running = null;
    });
  }

  async #work(): Promise<void> {
    const { signal, runtime, store } = this.#context;
    while (!signal.aborted) {
      try {
        if (this.#isFirst) await this.#deleteOldSnapshots();
        this.#isFirst = false;
        if (this.#isSnapshotDue()) await this.#snapshot();
        await this.#trim();
        this.#backoff.reset();
        if (!this.#isSnapshotDue() && this.#released.length === 0 && this.#trimmedTo >= this.#pointer.floor) return;
      } catch (cause) {
        if (signal.aborted) return;
        const fields = { journal: store.journal, cause };
        if (!(cause instanceof StorageUnavailableError)) {
          runtime.logger.error(fields, 'snapshots and trimming of the journal stop');
          return;
        }
        runtime.logger.warn(fields, 'the store does not answer; snapshot or trimming waits');
        try {
          await this.#backoff.pause();
        } catch {
          return; // Closed while it waited.
        }
      }
    }
  }

  async #snapshot(): Promise<void> {
    const { store, state, uncovered, runtime, metrics } = this.#context;
    this.#requested = false;
    const captured = captureState(state);
    const { bytes: coveredBytes, references } = uncovered;
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const part of encodeSnapshot(captured)) {
      parts.push(part);
      bytes += part.length;
      await yieldTurn(runtime.timers);
    }
    const key = store.snapshotKey(captured.lastSeq, randomHex(runtime.random, 8));
    await store.createSnapshot(key, parts);
    const next = { snapshotSeq: captured.lastSeq, floor: captured.lastSeq, snapshot: { key, bytes } };
    const moved = await this.#movePointer(next);
    // If not, a newer snapshot has taken the place of this one: it covers as much.
    uncovered.cover(captured.lastSeq, coveredBytes, references);
    if (moved) metrics.snapshotWritten(bytes);
    else await store.deleteSnapshots([key]);
    await this.#deleteOldSnapshots();
  }

  /**
   * Only ever forward. False when the pointer names a snapshot as new as this one: another leader's, or our own from an
   * attempt whose answer was lost.
   */
  async #movePointer(next: Omit<Pointer, 'version'>): Promise<boolean> {
    const { store, runtime } = this.#context;
    const writer = randomHex(runtime.random, 16);
    while (this.#pointer.snapshotSeq < next.snapshotSeq) {
      if (await store.writePointer(this.#pointer, next, writer)) {
        this.#pointer = { ...next, version: this.#pointer.version + 1 };
        return true;
      }
      this.#pointer = await store.readPointer();
    }
    return false;
  }

  async #deleteOldSnapshots(): Promise<void> {
    const { store } = this.#context;
    const named = this.#pointer.snapshot?.key;
    if (!named) return;
    // Keys order by seq: a newer one may be another leader's, on its way to the pointer.
    const old = (await store.listSnapshots()).filter((key) => key < named);
    await store.deleteSnapshots(old.slice(0, DELETE_BATCH_COUNT_MAX));
  }

  async #trim(): Promise<void> {
    const { store, state } = this.#context;
    const released = this.#released;
    this.#released = [];
    const { floor } = this.#pointer;
    try {
      await this.#delete(released.filter((seq) => mayTrim(seq, floor, state)));
    } catch (cause) {
      // The sweep below has passed them: nothing else would delete them while this broker leads.
      this.#released = [...released, ...this.#released].slice(0, RELEASED_MAX);
      throw cause;
    }
    while (this.#trimmedTo < floor) {
      const { seqs, more } = await store.listEntries(this.#trimmedTo, floor);
      await this.#delete(seqs.filter((seq) => mayTrim(seq, floor, state)));
      this.#trimmedTo = more ? seqs.at(-1)! + 1 : floor;
    }
  }

  async #delete(seqs: readonly number[]): Promise<void> {
    const { store, metrics, runtime, signal } = this.#context;
    const isFree = store.metadata.pricing.writeUnit === 0;
    for (let from = 0; from < seqs.length; from += DELETES_IN_FLIGHT_MAX) {
      const some = seqs.slice(from, from + DELETES_IN_FLIGHT_MAX);
      await Promise.all(some.map((seq) => store.deleteEntry(seq)));
      metrics.trimmed(some.length);
      if (!isFree) await sleep(runtime.timers, (MS_PER_SECOND * some.length) / DELETES_PER_SECOND_MAX, signal);
    }
  }
}
