/**
 * CreateTopics (19), v2-7.
 *
 * A topic is there when it is answered. Each has its own result; a name that is given twice is INVALID_REQUEST for all of
 * them. -1 partitions or replicas take the broker's defaults (v4, KIP-464; older versions as well). Assignments give the
 * number of partitions and must name brokers of the cluster. `validateOnly` checks everything and creates nothing.
 * v5 tells the configurations, v7 the topic id.
 *
 * Unlike Kafka: a replication factor may exceed the number of brokers and is reported back, the store replicates;
 * `timeoutMs` is not looked at.
 */
import type { NewTopic, Topic } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import { PARTITIONS_PER_TOPIC_MAX } from '../../limits.ts';
import type { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/create-topics.ts';
import { topicConfigs } from '../config-resources.ts';
import type { Call, Handler } from '../handler.ts';
import { changeEach, checkItemCount, itemError, namedTwice } from '../item-errors.ts';
import { checkReplicas } from '../partitions.ts';

type RequestedTopic = CreateTopicsRequest['topics'][number];
type TopicResponse = CreateTopicsResponse['topics'][number];

export const createTopics: Handler<'CreateTopics'> = {
  turn: 'alone',
  async handle({ topics, validateOnly }, call) {
    checkItemCount(
      'partitions',
      topics.map(partitionCount).reduce((sum, count) => sum + count, 0),
    );
    const twice = namedTwice(topics.map(({ name }) => name));
    // One answer per name, as in Kafka.
    const once = [...new Map(topics.map((topic) => [topic.name, topic])).values()];
    return {
      topics: await changeEach(once, async (topic): Promise<TopicResponse> => {
        try {
          if (twice.has(topic.name)) throw new KafkaError('INVALID_REQUEST', 'Duplicate topic name.');
          const wanted = newTopic(topic, call);
          if (!validateOnly) call.countMutations(partitionsOf(wanted, call), QUOTA_ANSWERED_SINCE);
          return created(call, await call.broker.topics.create(wanted, { validateOnly }), validateOnly);
        } catch (cause) {
          return { name: topic.name, ...itemError(call, cause), configs: [] };
        }
      }),
    };
  },
  refuse: ({ topics }, error, call) => ({
    topics: topics.map(({ name }) => ({ name, ...itemError(call, error), configs: [] })),
  }),
};

/** THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const QUOTA_ANSWERED_SINCE = 6;

/** At least one; a topic that asks for more than it can have is refused by itself. */
const partitionCount = ({ numPartitions, assignments }: RequestedTopic): number =>
  numPartitions > PARTITIONS_PER_TOPIC_MAX ? 1 : Math.max(numPartitions, assignments.length, 1);

const partitionsOf = ({ partitions = -1 }: NewTopic, { broker }: Call): number =>
  partitions === -1 ? broker.config['num.partitions'] : partitions;

function newTopic(
  { name, numPartitions, replicationFactor, assignments, configs }: RequestedTopic,
  call: Call,
): NewTopic {
  const config: Record<string, string> = {};
  for (const { name: configName, value } of configs) {
    if (value === null) {
      throw new KafkaError('INVALID_CONFIG', `Null value not supported for topic configs: ${configName}`);
    }
    config[configName] = value;
  }
  if (assignments.length === 0) return { name, partitions: positive(numPartitions), replicationFactor, config };
  if (numPartitions !== -1 || replicationFactor !== -1) {
    throw new KafkaError(
      'INVALID_REQUEST',
      'Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.',
    );
  }
  checkAssignments(assignments, call);
  return { name, partitions: assignments.length, replicationFactor: assignments[0]!.brokerIds.length, config };
}

/** 0 is no number of partitions; to the registry it would be. */
function positive(partitions: number): number {
  if (partitions === 0 || partitions < -1) {
    throw new KafkaError('INVALID_PARTITIONS', 'Number of partitions must be larger than 0, or -1 for the default.');
  }
  return partitions;
}

function checkAssignments(assignments: RequestedTopic['assignments'], { broker }: Call): void {
  const indexes = new Set(assignments.map(({ index }) => index));
  if (indexes.size !== assignments.length || assignments.some((_, index) => !indexes.has(index))) {
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', 'partitions are not numbered from 0 without gaps');
  }
  for (const { brokerIds } of assignments) checkReplicas(broker, brokerIds);
}

function created(call: Call, topic: Topic, validateOnly: boolean): TopicResponse {
  const described = call.apiVersion >= 5 ? topicConfigs(topic.overrides, call.broker.configs.brokers) : [];
  return {
    name: topic.name,
    ...(!validateOnly && { topicId: topic.topicId }),
    errorCode: 0,
    errorMessage: null,
    numPartitions: topic.partitions.length,
    replicationFactor: topic.replicationFactor,
    configs: described.map(({ name, value, readOnly, configSource, isSensitive }) => ({
      name,
      value,
      readOnly,
      configSource,
      isSensitive,
    })),
  };
}
