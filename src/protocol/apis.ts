/**
 * Every API that this codec knows: its messages and versions, under Kafka's name. What a broker serves are those it has a
 * handler for; the ranges that it advertises and the table in the README come from here.
 *
 * Field names are Kafka's, except that the same thing is called the same everywhere: `topics` have `name` and `topicId`,
 * their `partitions` have `index`.
 */

import { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from './messages/add-offsets-to-txn.ts';
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from './messages/add-partitions-to-txn.ts';
import { AlterClientQuotasRequest, AlterClientQuotasResponse } from './messages/alter-client-quotas.ts';
import { AlterConfigsRequest, AlterConfigsResponse } from './messages/alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from './messages/alter-partition-reassignments.ts';
import { AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse } from './messages/alter-share-group-offsets.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from './messages/api-versions.ts';
import { ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse } from './messages/consumer-group-describe.ts';
import { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from './messages/consumer-group-heartbeat.ts';
import { CreatePartitionsRequest, CreatePartitionsResponse } from './messages/create-partitions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from './messages/create-topics.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from './messages/delete-groups.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from './messages/delete-records.ts';
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse,
} from './messages/delete-share-group-offsets.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from './messages/delete-topics.ts';
import { DescribeClientQuotasRequest, DescribeClientQuotasResponse } from './messages/describe-client-quotas.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from './messages/describe-cluster.ts';
import { DescribeConfigsRequest, DescribeConfigsResponse } from './messages/describe-configs.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from './messages/describe-groups.ts';
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from './messages/describe-log-dirs.ts';
import { DescribeProducersRequest, DescribeProducersResponse } from './messages/describe-producers.ts';
import { DescribeQuorumRequest, DescribeQuorumResponse } from './messages/describe-quorum.ts';
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse,
} from './messages/describe-share-group-offsets.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from './messages/describe-topic-partitions.ts';
import { DescribeTransactionsRequest, DescribeTransactionsResponse } from './messages/describe-transactions.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from './messages/elect-leaders.ts';
import { EndTxnRequest, EndTxnResponse } from './messages/end-txn.ts';
import { FetchRequest, FetchResponse } from './messages/fetch.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from './messages/find-coordinator.ts';
import { HeartbeatRequest, HeartbeatResponse } from './messages/heartbeat.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from './messages/incremental-alter-configs.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from './messages/init-producer-id.ts';
import { JoinGroupRequest, JoinGroupResponse } from './messages/join-group.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from './messages/leave-group.ts';
import { ListConfigResourcesRequest, ListConfigResourcesResponse } from './messages/list-config-resources.ts';
import { ListGroupsRequest, ListGroupsResponse } from './messages/list-groups.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from './messages/list-offsets.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from './messages/list-partition-reassignments.ts';
import { ListTransactionsRequest, ListTransactionsResponse } from './messages/list-transactions.ts';
import { MetadataRequest, MetadataResponse } from './messages/metadata.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from './messages/offset-commit.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from './messages/offset-delete.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from './messages/offset-fetch.ts';
import { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from './messages/offset-for-leader-epoch.ts';
import { ProduceRequest, ProduceResponse } from './messages/produce.ts';
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from './messages/share-acknowledge.ts';
import { ShareFetchRequest, ShareFetchResponse } from './messages/share-fetch.ts';
import { ShareGroupDescribeRequest, ShareGroupDescribeResponse } from './messages/share-group-describe.ts';
import { ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse } from './messages/share-group-heartbeat.ts';
import { SyncGroupRequest, SyncGroupResponse } from './messages/sync-group.ts';
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from './messages/txn-offset-commit.ts';
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from './messages/update-features.ts';
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from './messages/write-txn-markers.ts';
import type { Fields, Infer, Input, Message } from './schema.ts';

export interface Api<Request extends Message = Message, Response extends Message = Message> {
  readonly key: number;
  /** Versions that are served. */
  readonly min: number;
  readonly max: number;
  /** What ApiVersions says instead of `min`. */
  readonly advertisedMin: number;
  readonly request: Request;
  readonly response: Response;
}

const api = <Q extends Fields, S extends Fields>(
  request: Message<Q>,
  response: Message<S>,
  { advertisedMin = request.versions[0] }: { advertisedMin?: number } = {},
): Api<Message<Q>, Message<S>> => ({
  key: request.apiKey,
  min: request.versions[0],
  max: request.versions[1],
  advertisedMin,
  request,
  response,
});

export const APIS = {
  // KAFKA-18659, see messages/produce.ts.
  Produce: api(ProduceRequest, ProduceResponse, { advertisedMin: 0 }),
  Fetch: api(FetchRequest, FetchResponse),
  ListOffsets: api(ListOffsetsRequest, ListOffsetsResponse),
  Metadata: api(MetadataRequest, MetadataResponse),
  OffsetCommit: api(OffsetCommitRequest, OffsetCommitResponse),
  OffsetFetch: api(OffsetFetchRequest, OffsetFetchResponse),
  FindCoordinator: api(FindCoordinatorRequest, FindCoordinatorResponse),
  JoinGroup: api(JoinGroupRequest, JoinGroupResponse),
  Heartbeat: api(HeartbeatRequest, HeartbeatResponse),
  LeaveGroup: api(LeaveGroupRequest, LeaveGroupResponse),
  SyncGroup: api(SyncGroupRequest, SyncGroupResponse),
  DescribeGroups: api(DescribeGroupsRequest, DescribeGroupsResponse),
  ListGroups: api(ListGroupsRequest, ListGroupsResponse),
  ApiVersions: api(ApiVersionsRequest, ApiVersionsResponse),
  CreateTopics: api(CreateTopicsRequest, CreateTopicsResponse),
  DeleteTopics: api(DeleteTopicsRequest, DeleteTopicsResponse),
  DeleteRecords: api(DeleteRecordsRequest, DeleteRecordsResponse),
  InitProducerId: api(InitProducerIdRequest, InitProducerIdResponse),
  OffsetForLeaderEpoch: api(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse),
  AddPartitionsToTxn: api(AddPartitionsToTxnRequest, AddPartitionsToTxnResponse),
  AddOffsetsToTxn: api(AddOffsetsToTxnRequest, AddOffsetsToTxnResponse),
  EndTxn: api(EndTxnRequest, EndTxnResponse),
  WriteTxnMarkers: api(WriteTxnMarkersRequest, WriteTxnMarkersResponse),
  TxnOffsetCommit: api(TxnOffsetCommitRequest, TxnOffsetCommitResponse),
  DescribeConfigs: api(DescribeConfigsRequest, DescribeConfigsResponse),
  AlterConfigs: api(AlterConfigsRequest, AlterConfigsResponse),
  CreatePartitions: api(CreatePartitionsRequest, CreatePartitionsResponse),
  DeleteGroups: api(DeleteGroupsRequest, DeleteGroupsResponse),
  IncrementalAlterConfigs: api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse),
  OffsetDelete: api(OffsetDeleteRequest, OffsetDeleteResponse),
  DescribeCluster: api(DescribeClusterRequest, DescribeClusterResponse),
  DescribeProducers: api(DescribeProducersRequest, DescribeProducersResponse),
  DescribeTransactions: api(DescribeTransactionsRequest, DescribeTransactionsResponse),
  ListTransactions: api(ListTransactionsRequest, ListTransactionsResponse),
  ConsumerGroupHeartbeat: api(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse),
  ConsumerGroupDescribe: api(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse),
  DescribeTopicPartitions: api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse),
  ShareGroupHeartbeat: api(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse),
  ShareGroupDescribe: api(ShareGroupDescribeRequest, ShareGroupDescribeResponse),
  ShareFetch: api(ShareFetchRequest, ShareFetchResponse),
  ShareAcknowledge: api(ShareAcknowledgeRequest, ShareAcknowledgeResponse),
  DescribeShareGroupOffsets: api(DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse),
  AlterShareGroupOffsets: api(AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse),
  DeleteShareGroupOffsets: api(DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse),
  ListConfigResources: api(ListConfigResourcesRequest, ListConfigResourcesResponse),
  ElectLeaders: api(ElectLeadersRequest, ElectLeadersResponse),
  AlterPartitionReassignments: api(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse),
  ListPartitionReassignments: api(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse),
  DescribeLogDirs: api(DescribeLogDirsRequest, DescribeLogDirsResponse),
  DescribeQuorum: api(DescribeQuorumRequest, DescribeQuorumResponse),
  UpdateFeatures: api(UpdateFeaturesRequest, UpdateFeaturesResponse),
  DescribeClientQuotas: api(DescribeClientQuotasRequest, DescribeClientQuotasResponse),
  AlterClientQuotas: api(AlterClientQuotasRequest, AlterClientQuotasResponse),
};

export type ApiName = keyof typeof APIS;
/** What a handler of `N` gets, and what it answers. */
export type RequestOf<N extends ApiName> = Infer<(typeof APIS)[N]['request']>;
export type ResponseOf<N extends ApiName> = Input<(typeof APIS)[N]['response']>;

export const API_NAMES = (Object.keys(APIS) as ApiName[]).sort((a, b) => APIS[a].key - APIS[b].key);

const namesByKey = new Map(API_NAMES.map((name) => [APIS[name].key, name]));

/** Undefined for a key that this codec does not know. */
export function apiNameOf(key: number): ApiName | undefined {
  return namesByKey.get(key);
}

export interface AdvertisedApi {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** The `apiKeys` of an ApiVersions response for a broker that has handlers for `served`, by key. */
export function advertise(served: Iterable<ApiName>): AdvertisedApi[] {
  return inOrder(served).map((name) => {
    const { key, advertisedMin, max } = APIS[name];
    return { apiKey: key, minVersion: advertisedMin, maxVersion: max };
  });
}

/** The README's table of APIs, in Markdown. */
export function versionsTable(served: Iterable<ApiName>): string {
  const rows = inOrder(served).map((name) => {
    const { key, min, max } = APIS[name];
    return `| ${name} | ${key} | ${min === max ? min : `${min} to ${max}`} |`;
  });
  return ['| API | key | versions |', '|---|---|---|', ...rows, ''].join('\n');
}

function inOrder(served: Iterable<ApiName>): ApiName[] {
  const names = new Set(served);
  return API_NAMES.filter((name) => names.has(name));
}
