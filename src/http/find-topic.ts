import type { Topic } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import type { PartitionId } from '../log/log.ts';
import type { HttpContext } from './context.ts';
import { noPartition } from './plan-produce.ts';

export function findTopic({ topics }: HttpContext, name: string): Topic {
  const topic = topics.byName(name);
  if (topic === undefined) throw noTopic(name);
  return topic;
}

export function findPartition(context: HttpContext, name: string, partition: number): PartitionId {
  const topic = findTopic(context, name);
  requireExisting(topic, partition);
  return { topicId: topic.topicId, partition };
}

export function requireExisting(topic: Topic, partition: number): void {
  if (partition >= topic.partitions.length) {
    throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', noPartition(topic, partition));
  }
}

const noTopic = (name: string) =>
  new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no topic ${JSON.stringify(name)}: create it with POST /v1/topics`);
