/** Finding the partitions that requests name, and describing them as Metadata does. */
import type { Topic, TopicPartition } from '../cluster/topics.ts';
import { KafkaError, toKafkaError } from '../errors.ts';
import { REPLICATION_FACTOR_MAX } from '../limits.ts';
import type { PartitionId } from '../log/log.ts';
import type { Broker, Call } from './handler.ts';
import { unknownTopic } from './item-errors.ts';

/** How Produce and Fetch name a topic: by id since v13, by name before. */
export interface TopicReference {
  readonly name: string;
  readonly topicId: string;
}

/** The topic, or the error for each of its partitions. */
export function findTopic(broker: Broker, reference: TopicReference, byId: boolean): Topic | KafkaError {
  const topic = byId ? broker.topics.byId(reference.topicId) : broker.topics.byName(reference.name);
  if (topic !== undefined) return topic;
  if (!byId) return unknownTopic(reference.name);
  return new KafkaError('UNKNOWN_TOPIC_ID', `there is no topic with id ${reference.topicId}`);
}

export function findPartition(topic: Topic, index: number): TopicPartition | KafkaError {
  const partition = topic.partitions[index];
  if (partition !== undefined) return partition;
  const has = `topic ${JSON.stringify(topic.name)} has ${topic.partitions.length} partitions`;
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${has}, there is no ${index}`);
}

/** By name. Throws UNKNOWN_TOPIC_OR_PARTITION. */
export function requirePartition(broker: Broker, name: string, index: number): TopicPartition {
  const topic = broker.topics.byName(name);
  if (topic === undefined) throw unknownTopic(name);
  const partition = findPartition(topic, index);
  if (partition instanceof KafkaError) throw partition;
  return partition;
}

/** KIP-320: the epoch that a client believes in against ours. -1 is not compared. Throws what tells it to look again. */
export function checkLeaderEpoch(broker: Broker, partition: PartitionId, clientsEpoch: number): void {
  if (clientsEpoch === -1) return;
  const { leaderEpoch } = broker.log.watermarks(partition);
  if (clientsEpoch < leaderEpoch) {
    throw new KafkaError('FENCED_LEADER_EPOCH', `leader epoch ${clientsEpoch} is over, it is ${leaderEpoch}`);
  }
  if (clientsEpoch > leaderEpoch) {
    throw new KafkaError(
      'UNKNOWN_LEADER_EPOCH',
      `leader epoch ${clientsEpoch} is not known here, it is ${leaderEpoch}`,
    );
  }
}

export interface PartitionDescription {
  readonly errorCode: number;
  readonly index: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

/**
 * The brokers that clients are told as replicas: as many as the topic was created with. The store replicates, so the
 * brokers of the cluster stand in for them, the leader first and over again when there are not enough.
 */
export const replicaNodes = ({ brokerId }: Broker, { replicationFactor }: Topic): readonly number[] =>
  new Array<number>(Math.min(replicationFactor, REPLICATION_FACTOR_MAX)).fill(brokerId);

/** What Kafka demands of brokers that a client assigns a partition to. Throws INVALID_REPLICA_ASSIGNMENT. */
export function checkReplicas({ brokerId }: Broker, replicas: readonly number[]): void {
  const refuse = (why: string) =>
    new KafkaError('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment ${why}.`);
  if (replicas.length === 0) throw refuse('includes an empty replica list');
  const missing = replicas.find((id) => id !== brokerId);
  if (missing !== undefined) throw refuse(`includes broker ${missing}, but no such broker is registered`);
  if (replicas.length > 1) throw refuse(`includes the broker ${brokerId} more than once`);
}

/** Every partition is led from here; one whose journal cannot be used says so. */
export function describePartition(
  call: Call,
  { topicId, partition }: TopicPartition,
  nodes: readonly number[],
): PartitionDescription {
  const { brokerId, log } = call.broker;
  const base = { index: partition, replicaNodes: nodes, isrNodes: nodes, offlineReplicas: [] };
  try {
    return {
      ...base,
      errorCode: 0,
      leaderId: brokerId,
      leaderEpoch: log.watermarks({ topicId, partition }).leaderEpoch,
    };
  } catch (cause) {
    if (toKafkaError(cause) === null) throw cause;
    return { ...base, errorCode: call.code('LEADER_NOT_AVAILABLE'), leaderId: -1, leaderEpoch: -1 };
  }
}

/** This broker as the leader, with its address, for answers that send a client there (KIP-951). */
export const thisNode = ({ broker, advertised }: Call) => ({
  nodeId: broker.brokerId,
  host: advertised.host,
  port: advertised.port,
  rack: broker.zone === '' ? null : broker.zone,
});
