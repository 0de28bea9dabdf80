/**
 * A journal led by this process: waiting proposals become one entry, the entry becomes durable, and only then the state
 * moves and everyone is answered. One entry is in flight at a time; all that arrives meanwhile joins the next.
 *
 * What an answer of the store means is decided by `leadership.ts`; this file performs it.
 */
import { KafkaError, toKafkaError } from '../errors.ts';
import { APPEND_BATCHES_MAX, ENTRY_BYTES_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Backoff } from './backoff.ts';
import { Confirmations } from './confirmations.ts';
import type { StateDraft } from './draft.ts';
import { type BuiltEntry, EntryBuilder, notLeader } from './entry-builder.ts';
import type { EntryWriter } from './entry-writer.ts';
import type { InlineBodies } from './inline-bodies.ts';
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
} from './journal.ts';
import type { JournalMetrics } from './journal-metrics.ts';
import type { JournalStore, StoredEntry } from './journal-store.ts';
import { type Leadership, type LeadershipEffect, type LeadershipEvent, stepLeadership } from './leadership.ts';
import type { Maintenance } from './maintenance.ts';
import type { ExtentPlace } from './partition-state.ts';
import { appendBytesMax, changeBytesMax, type Proposal, ProposalQueue } from './proposals.ts';
import type { JournalState } from './state.ts';
import type { TakenOver } from './takeover.ts';
import type { Uncovered } from './uncovered.ts';

export interface LeaderContext {
  readonly store: JournalStore;
  readonly writer: EntryWriter;
  readonly runtime: Runtime;
  readonly bodies: InlineBodies;
  readonly maintenance: Maintenance;
  readonly metrics: JournalMetrics;
  readonly abort: AbortController;
  /** Called once, in the turn in which this stops being the leader, with `role` changed already. */
  readonly onEnded: () => void;
}

export class LeadingJournal implements Journal {
  readonly id: number;
  readonly #context: LeaderContext;
  readonly #state: JournalState;
  readonly #draft: StateDraft;
  readonly #uncovered: Uncovered;
  readonly #builder: EntryBuilder;
  readonly #queue = new ProposalQueue();
  readonly #confirmations: Confirmations;
  readonly #listeners = new Set<(applied: Applied) => void>();
  readonly #backoff: Backoff;
  #leadership: Leadership;
  #stoppedBecause: string | null = null;
  #takesNothing = false;
  #ended = false;
  #writing: Promise<void> | null = null;

  constructor(taken: TakenOver, context: LeaderContext) {
    this.id = context.store.journal;
    this.#context = context;
    this.#state = taken.state;
    this.#draft = taken.draft;
    this.#uncovered = taken.uncovered;
    this.#leadership = taken.leadership;
    this.#backoff = new Backoff(context.runtime, context.abort.signal);
    this.#builder = new EntryBuilder(this.id, taken.draft, {
      isNamed: (segmentId) => this.#queue.names(segmentId) || this.#uncovered.names(segmentId),
    });
    this.#confirmations = new Confirmations(() => this.#readNextSlot());
  }

  get role(): JournalRole {
    if (this.#stoppedBecause !== null) return 'stopped';
    return this.#leadership.phase === 'deposed' ? 'deposed' : 'leading';
  }

  get deposedBecause(): string | null {
    return this.#leadership.phase === 'deposed' ? this.#leadership.because : this.#stoppedBecause;
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  get state(): JournalView {
    return this.#state;
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    const bytesMax = appendBytesMax(request);
    const batchCount = request.partitions.reduce((sum, { batches }) => sum + batches.length, 0);
    if (batchCount > APPEND_BATCHES_MAX || bytesMax > ENTRY_BYTES_MAX) {
      const limits = `${APPEND_BATCHES_MAX} batches and ${ENTRY_BYTES_MAX} bytes do`;
      const message = `an append of ${batchCount} batches and ${bytesMax} bytes does not fit an entry: ${limits}`;
      return Promise.reject(new KafkaError('INVALID_REQUEST', message));
    }
    const body = request.source.type === 'inline' ? Buffer.concat(request.source.parts) : NO_BODY;
    return new Promise((resolve, reject) =>
      this.#enqueue({ type: 'append', request, body, bytesMax, resolve, reject }),
    );
  }

  skip(lane: Lane, number: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ type: 'skip', lane, number, bytesMax: SKIP_BYTES, resolve, reject }),
    );
  }

  propose(change: Change): Promise<ChangeOutcome> {
    const bytesMax = changeBytesMax(change);
    if (bytesMax > ENTRY_BYTES_MAX) {
      const message = `a change of ${bytesMax} bytes does not fit an entry of ${ENTRY_BYTES_MAX}`;
      return Promise.resolve({ type: 'refused', error: 'INVALID_REQUEST', message });
    }
    const outcome = new Promise<ChangeOutcome>((resolve, reject) =>
      this.#enqueue({ type: 'change', change, bytesMax, resolve, reject }),
    );
    return change.type === 'deletePartitions' ? this.#confirmed(outcome) : outcome;
  }

  /** A leader that was succeeded before the partitions came finds nothing to delete, and they would stay for ever. */
  async #confirmed(proposed: Promise<ChangeOutcome>): Promise<ChangeOutcome> {
    const outcome = await proposed;
    if (await this.confirmLeadership()) return outcome;
    throw notLeader(`journal ${this.id}: ${this.deposedBecause}`);
  }

  coordinate<T>(decide: Decision<T>): Promise<T> {
    return new Promise<unknown>((resolve, reject) =>
      this.#enqueue({ type: 'decision', decide, bytesMax: DECISION_BYTES, resolve, reject }),
    ) as Promise<T>;
  }

  requestSnapshot(): void {
    if (this.role === 'leading') this.#context.maintenance.request();
  }

  confirmLeadership(): Promise<boolean> {
    if (this.role !== 'leading') return Promise.resolve(false);
    return this.#confirmations.ask(this.#writing !== null);
  }

  async readInline(extent: ExtentPlace): Promise<Buffer | null> {
    if (this.role !== 'leading') throw this.#notLeading();
    try {
      return await this.#context.bodies.read(extent);
    } catch (cause) {
      if (this.role !== 'leading') throw this.#notLeading(); // Reads under way end with the journal.
      throw cause;
    }
  }

  subscribe(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Stops leading in order: takes nothing in any more, rejects what waits, and resolves once the put under way has an
   * outcome and nothing will follow it. A store that is away, or a successor, decides how long that takes.
   */
  async relinquish(): Promise<void> {
    if (this.role !== 'leading') return;
    this.#takesNothing = true;
    this.#rejectQueue();
    await this.#writing;
    if (this.role === 'leading') this.#stop('it was handed over');
  }

  /** Stops appending: what waits is rejected, a put under way is given up without knowing its outcome. */
  async close(): Promise<void> {
    this.#stop('the broker stops');
    await this.#writing;
    await this.#context.maintenance.close();
  }

  #enqueue(proposal: Proposal): void {
    if (this.role !== 'leading' || this.#takesNothing) {
      proposal.reject(this.#notLeading());
      return;
    }
    try {
      this.#queue.push(proposal);
    } catch (cause) {
      proposal.reject(cause);
      return;
    }
    // In a microtask, so that everything proposed in this turn shares the entry.
    this.#writing ??= Promise.resolve().then(() => this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0 && this.role === 'leading') await this.#writeOne();
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#writing = null;
      if (this.role === 'leading') this.#confirmations.serve();
      else this.#rejectWaiting();
    }
  }

  async #writeOne(): Promise<void> {
    const { runtime, metrics } = this.#context;
    const header = {
      seq: this.#state.lastSeq + 1,
      id: randomHex(runtime.random, 16),
      epoch: this.#state.epoch,
      timestamp: runtime.clock.now(),
    };
    const built = this.#builder.build(header, this.#queue);
    metrics.queued(this.#queue.length);
    if (built.bytes === null) {
      built.settle();
      return;
    }
    const confirming = this.#confirmations.join();
    const startedAt = runtime.clock.monotonic();
    let ended: 'commit' | 'abandon' | null = null;
    try {
      ended = await this.#putUntilKnown(built);
    } catch (cause) {
      built.fail(notLeader(`the outcome of entry ${header.seq} of journal ${this.id} is not known`));
      confirming.settle(false);
      throw cause;
    }
    if (ended === 'commit') {
      metrics.written(built.bytes.length, runtime.clock.monotonic() - startedAt);
      try {
        this.#commit(built);
      } finally {
        confirming.settle(true);
      }
    } else if (ended === 'abandon') {
      built.fail(new KafkaError('KAFKA_STORAGE_ERROR', 'the metadata store is full: make room, then send it again'));
      confirming.again();
    } else {
      built.fail(notLeader(`journal ${this.id}: ${this.deposedBecause}`));
      confirming.settle(false);
    }
  }

  /** Null when the journal was deposed. */
  async #putUntilKnown({ header, bytes }: BuiltEntry): Promise<'commit' | 'abandon' | null> {
    const { store, writer, abort } = this.#context;
    const item = store.entryItem(header.seq, header.id, bytes!);
    let effects = this.#step({ type: 'prepared', id: header.id });
    for (;;) {
      const [effect] = effects;
      if (effect === undefined) return null;
      if (effect.type !== 'put') {
        this.#backoff.reset();
        assert(effect.type === 'commit' || effect.type === 'abandon', `a put led to ${effect.type}`);
        return effect.type;
      }
      if (effect.again) {
        this.#context.metrics.retried();
        await this.#backoff.pause();
      }
      abort.signal.throwIfAborted();
      const answer = await writer.put(item);
      effects = this.#step({ type: 'putAnswered', answer });
    }
  }

  #commit(built: BuiltEntry): void {
    const { bodies, maintenance } = this.#context;
    const bytes = built.bytes!;
    const committed = this.#draft.commit();
    this.#uncovered.add({ seq: built.header.seq, commands: built.commands }, bytes.length);
    this.#context.metrics.uncovered(this.#uncovered.bytes);
    bodies.keep(built.header.seq, built.header.id, bytes.subarray(bytes.length - built.bodyBytes));
    try {
      for (const listener of this.#listeners) listener(committed);
    } finally {
      built.settle(); // It is durable, whatever becomes of those who listen.
    }
    maintenance.committed(committed);
  }

  /** Steps the protocol, and settles what a deposition ends. */
  #step(event: LeadershipEvent): readonly LeadershipEffect[] {
    const { leadership, effects } = stepLeadership(this.#leadership, event);
    this.#leadership = leadership;
    if (leadership.phase === 'deposed') this.#onDeposed(leadership.because);
    return effects;
  }

  #onDeposed(because: string): void {
    this.#context.runtime.logger.warn({ journal: this.id }, `journal ${this.id} was taken over: ${because}`);
    this.#end(because);
  }

  /** A consistent read of the slot behind the last entry; true when it confirms that this process leads. */
  async #readNextSlot(): Promise<'confirmed' | 'deposed' | 'again'> {
    const seq = this.#state.lastSeq + 1;
    let entry: StoredEntry | null;
    try {
      entry = await this.#context.store.readEntry(seq, 'journal');
    } catch (cause) {
      if (this.role !== 'leading') return 'deposed'; // Reads under way end with the journal.
      throw cause;
    }
    const effects = this.#step({ type: 'nextSlotRead', seq, id: entry?.id ?? null });
    if (this.role !== 'leading') return 'deposed';
    return effects.some(({ type }) => type === 'confirmed') ? 'confirmed' : 'again';
  }

  #fail(cause: unknown): void {
    if (this.#stoppedBecause !== null) return; // Closing aborts what is under way.
    this.#context.runtime.logger.error({ journal: this.id, cause }, `journal ${this.id} stops`);
    this.#stop(toKafkaError(cause)?.message ?? String(cause));
  }

  #stop(because: string): void {
    this.#stoppedBecause ??= because;
    this.#end(because);
  }

  #end(because: string): void {
    this.#context.abort.abort(new Error(because));
    if (this.#writing === null) this.#rejectWaiting();
    if (this.#ended) return;
    this.#ended = true;
    this.#context.metrics.leading(false);
    this.#context.onEnded();
  }

  #rejectWaiting(): void {
    this.#rejectQueue();
    this.#confirmations.end();
  }

  #rejectQueue(): void {
    const error = this.#notLeading();
    for (const proposal of this.#queue.drain()) proposal.reject(error);
  }

  /** For what was never tried. */
  #notLeading(): KafkaError {
    const why = this.deposedBecause ?? 'it is being handed over';
    const message = `journal ${this.id} is ${this.role}: ${why}`;
    return new KafkaError('NOT_LEADER_OR_FOLLOWER', message);
  }
}

const NO_BODY = Buffer.alloc(0);
const SKIP_BYTES = 32;
/** A guess: what a decision writes is known once it was made. */
const DECISION_BYTES = 256;
