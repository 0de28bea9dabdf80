/**
 * Every API that this codec knows: its messages and versions, under Kafka's name. What a broker serves are those it has a
 * handler for; the ranges that it advertises and the table in the README come from here.
 */
import { AlterConfigsRequest, AlterConfigsResponse } from './messages/alter-configs.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from './messages/api-versions.ts';
import { CreatePartitionsRequest, CreatePartitionsResponse } from './messages/create-partitions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from './messages/create-topics.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from './messages/delete-records.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from './messages/delete-topics.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from './messages/describe-cluster.ts';
import { DescribeConfigsRequest, DescribeConfigsResponse } from './messages/describe-configs.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from './messages/describe-topic-partitions.ts';
import { FetchRequest, FetchResponse } from './messages/fetch.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from './messages/find-coordinator.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from './messages/incremental-alter-configs.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from './messages/init-producer-id.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from './messages/list-offsets.ts';
import { MetadataRequest, MetadataResponse } from './messages/metadata.ts';
import { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from './messages/offset-for-leader-epoch.ts';
import { ProduceRequest, ProduceResponse } from './messages/produce.ts';
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
  FindCoordinator: api(FindCoordinatorRequest, FindCoordinatorResponse),
  ApiVersions: api(ApiVersionsRequest, ApiVersionsResponse),
  CreateTopics: api(CreateTopicsRequest, CreateTopicsResponse),
  DeleteTopics: api(DeleteTopicsRequest, DeleteTopicsResponse),
  DeleteRecords: api(DeleteRecordsRequest, DeleteRecordsResponse),
  InitProducerId: api(InitProducerIdRequest, InitProducerIdResponse),
  OffsetForLeaderEpoch: api(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse),
  DescribeConfigs: api(DescribeConfigsRequest, DescribeConfigsResponse),
  AlterConfigs: api(AlterConfigsRequest, AlterConfigsResponse),
  CreatePartitions: api(CreatePartitionsRequest, CreatePartitionsResponse),
  IncrementalAlterConfigs: api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse),
  DescribeCluster: api(DescribeClusterRequest, DescribeClusterResponse),
  DescribeTopicPartitions: api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse),
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
