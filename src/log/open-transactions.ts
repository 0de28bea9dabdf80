/**
 * Which transaction a batch belongs to: the one that is open when it comes in, as the leader of its partition has it.
 * However long its upload takes, it is appended to no other (design §4, rule 8).
 *
 * A leader elsewhere is asked for every request anew, never from memory, and again when it goes away meanwhile. That is no
 * later than the client waits for its answer: it cannot have ended that transaction and begun another.
 *
 * A leader that was succeeded and does not know it tells what is over. What it told is appended by its successor, who refuses
 * it: where the leader is another one by then, the client is told to send it again, not that its transaction is invalid.
 */
import type { LeaderCalls } from '../cluster/leader-calls.ts';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { LeaderWaits } from './leader-waits.ts';
import { LEADER_CALL_TIMEOUT_MS, OPEN_TRANSACTIONS, type ProducerPlace } from './log-methods.ts';

/** Less than any client waits for the answer of a Produce request. */
const PATIENCE_MS = 10_000;

/** Another one after each change of leaders that this broker knows of. */
export const leadershipOf = ({ role, epoch }: Journal): string => `${role} ${epoch}`;

export class OpenTransactions {
  readonly #journals: Journals;
  readonly #calls: LeaderCalls;
  readonly #waits: LeaderWaits;

  constructor(journals: Journals, calls: LeaderCalls, waits: LeaderWaits) {
    this.#journals = journals;
    this.#calls = calls;
    this.#waits = waits;
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

  /** Whoever leads; all places are of one journal. In the order of `places`. */
  anywhere(journal: number, places: readonly ProducerPlace[]): Promise<readonly number[]> {
    return this.#waits.patiently(journal, PATIENCE_MS, async () => {
      if (this.#journals.get(journal)?.role === 'leading') return places.map((place) => this.here(place));
      return this.#calls.ask(journal, OPEN_TRANSACTIONS, places, { timeoutMs: LEADER_CALL_TIMEOUT_MS });
    });
  }
}
