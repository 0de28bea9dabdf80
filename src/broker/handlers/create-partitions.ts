/**
 * CreatePartitions (37), v0-3: topics grow to a new total.
 *
 * One result per topic of the request, always: clients look each one up. A topic that is named twice is
 * INVALID_REQUEST; a total that is not an increase INVALID_PARTITIONS. Assignments must be as many as there are new
 * partitions and name brokers of the cluster. `validateOnly` changes nothing.
 *
 * Unlike Kafka: `timeoutMs` is not looked at.
 */
import { KafkaError } from '../../errors.ts';
import type { CreatePartitionsRequest } from '../../protocol/messages/create-partitions.ts';
import type { Call, Handler } from '../handler.ts';
import { changeEach, checkItemCount, itemError, namedTwice, unknownTopic } from '../item-errors.ts';
import { checkReplicas } from '../partitions.ts';

type RequestedTopic = CreatePartitionsRequest['topics'][number];

export const createPartitions: Handler<'CreatePartitions'> = {
  turn: 'alone',
  async handle({ topics, validateOnly }, call) {
    checkItemCount('topics', topics.length);
    const twice = namedTwice(topics.map(({ name }) => name));
    return {
      topics: await changeEach(topics, async (requested) => {
        const { name, count } = requested;
        try {
          if (twice.has(name)) throw new KafkaError('INVALID_REQUEST', 'Duplicate topic name.');
          checkAssignments(requested, call);
          if (!validateOnly) call.countMutations(morePartitions(requested, call), QUOTA_ANSWERED_SINCE);
          await call.broker.topics.createPartitions(name, count, { validateOnly });
          return { name, errorCode: 0, errorMessage: null };
        } catch (cause) {
          return { name, ...itemError(call, cause) };
        }
      }),
    };
  },
  refuse: ({ topics }, error, call) => ({ topics: topics.map(({ name }) => ({ name, ...itemError(call, error) })) }),
};

/** THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const QUOTA_ANSWERED_SINCE = 3;

const morePartitions = ({ name, count }: RequestedTopic, { broker }: Call): number =>
  Math.max(count - (broker.topics.byName(name)?.partitions.length ?? count), 0);

function checkAssignments({ name, count, assignments }: RequestedTopic, { broker }: Call): void {
  // @platformatic/kafka sends an empty list for none.
  if (assignments === null || assignments.length === 0) return;
  const topic = broker.topics.byName(name);
  if (topic === undefined) throw unknownTopic(name);
  const more = count - topic.partitions.length;
  if (more > 0 && assignments.length !== more) {
    throw new KafkaError(
      'INVALID_REPLICA_ASSIGNMENT',
      `${more} partitions are new, ${assignments.length} are assigned`,
    );
  }
  for (const { brokerIds } of assignments) checkReplicas(broker, brokerIds);
}
