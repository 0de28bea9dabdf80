/** Finding the partitions that requests name, and describing them as Metadata does. */
import type { Topic, TopicPartition } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import type { BrokerNode, ClientView, CurrentLeader } from './client-view.ts';
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

/**
 * KIP-320: the epoch that a client believes in against the one that is announced, and where these differ against the
 * leader's own. -1 is not compared. Throws what tells it to look again.
 */
export async function checkLeaderEpoch(call: Call, partition: TopicPartition, clientsEpoch: number): Promise<void> {
  if (clientsEpoch === -1 || call.view.leaderOf(partition).leaderEpoch === clientsEpoch) return;
  const { leaderEpoch } = await call.broker.log.watermarks(partition);
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

/** What Kafka demands of brokers that a client assigns a partition to. Throws INVALID_REPLICA_ASSIGNMENT. */
export function checkReplicas({ members }: Broker, replicas: readonly number[]): void {
  const refuse = (why: string) =>
    new KafkaError('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment ${why}.`);
  if (replicas.length === 0) throw refuse('includes an empty replica list');
  const missing = replicas.find((id) => members.get(id) === undefined);
  if (missing !== undefined) throw refuse(`includes broker ${missing}, but no such broker is registered`);
  const twice = replicas.find((id, index) => replicas.indexOf(id) !== index);
  if (twice !== undefined) throw refuse(`includes the broker ${twice} more than once`);
}

/** The partitions of a topic, or some of them. One whose journal nobody leads now says so. */
export function describePartitions(
  call: Call,
  view: ClientView,
  topic: Topic,
  partitions: readonly TopicPartition[] = topic.partitions,
): PartitionDescription[] {
  return partitions.map((partition) => {
    const { leaderId, leaderEpoch } = view.leaderOf(partition);
    const nodes = view.replicasOf(topic, leaderId);
    return {
      errorCode: leaderId === -1 ? call.code('LEADER_NOT_AVAILABLE') : 0,
      index: partition.partition,
      leaderId,
      leaderEpoch,
      replicaNodes: nodes,
      isrNodes: nodes,
      offlineReplicas: [],
    };
  });
}

/** This broker with its address, for answers that send a client there. */
export const thisNode = ({ broker, view }: Call): BrokerNode => view.nodeOf(broker.members.self);

/** The brokers of these leaders, each once, for answers that send a client there (KIP-951). */
export function nodesOf(view: ClientView, leaders: Iterable<CurrentLeader>): BrokerNode[] {
  const ids = new Set([...leaders].map(({ leaderId }) => leaderId));
  return [...ids].flatMap((id) => view.node(id) ?? []);
}
