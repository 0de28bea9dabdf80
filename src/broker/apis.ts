/** Every API that is served, once. What is not here is not advertised. */
import type { Api } from './api.ts';
import { alterConfigs } from './handlers/alter-configs.ts';
import { apiVersions } from './handlers/api-versions.ts';
import { createPartitions } from './handlers/create-partitions.ts';
import { createTopics } from './handlers/create-topics.ts';
import { deleteRecords } from './handlers/delete-records.ts';
import { deleteTopics } from './handlers/delete-topics.ts';
import { describeCluster } from './handlers/describe-cluster.ts';
import { describeConfigs } from './handlers/describe-configs.ts';
import { describeTopicPartitions } from './handlers/describe-topic-partitions.ts';
import { fetch } from './handlers/fetch.ts';
import { findCoordinator } from './handlers/find-coordinator.ts';
import { incrementalAlterConfigs } from './handlers/incremental-alter-configs.ts';
import { initProducerId } from './handlers/init-producer-id.ts';
import { listOffsets } from './handlers/list-offsets.ts';
import { metadata } from './handlers/metadata.ts';
import { offsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.ts';
import { produce } from './handlers/produce.ts';

const SERVED: readonly Api<any, any>[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  findCoordinator,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  alterConfigs,
  createPartitions,
  incrementalAlterConfigs,
  describeCluster,
  describeTopicPartitions,
];

export const APIS: readonly Api<any, any>[] = [...SERVED, apiVersions(SERVED)];
