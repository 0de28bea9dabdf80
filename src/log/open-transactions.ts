/**
 * Which transaction a batch belongs to: the one that is open when it comes in, as the leader of its partition has it.
 * However long its upload takes, it is appended to no other (design §4, rule 8).
 *
 * A leader elsewhere is asked for every request anew, never from memory, and again when it goes away meanwhile. An answer counts
 * only while the client still waits for its own: until then it cannot have ended that transaction and begun another.
 *
 * A leader that was succeeded and does not know it tells what is over. What it told is appended by its successor, who refuses
 * it: where the leader is another one by then, the client is told to send it again, not that its transaction is invalid.
 */
import type { LeaderCalls } from '../cluster/leader-calls.ts';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { Clock } from '../runtime/clock.ts';
import type { LeaderWaits } from './leader-waits.ts';
import { LEADER_CALL_TIMEOUT_MS, OPEN_TRANSACTIONS, type ProducerPlace } from './log-methods.ts';

/** At most, however long the client waits. */
const PATIENCE_MS = 10_000;
/** Of the time that a client waits for an answer: some of it was over when its request came. */
const PATIENCE_SHARE = 0.5;

/** Another one after each change of leaders that this broker knows of. */
export const leadershipOf = ({ role, epoch }: Journal): string => `${role} ${epoch}`;

export class OpenTransactions {
  readonly #journals: Journals;
  readonly #calls: LeaderCalls;
  readonly #waits: LeaderWaits;
  readonly #clock: Clock;

  constructor(journals: Journals, calls: LeaderCalls, waits: LeaderWaits, clock: Clock) {
    this.#journals = journals;
    this.#calls = calls;
    this.#waits = waits;
    this.#clock = clock;
  }

  answerTo(registry: RpcRegistry): void {
    registry.handle(OPEN_TRANSACTIONS, (places) => places.map((place) => this.here(place)));
  }

  /** -1 when none is open. Throws NOT_LEADER_OR_FOLLOWER unless this broker leads the journal. */
  here({ journal, topicId, partition, producerId }: ProducerPlace): number {
    const seat = this.#journals.get(journal);
    if (seat?.role !== 'leading') {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `this broker does not lead journal ${journal}`);
    }
    return seat.state.openTransaction(topicId, partition, producerId)?.transaction ?? -1;
  }

  /**
   * Whoever leads; all places are of one journal. In the order of `places`. `clientWaitsMs`: for the answer to its request. Throws
   * REQUEST_TIMED_OUT when the answer comes too late to be believed.
   */
  async anywhere(
    journal: number,
    places: readonly ProducerPlace[],
    clientWaitsMs = Number.POSITIVE_INFINITY,
  ): Promise<readonly number[]> {
    const patienceMs = Math.min(PATIENCE_MS, clientWaitsMs * PATIENCE_SHARE);
    const until = this.#clock.monotonic() + patienceMs;
    const numbers = await this.#waits.patiently(journal, patienceMs, async () => {
      if (this.#journals.get(journal)?.role === 'leading') return places.map((place) => this.here(place));
      return this.#calls.ask(journal, OPEN_TRANSACTIONS, places, { timeoutMs: LEADER_CALL_TIMEOUT_MS });
    });
    if (this.#clock.monotonic() <= until) return numbers;
    throw new KafkaError('REQUEST_TIMED_OUT', `the leader of journal ${journal} told its transactions too late`);
  }
}
