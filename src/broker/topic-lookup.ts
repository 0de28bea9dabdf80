/**
 * Topics that a request names and this broker has not heard of: another broker may have created them a moment ago. They are
 * looked for in the store before the request is handled; what is there is in the image then. A store that does not
 * answer leaves them unknown, which clients try again.
 */
import type { Topics } from '../cluster/topics.ts';
import { toKafkaError } from '../errors.ts';
import type { ApiName } from '../protocol/apis.ts';
import { ZERO_UUID } from '../protocol/codec.ts';
import { RESOURCE_TYPE } from './config-resources.ts';

interface Named {
  readonly name?: string | null;
  readonly topicId?: string;
}

interface NamingTopics {
  readonly topics?: readonly Named[] | null;
  readonly topicNames?: readonly string[];
  readonly transactions?: readonly { readonly topics: readonly Named[] }[];
  readonly resources?: readonly { readonly resourceType: number; readonly resourceName: string }[];
}

/** Requests for topics that exist. What creates them, and names in the affairs of groups, are not among them. */
const NAMING: ReadonlySet<ApiName> = new Set<ApiName>([
  'Produce',
  'Fetch',
  'ListOffsets',
  'Metadata',
  'DescribeTopicPartitions',
  'OffsetForLeaderEpoch',
  'OffsetCommit',
  'TxnOffsetCommit',
  'AddPartitionsToTxn',
  'CreatePartitions',
  'DeleteTopics',
  'DeleteRecords',
  'DescribeProducers',
  'ElectLeaders',
  'AlterPartitionReassignments',
  'ShareFetch',
  'DescribeConfigs',
  'AlterConfigs',
  'IncrementalAlterConfigs',
]);

/** Null when the image has all of them. Resolves when those that are somewhere are in it. */
export function lookForTopics(api: ApiName, request: unknown, topics: Topics): Promise<void> | null {
  if (!NAMING.has(api)) return null;
  const looking: Promise<unknown>[] = [];
  const byName = (name: string) => {
    if (name !== '' && topics.byName(name) === undefined) looking.push(topics.find(name));
  };
  const named = ({ name, topicId }: Named) => {
    if (topicId !== undefined && topicId !== ZERO_UUID) {
      if (topics.byId(topicId) === undefined) looking.push(topics.findById(topicId));
    } else if (name) {
      byName(name);
    }
  };
  const { topics: requested, topicNames, transactions, resources } = request as NamingTopics;
  if (requested) for (const topic of requested) named(topic);
  if (topicNames) for (const name of topicNames) byName(name);
  if (transactions) for (const transaction of transactions) for (const topic of transaction.topics) named(topic);
  if (resources) {
    for (const { resourceType, resourceName } of resources)
      if (resourceType === RESOURCE_TYPE.topic) byName(resourceName);
  }
  return looking.length === 0 ? null : allFound(looking);
}

async function allFound(looking: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(looking)) {
    if (outcome.status === 'rejected' && toKafkaError(outcome.reason) === null) throw outcome.reason;
  }
}
