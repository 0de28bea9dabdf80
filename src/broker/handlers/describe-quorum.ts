/**
 * DescribeQuorum (55), v0-2. There is no quorum: the metadata store decides. The first journal stands for Kafka's metadata
 * log: its epoch is the leader epoch, its entries the offsets, and all live brokers are voters, since each may lead it. They
 * keep no copies that could lag. Other partitions are UNKNOWN_TOPIC_OR_PARTITION; while nobody is known to lead that
 * journal, NOT_LEADER_OR_FOLLOWER.
 */
import { KafkaError, toKafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { DescribeQuorumResponse } from '../../protocol/messages/describe-quorum.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

const METADATA_LOG = '__cluster_metadata';

type PartitionResponse = DescribeQuorumResponse['topics'][number]['partitions'][number];

export const describeQuorum: Handler<'DescribeQuorum'> = {
  async handle(request, call) {
    const nodes = call.broker.members.live().map((member) => call.view.nodeOf(member));
    return {
      errorCode: 0,
      topics: await Promise.all(
        request.topics.map(async ({ name, partitions }) => ({
          name,
          partitions: await Promise.all(partitions.map(({ index }) => describe(name, index, call))),
        })),
      ),
      nodes: nodes.map(({ nodeId, host, port }) => ({ nodeId, listeners: [{ name: 'CONTROLLER', host, port }] })),
    };
  },
  refuse: (request, error, call) => ({
    ...itemError(call, error),
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => unknown(index, error, call)),
    })),
  }),
};

async function describe(name: string, index: number, call: Call): Promise<PartitionResponse> {
  const { members, report, runtime } = call.broker;
  try {
    if (name !== METADATA_LOG || index !== 0) {
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `only partition 0 of ${METADATA_LOG} has a quorum`);
    }
    const quorum = await report.quorum();
    const now = runtime.clock.now();
    const currentVoters = members.live().map(({ brokerId }) => ({
      replicaId: brokerId,
      replicaDirectoryId: ZERO_UUID,
      logEndOffset: quorum.highWatermark,
      lastFetchTimestamp: now,
      lastCaughtUpTimestamp: now,
    }));
    return { index, errorCode: 0, ...quorum, currentVoters, observers: [] };
  } catch (cause) {
    const error = toKafkaError(cause);
    if (error === null) throw cause;
    return unknown(index, error, call);
  }
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
