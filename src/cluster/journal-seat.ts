/**
 * One journal as a broker of a cluster sees it, for as long as the broker lives: led here for a while, then by another.
 *
 *                       lead                    the fence stands
 *   following ───────────────────► taking over ─────────────────► leading
 *       ▲                               │ fails, or is given up      │ relinquish, deposed, broken
 *       └───────────────────────────────┴────────────────────────────┘
 *
 * While it is not led here the state is empty, and what can be asked of another broker is (`remote-journals.ts`). Calls to
 * `lead`, `relinquish` and `close` may come in any order; of one seat one takeover is under way at most.
 */
import { KafkaError } from '../errors.ts';
import { InlineBodies } from '../journal/inline-bodies.ts';
import type {
  AppendAnswer,
  AppendRequest,
  Applied,
  Change,
  ChangeOutcome,
  Decision,
  Journal,
  JournalRole,
  JournalView,
  Lane,
} from '../journal/journal.ts';
import { JournalStore } from '../journal/journal-store.ts';
import type { MaintenanceLimits } from '../journal/maintenance.ts';
import { type OpenedJournal, openJournal } from '../journal/open-journal.ts';
import type { ExtentPlace } from '../journal/partition-state.ts';
import { JournalState } from '../journal/state.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { RemoteJournals } from './remote-journals.ts';
import type { LeadOptions } from './seats.ts';

export interface SeatContext {
  readonly clusterId: string;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly runtime: Runtime;
  /** Who else may lead; null when this broker is alone. */
  readonly remote: RemoteJournals | null;
  readonly limits?: Partial<MaintenanceLimits>;
  readonly hedge?: boolean;
  /** Leading begins: nothing was appended yet. */
  began(seat: JournalSeat): void;
  ended(seat: JournalSeat): void;
}

/** A put that is under way when the broker stops may take this long before it is given up. */
const CLOSE_MS_MAX = 1_000;

interface Attempt {
  readonly abort: AbortController;
  /** Rejects as `lead` does. */
  readonly done: Promise<void>;
}

export class JournalSeat implements Journal {
  readonly id: number;
  readonly #context: SeatContext;
  readonly #nobody: JournalState;
  readonly #listeners = new Set<(applied: Applied) => void>();
  readonly #closing = new AbortController();
  /** Of entries that another broker wrote. */
  readonly #bodies: InlineBodies;
  #led: OpenedJournal | null = null;
  #attempt: Attempt | null = null;
  #relinquishing: Promise<void> | null = null;
  /** What earlier times of leading have under way still: snapshots, trimming. */
  readonly #remains = new Set<Promise<void>>();
  #lastEpoch = -1;
  #because: string | null = null;

  constructor(id: number, context: SeatContext) {
    this.id = id;
    this.#context = context;
    this.#nobody = new JournalState(id);
    const { metadata, objects, clusterId } = context;
    this.#bodies = new InlineBodies(new JournalStore(metadata, objects, clusterId, id, this.#closing.signal));
  }

  get role(): JournalRole {
    if (this.#led !== null) return 'leading';
    return this.#closing.signal.aborted ? 'stopped' : 'following';
  }

  /** Why it is not led here any more, or could not be taken over; null while it is led. */
  get deposedBecause(): string | null {
    return this.#led === null ? this.#because : null;
  }

  get epoch(): number {
    return this.#led?.epoch ?? Math.max(this.#lastEpoch, this.#context.remote?.epochOf(this.id) ?? -1);
  }

  get state(): JournalView {
    return this.#led?.state ?? this.#nobody;
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    return this.#led?.append(request) ?? this.#remotely((remote) => remote.append(this.id, request));
  }

  skip(lane: Lane, number: number): Promise<void> {
    return this.#led?.skip(lane, number) ?? this.#remotely((remote) => remote.skip(this.id, lane, number));
  }

  propose(change: Change): Promise<ChangeOutcome> {
    return this.#led?.propose(change) ?? this.#remotely((remote) => remote.propose(this.id, change));
  }

  coordinate<T>(decide: Decision<T>): Promise<T> {
    return this.#led?.coordinate(decide) ?? Promise.reject(this.#notLeading());
  }

  requestSnapshot(): void {
    if (this.#led !== null) this.#led.requestSnapshot();
    else this.#context.remote?.requestSnapshot(this.id);
  }

  confirmLeadership(): Promise<boolean> {
    return this.#led?.confirmLeadership() ?? Promise.resolve(false);
  }

  /** Entries never change: when the leader cannot be asked, the table is. */
  async readInline(extent: ExtentPlace): Promise<Buffer | null> {
    try {
      if (this.#led !== null) return await this.#led.readInline(extent);
      return await this.#remotely((remote) => remote.readInline(this.id, extent));
    } catch (cause) {
      const isAway = cause instanceof KafkaError && cause.error === 'NOT_LEADER_OR_FOLLOWER';
      if (!isAway || this.#closing.signal.aborted) throw cause;
      return this.#bodies.read(extent);
    }
  }

  /** Of what is appended while it is led here. */
  subscribe(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async lead(options: LeadOptions): Promise<void> {
    const { signal } = options;
    for (;;) {
      signal.throwIfAborted();
      if (this.#closing.signal.aborted) throw this.#notLeading();
      if (this.#relinquishing !== null) {
        await unlessAborted(this.#relinquishing, signal);
      } else if (this.#led !== null) {
        return;
      } else if (this.#attempt !== null) {
        // Somebody else's: whoever began it is told what becomes of it.
        await unlessAborted(this.#attempt.done.catch(ignore), signal);
      } else {
        return this.#begin(options);
      }
    }
  }

  async relinquish(): Promise<void> {
    if (this.#attempt !== null) {
      const { abort, done } = this.#attempt;
      abort.abort(new KafkaError('NOT_LEADER_OR_FOLLOWER', `journal ${this.id} is to be led by another broker`));
      await done.catch(ignore);
    }
    if (this.#led !== null) {
      this.#relinquishing ??= this.#led.relinquish().finally(() => {
        this.#relinquishing = null;
      });
    }
    await this.#relinquishing;
  }

  async close(): Promise<void> {
    const { timers } = this.#context.runtime;
    const led = this.#led;
    this.#closing.abort(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the broker stops'));
    this.#attempt?.abort.abort(this.#notLeading());
    // Alone, nobody waits to lead on: a put under way is given up.
    if (this.#context.remote !== null) {
      const timeout = new AbortController();
      await Promise.race([this.relinquish(), sleep(timers, CLOSE_MS_MAX, timeout.signal).catch(ignore)]);
      timeout.abort();
    }
    await led?.close();
    await Promise.all(this.#remains);
  }

  #begin({ handOver, signal }: LeadOptions): Promise<void> {
    const abort = new AbortController();
    const forward = () => abort.abort(signal.reason);
    signal.addEventListener('abort', forward, { once: true });
    const done = this.#takeOver(handOver, abort.signal).finally(() => {
      signal.removeEventListener('abort', forward);
      this.#attempt = null;
    });
    this.#attempt = { abort, done };
    return done;
  }

  async #takeOver(handOver: LeadOptions['handOver'], signal: AbortSignal): Promise<void> {
    const { began: _began, ended: _ended, remote: _remote, ...identity } = this.#context;
    let opened: OpenedJournal | null = null;
    try {
      opened = await openJournal({
        ...identity,
        id: this.id,
        signal,
        onEnded: () => this.#onEnded(opened),
        ...(handOver && { handOver: () => handOver().catch(ignore) }),
      });
    } catch (cause) {
      if (!signal.aborted) this.#because = cause instanceof Error ? cause.message : String(cause);
      throw cause;
    }
    if (signal.aborted) {
      this.#leave(opened);
      throw signal.reason;
    }
    this.#install(opened);
  }

  #install(opened: OpenedJournal): void {
    this.#led = opened;
    this.#because = null;
    opened.subscribe((applied) => {
      for (const listener of this.#listeners) listener(applied);
    });
    try {
      this.#context.began(this);
    } catch (cause) {
      this.#leave(opened); // Leads nothing that could not begin.
      throw cause;
    }
  }

  #onEnded(opened: OpenedJournal | null): void {
    if (opened === null || this.#led !== opened) return;
    this.#lastEpoch = opened.epoch;
    this.#because = opened.deposedBecause;
    this.#led = null;
    this.#leave(opened);
    this.#context.ended(this);
  }

  #leave(opened: OpenedJournal): void {
    const gone = opened.close().finally(() => this.#remains.delete(gone));
    this.#remains.add(gone);
  }

  #remotely<T>(ask: (remote: RemoteJournals) => Promise<T>): Promise<T> {
    const { remote } = this.#context;
    if (remote === null || this.#closing.signal.aborted) return Promise.reject(this.#notLeading());
    return ask(remote);
  }

  #notLeading(): KafkaError {
    const why = this.#because === null ? '' : `: ${this.#because}`;
    return new KafkaError('NOT_LEADER_OR_FOLLOWER', `journal ${this.id} is not led by this broker${why}`);
  }
}

const ignore = (): void => {};

/** Waits for `promise`, which does not reject; rejects with the signal's reason when aborted first. */
function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
