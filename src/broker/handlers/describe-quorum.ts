/**
 * DescribeQuorum (55), v0-2. There is no quorum: the metadata store decides. The first journal stands for Kafka's metadata
 * log: its leader is the one voter, its epoch the leader epoch, its entries the offsets. Other partitions are
 * UNKNOWN_TOPIC_OR_PARTITION; while this broker does not lead that journal, NOT_LEADER_OR_FOLLOWER.
 */
import { KafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/messages/describe-quorum.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

const METADATA_LOG = '__cluster_metadata';

type PartitionResponse = DescribeQuorumResponse['topics'][number]['partitions'][number];

export const describeQuorum: Handler<'DescribeQuorum'> = {
  handle(request, call) {
    const { brokerId } = call.broker;
    const { host, port } = call.advertised;
    return {
      errorCode: 0,
      topics: topicsOf(request, (name, index) => describe(name, index, call)),
      nodes: [{ nodeId: brokerId, listeners: [{ name: 'CONTROLLER', host, port }] }],
    };
  },
  refuse: (request, error, call) => ({
    ...itemError(call, error),
    topics: topicsOf(request, (_name, index) => unknown(index, error, call)),
  }),
};

const topicsOf = ({ topics }: DescribeQuorumRequest, answer: (name: string, index: number) => PartitionResponse) =>
  topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ index }) => answer(name, index)) }));

function describe(name: string, index: number, call: Call): PartitionResponse {
  const { brokerId, report, runtime } = call.broker;
  if (name !== METADATA_LOG || index !== 0) {
    const message = `only partition 0 of ${METADATA_LOG} has a quorum`;
    return unknown(index, new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message), call);
  }
  const quorum = report.quorum();
  if (quorum === null) {
    return unknown(
      index,
      new KafkaError('NOT_LEADER_OR_FOLLOWER', 'this broker does not lead the first journal'),
      call,
    );
  }
  const now = runtime.clock.now();
  const voter = {
    replicaId: brokerId,
    replicaDirectoryId: ZERO_UUID,
    logEndOffset: quorum.highWatermark,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now,
  };
  return { index, errorCode: 0, leaderId: brokerId, ...quorum, currentVoters: [voter], observers: [] };
}

const unknown = (index: number, error: KafkaError, call: Call): PartitionResponse => ({
  index,
  ...itemError(call, error),
  leaderId: -1,
  leaderEpoch: -1,
  highWatermark: -1,
  currentVoters: [],
  observers: [],
});
