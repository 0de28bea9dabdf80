/**
 * A marker that comes from an administrator instead of a transaction's coordinator: ends one that hangs, in one partition.
 * The transaction's record stays as it is; what its producer writes there afterwards is refused.
 */
import { KafkaError } from '../../errors.ts';
import type { Decided, DecisionView, Journal } from '../../journal/journal.ts';
import type { Place } from './participants.ts';
import type { ProducerIdentity } from './transaction-state.ts';

export interface ForcedMarker extends ProducerIdentity {
  readonly coordinatorEpoch: number;
  readonly committed: boolean;
}

/**
 * Does nothing where no transaction of the producer is open. Throws INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
 * UNKNOWN_TOPIC_OR_PARTITION, and what the journal says.
 */
export async function forceMarker(
  journal: Journal,
  { topicId, partition }: Place,
  marker: ForcedMarker,
): Promise<void> {
  const { producerId, producerEpoch, coordinatorEpoch, committed } = marker;
  let refusal: unknown = null;
  const mark = (view: DecisionView): Decided<boolean> => {
    checkCoordinator(journal, { topicId, partition }, marker);
    if (view.partition(topicId, partition) === undefined) {
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${partition} of topic ${topicId}`);
    }
    const open = view.openTransaction(topicId, partition, producerId);
    if (open === undefined) return { commands: [], answer: false };
    if (producerEpoch < open.producerEpoch) {
      const message = `epoch ${producerEpoch} of producer ${producerId} is over, it is ${open.producerEpoch}`;
      throw new KafkaError('INVALID_PRODUCER_EPOCH', message);
    }
    const { transaction } = open;
    const ends = { topicId, partition, producerId, producerEpoch, coordinatorEpoch, transaction, committed };
    return { commands: [{ type: 'transactionMarked', ...ends }], answer: true };
  };
  try {
    if (await journal.coordinate(mark)) return;
  } catch (cause) {
    refusal = cause;
  }
  // Where nothing was written a successor may have seen what is not known here.
  if (!(await journal.confirmLeadership())) {
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `another broker leads journal ${journal.id}`);
  }
  if (refusal !== null) throw refusal;
}

function checkCoordinator(journal: Journal, { topicId, partition }: Place, marker: ForcedMarker): void {
  for (const { producerId, coordinatorEpoch } of journal.state.producers(topicId, partition)) {
    if (producerId !== marker.producerId || marker.coordinatorEpoch >= coordinatorEpoch) continue;
    const message = `coordinator epoch ${marker.coordinatorEpoch} is over, it is ${coordinatorEpoch}`;
    throw new KafkaError('TRANSACTION_COORDINATOR_FENCED', message);
  }
}
