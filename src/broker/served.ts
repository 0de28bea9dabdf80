/** Every API that is served, once: what is not here is not advertised. */
import type { ApiName } from '../protocol/apis.ts';
import type { Handler } from './handler.ts';
import { addOffsetsToTxn } from './handlers/add-offsets-to-txn.ts';
import { addPartitionsToTxn } from './handlers/add-partitions-to-txn.ts';
import { alterClientQuotas } from './handlers/alter-client-quotas.ts';
import { alterConfigs } from './handlers/alter-configs.ts';
import { alterPartitionReassignments } from './handlers/alter-partition-reassignments.ts';
import { alterShareGroupOffsets } from './handlers/alter-share-group-offsets.ts';
import { apiVersions } from './handlers/api-versions.ts';
import { consumerGroupDescribe } from './handlers/consumer-group-describe.ts';
import { consumerGroupHeartbeat } from './handlers/consumer-group-heartbeat.ts';
import { createPartitions } from './handlers/create-partitions.ts';
import { createTopics } from './handlers/create-topics.ts';
import { deleteGroups } from './handlers/delete-groups.ts';
import { deleteRecords } from './handlers/delete-records.ts';
import { deleteShareGroupOffsets } from './handlers/delete-share-group-offsets.ts';
import { deleteTopics } from './handlers/delete-topics.ts';
import { describeClientQuotas } from './handlers/describe-client-quotas.ts';
import { describeCluster } from './handlers/describe-cluster.ts';
import { describeConfigs } from './handlers/describe-configs.ts';
import { describeGroups } from './handlers/describe-groups.ts';
import { describeLogDirs } from './handlers/describe-log-dirs.ts';
import { describeProducers } from './handlers/describe-producers.ts';
import { describeQuorum } from './handlers/describe-quorum.ts';
import { describeShareGroupOffsets } from './handlers/describe-share-group-offsets.ts';
import { describeTopicPartitions } from './handlers/describe-topic-partitions.ts';
import { describeTransactions } from './handlers/describe-transactions.ts';
import { electLeaders } from './handlers/elect-leaders.ts';
import { endTxn } from './handlers/end-txn.ts';
import { fetch } from './handlers/fetch.ts';
import { findCoordinator } from './handlers/find-coordinator.ts';
import { heartbeat } from './handlers/heartbeat.ts';
import { incrementalAlterConfigs } from './handlers/incremental-alter-configs.ts';
import { initProducerId } from './handlers/init-producer-id.ts';
import { joinGroup } from './handlers/join-group.ts';
import { leaveGroup } from './handlers/leave-group.ts';
import { listConfigResources } from './handlers/list-config-resources.ts';
import { listGroups } from './handlers/list-groups.ts';
import { listOffsets } from './handlers/list-offsets.ts';
import { listPartitionReassignments } from './handlers/list-partition-reassignments.ts';
import { listTransactions } from './handlers/list-transactions.ts';
import { metadata } from './handlers/metadata.ts';
import { offsetCommit } from './handlers/offset-commit.ts';
import { offsetDelete } from './handlers/offset-delete.ts';
import { offsetFetch } from './handlers/offset-fetch.ts';
import { offsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.ts';
import { produce } from './handlers/produce.ts';
import { shareAcknowledge } from './handlers/share-acknowledge.ts';
import { shareFetch } from './handlers/share-fetch.ts';
import { shareGroupDescribe } from './handlers/share-group-describe.ts';
import { shareGroupHeartbeat } from './handlers/share-group-heartbeat.ts';
import { syncGroup } from './handlers/sync-group.ts';
import { txnOffsetCommit } from './handlers/txn-offset-commit.ts';
import { updateFeatures } from './handlers/update-features.ts';
import { writeTxnMarkers } from './handlers/write-txn-markers.ts';

export type Handlers = { readonly [N in ApiName]?: Handler<N> };

const handlers = {
  Produce: produce,
  Fetch: fetch,
  ListOffsets: listOffsets,
  Metadata: metadata,
  OffsetCommit: offsetCommit,
  OffsetFetch: offsetFetch,
  FindCoordinator: findCoordinator,
  JoinGroup: joinGroup,
  Heartbeat: heartbeat,
  LeaveGroup: leaveGroup,
  SyncGroup: syncGroup,
  DescribeGroups: describeGroups,
  ListGroups: listGroups,
  DeleteGroups: deleteGroups,
  OffsetDelete: offsetDelete,
  CreateTopics: createTopics,
  DeleteTopics: deleteTopics,
  DeleteRecords: deleteRecords,
  InitProducerId: initProducerId,
  AddPartitionsToTxn: addPartitionsToTxn,
  AddOffsetsToTxn: addOffsetsToTxn,
  EndTxn: endTxn,
  WriteTxnMarkers: writeTxnMarkers,
  TxnOffsetCommit: txnOffsetCommit,
  OffsetForLeaderEpoch: offsetForLeaderEpoch,
  DescribeConfigs: describeConfigs,
  AlterConfigs: alterConfigs,
  CreatePartitions: createPartitions,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  DescribeCluster: describeCluster,
  DescribeProducers: describeProducers,
  DescribeTransactions: describeTransactions,
  ListTransactions: listTransactions,
  DescribeTopicPartitions: describeTopicPartitions,
  AlterPartitionReassignments: alterPartitionReassignments,
  DescribeLogDirs: describeLogDirs,
  DescribeQuorum: describeQuorum,
  ElectLeaders: electLeaders,
  ListConfigResources: listConfigResources,
  ListPartitionReassignments: listPartitionReassignments,
  ConsumerGroupHeartbeat: consumerGroupHeartbeat,
  ConsumerGroupDescribe: consumerGroupDescribe,
  UpdateFeatures: updateFeatures,
  AlterClientQuotas: alterClientQuotas,
  DescribeClientQuotas: describeClientQuotas,
  ShareGroupHeartbeat: shareGroupHeartbeat,
  ShareGroupDescribe: shareGroupDescribe,
  ShareFetch: shareFetch,
  ShareAcknowledge: shareAcknowledge,
  DescribeShareGroupOffsets: describeShareGroupOffsets,
  AlterShareGroupOffsets: alterShareGroupOffsets,
  DeleteShareGroupOffsets: deleteShareGroupOffsets,
} satisfies Handlers;

/** Names of the APIs that are served, for the README's table as well. */
export const SERVED: readonly ApiName[] = [...(Object.keys(handlers) as ApiName[]), 'ApiVersions'];

export const HANDLERS: Handlers = { ...handlers, ApiVersions: apiVersions(SERVED) };
