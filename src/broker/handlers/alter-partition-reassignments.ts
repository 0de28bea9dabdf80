/**
 * AlterPartitionReassignments (45), v0-1. The store keeps the records, and brokers spread partitions by themselves: nothing
 * is ever moved. An assignment that Kafka would accept is accepted and done with at once; a cancellation (null) is
 * NO_REASSIGNMENT_IN_PROGRESS; brokers that are missing or named twice are INVALID_REPLICA_ASSIGNMENT; another number of
 * replicas, when that is forbidden (v1), INVALID_REPLICATION_FACTOR.
 */
import { KafkaError } from '../../errors.ts';
import type { AlterPartitionReassignmentsRequest } from '../../protocol/messages/alter-partition-reassignments.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { checkReplicas, requirePartition } from '../partitions.ts';

type RequestedPartition = AlterPartitionReassignmentsRequest['topics'][number]['partitions'][number];

export const alterPartitionReassignments: Handler<'AlterPartitionReassignments'> = {
  handle({ topics, allowReplicationFactorChange }, call) {
    return {
      allowReplicationFactorChange,
      errorCode: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((partition) => {
          const { index } = partition;
          try {
            check(name, partition, allowReplicationFactorChange, call);
            return { index, errorCode: 0, errorMessage: null };
          } catch (cause) {
            return { index, ...itemError(call, cause) };
          }
        }),
      })),
    };
  },
  refuse: (_request, error, call) => ({ ...itemError(call, error), topics: [] }),
};

function check(
  name: string,
  { index, replicas }: RequestedPartition,
  mayChangeFactor: boolean,
  { broker }: Call,
): void {
  requirePartition(broker, name, index);
  if (replicas === null) {
    throw new KafkaError('NO_REASSIGNMENT_IN_PROGRESS', 'No partition reassignment is in progress.');
  }
  checkReplicas(broker, replicas);
  const { replicationFactor } = broker.topics.byName(name)!;
  if (!mayChangeFactor && replicas.length !== replicationFactor) {
    throw new KafkaError(
      'INVALID_REPLICATION_FACTOR',
      `The replication factor is ${replicationFactor}, ${replicas.length} brokers were given, and it may not change.`,
    );
  }
}
