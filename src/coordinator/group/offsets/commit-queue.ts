/**
 * Commits on their way into one journal. Those of one group that arrive before its decision is made become one change of
 * its records; all decisions that leave in one turn share an entry.
 *
 *   commit ──► batch of its group ──cadence──► proposed ──entry is built──► decided ──durable──► answered
 *              open for more ───────────────────────────►│
 */
import { KafkaError } from '../../../errors.ts';
import type { Decided, Decision, DecisionView, Journal } from '../../../journal/journal.ts';
import { assert } from '../../../runtime/assert.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { confirmLeading, sureOf, toCoordinatorError } from '../../coordinator-error.ts';
import type { GroupDirectory } from '../live-group.ts';
import { CommitCadence } from './commit-cadence.ts';
import { type CommitsDecided, decideCommits, type OffsetCommit, refusalOf, requireCreator } from './commit-offsets.ts';

/** One decision; leaves room in its entry for others and for what transactions make of it. */
export const BATCH_BYTES_MAX = 64 * 1024;
/** Several seconds of the fastest journal. */
export const WAITING_BYTES_MAX = 32 * 1024 * 1024;

export interface CommitQueueOptions {
  readonly journal: Journal;
  readonly groups: GroupDirectory;
  readonly runtime: Runtime;
  /** Between entries, where they cost money; 0 where they are free. */
  readonly intervalMs: number;
  readonly freshMs: number;
  /** Makes sure that a group that is not there yet belongs to this journal still. */
  readonly place: (groupId: string, client: string) => Promise<Journal>;
}

/** A commit that fits a batch. */
export interface QueuedCommit extends OffsetCommit {
  readonly bytes: number;
  /** Whose share of all groups it is when this commit creates one. */
  readonly client: string;
}

export interface QueuedDecision<T> {
  readonly groupId: string;
  readonly client: string;
  /** About what it writes. */
  readonly bytes: number;
  /** In the turn in which it is proposed: what is in memory. Throws the client's error. */
  readonly check?: () => void;
  readonly decide: Decision<T>;
}

/** Null: it counts and is durable. */
type Outcome = KafkaError | null;

interface Waiting {
  readonly commit: QueuedCommit;
  readonly answer: (outcome: Outcome) => void;
  /** A bug of ours. */
  readonly fail: (cause: unknown) => void;
}

interface Batch {
  waiting: Waiting[];
  bytes: number;
}

/** Something that leaves for the journal when the cadence says. */
interface Departure {
  readonly groupId: string;
  readonly client: string;
  readonly propose: () => void;
  readonly fail: (cause: unknown) => void;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #cadence: CommitCadence;
  /** The batch of each group that still takes more. */
  readonly #open = new Map<string, Batch>();
  #waitingBytes = 0;
  #closed = false;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
    this.#cadence = new CommitCadence(options.runtime, options.intervalMs);
  }

  /** To be called in the turn in which the group was found, or its journal. Rejects only on bugs. */
  async add(groupId: string, commit: QueuedCommit): Promise<Outcome> {
    const outcome = await this.#add(groupId, commit);
    return outcome === null ? null : sureOf(this.#options.journal, outcome);
  }

  async #add(groupId: string, commit: QueuedCommit): Promise<Outcome> {
    const { bytes, client } = commit;
    assert(bytes <= BATCH_BYTES_MAX, `a commit of ${bytes} bytes in one piece`);
    const refusal = this.#refusal(groupId, commit);
    if (refusal !== null) return refusal;
    return this.#holding(bytes, () => {
      const { promise, resolve: answer, reject: fail } = Promise.withResolvers<Outcome>();
      const waiting = { commit, answer, fail };
      const batch = this.#open.get(groupId);
      if (batch !== undefined && batch.bytes + bytes <= BATCH_BYTES_MAX) {
        batch.waiting.push(waiting);
        batch.bytes += bytes;
      } else {
        const opened: Batch = { waiting: [waiting], bytes };
        this.#open.set(groupId, opened);
        const propose = () => this.#proposeBatch(groupId, opened);
        this.#join({ groupId, client, propose, fail: (cause) => this.#failBatch(groupId, opened, cause) });
      }
      return promise;
    }).catch(toCoordinatorError);
  }

  /** A decision about offsets that is not a plain commit: it leaves when commits do. Rejects with coordinators' errors. */
  coordinate<T>({ groupId, client, bytes, check, decide }: QueuedDecision<T>): Promise<T> {
    return this.#holding(bytes, () => {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const propose = () => {
        const refusal = check ? refusalOf(check) : null;
        if (refusal !== null) reject(refusal);
        else this.#options.journal.coordinate((view) => this.#requireOpen() ?? decide(view)).then(resolve, reject);
      };
      this.#join({ groupId, client, propose, fail: reject });
      return promise.catch((cause) => {
        throw toCoordinatorError(cause);
      });
    });
  }

  /** What waits is answered: nothing of it was done. */
  close(): void {
    this.#closed = true;
    this.#cadence.leaveNow();
  }

  /** For answers that no entry stands behind. Throws NOT_COORDINATOR when this broker did not lead after the call. */
  confirm(): Promise<void> {
    return confirmLeading(this.#options.journal);
  }

  /** A broker that stops knows no groups any more: it cannot tell whose commits count. Throws NOT_COORDINATOR. */
  #requireOpen(): undefined {
    if (this.#closed) throw new KafkaError('NOT_COORDINATOR', 'the broker stops');
  }

  async #holding<T>(bytes: number, act: () => Promise<T>): Promise<T> {
    this.#requireOpen();
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'too many commits wait for the journal');
    }
    this.#waitingBytes += bytes;
    try {
      return await act();
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** In the turn in which it is proposed, or joins what is proposed already: what members are is in memory. */
  #refusal(groupId: string, { committer }: OffsetCommit): Outcome {
    const { groups, journal } = this.#options;
    const group = groups.find(groupId);
    if (group === undefined) return refusalOf(() => requireCreator(committer));
    if (group.journal !== journal) return new KafkaError('NOT_COORDINATOR', 'the group has moved');
    return refusalOf(() => group.checkCommit(committer, journal.state));
  }

  #join(departure: Departure): void {
    this.#cadence.join(() => {
      const { groups, intervalMs } = this.#options;
      if (this.#closed) departure.fail(new KafkaError('NOT_COORDINATOR', 'the broker stops'));
      else if (intervalMs === 0 || groups.find(departure.groupId)) departure.propose();
      else void this.#placeAgain(departure);
    });
  }

  /** Its group may have been deleted while this waited: its journal is asked for once more. */
  async #placeAgain({ groupId, client, propose, fail }: Departure): Promise<void> {
    const { place, journal } = this.#options;
    try {
      if ((await place(groupId, client)) !== journal) throw new KafkaError('NOT_COORDINATOR', 'the group has moved');
      propose();
    } catch (cause) {
      fail(cause);
    }
  }

  #proposeBatch(groupId: string, batch: Batch): void {
    const { journal, intervalMs } = this.#options;
    if (intervalMs > 0) this.#dropRefused(groupId, batch);
    journal
      .coordinate((view) => this.#decide(view, groupId, batch))
      .then((decided) => this.#settle(batch, decided))
      .catch((cause) => this.#failBatch(groupId, batch, cause));
  }

  /** A generation may have ended while commits waited for their time. */
  #dropRefused(groupId: string, batch: Batch): void {
    batch.waiting = batch.waiting.filter(({ commit, answer }) => {
      const refusal = this.#refusal(groupId, commit);
      if (refusal !== null) answer(refusal);
      return refusal === null;
    });
  }

  #decide(view: DecisionView, groupId: string, batch: Batch): Decided<CommitsDecided> {
    this.#seal(groupId, batch);
    this.#requireOpen();
    const { groups, freshMs } = this.#options;
    const commits = batch.waiting.map(({ commit }) => commit);
    return decideCommits(view, groupId, commits, { group: groups.find(groupId), freshMs });
  }

  async #settle({ waiting }: Batch, { refusals, written }: CommitsDecided): Promise<void> {
    if (!written && refusals.includes(null)) await this.confirm();
    for (const [index, { answer }] of waiting.entries()) answer(refusals[index]!);
  }

  #failBatch(groupId: string, batch: Batch, cause: unknown): void {
    this.#seal(groupId, batch);
    for (const { fail } of batch.waiting) fail(cause);
  }

  #seal(groupId: string, batch: Batch): void {
    if (this.#open.get(groupId) === batch) this.#open.delete(groupId);
  }
}
