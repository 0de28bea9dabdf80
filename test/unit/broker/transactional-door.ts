/** A broker whose transactions work, behind its router: what a transactional producer sends, at any version. */
import { ERRORS, type ErrorName } from '../../../src/errors.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../coordinator/world.ts';

export const ID = 'tx';
export const TOPIC = 'orders';
export const GROUP = 'g';

export interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface TransactionalDoor extends CoordinatorWorld {
  readonly topicId: string;
  init(version?: number, more?: object): Promise<Producer & { readonly errorCode: number }>;
  /** The code of each partition, or of the request. */
  addPartitions(version: number, producer: Producer, partitions?: readonly number[], name?: string): Promise<number[]>;
  produce(version: number, producer: Producer, baseSequence: number, partition?: number): Promise<number>;
  end(version: number, producer: Producer, committed?: boolean): Promise<Producer & { readonly errorCode: number }>;
}

export async function transactionalDoor(given: Record<string, string> = {}): Promise<TransactionalDoor> {
  const world = await openCoordinatorWorld(systemRuntime(silentLogger), given);
  const { topicId } = await world.core.topics.create({ name: TOPIC, partitions: 4, config: {} });
  const { ask } = world;
  return Object.assign(Object.create(world) as CoordinatorWorld, {
    topicId,
    init: (version = 5, more: object = {}) =>
      ask('InitProducerId', version, { transactionalId: ID, transactionTimeoutMs: 60_000, ...more }),
    async addPartitions(version: number, producer: Producer, partitions: readonly number[] = [0], name = TOPIC) {
      const asked = { transactionalId: ID, ...producer, topics: [{ name, partitions }] };
      const body = version < 4 ? asked : { transactions: [{ ...asked, verifyOnly: false }] };
      const answer = await ask('AddPartitionsToTxn', version, body);
      const topics = version < 4 ? answer.topics : answer.transactions[0]!.topics;
      return topics.flatMap(({ partitions: found }) => found.map(({ errorCode }) => errorCode));
    },
    async produce(version: number, { producerId, producerEpoch }: Producer, baseSequence: number, partition = 0) {
      const identity = { producerId, producerEpoch, baseSequence };
      const records = buildBatch([{ key: null, value: 'v' }], { timestamp: 1, ...identity, transactional: true });
      const topics = [{ name: TOPIC, topicId, partitions: [{ index: partition, records }] }];
      const body = { transactionalId: ID, acks: -1, timeoutMs: 1_000, topics };
      return (await ask('Produce', version, body)).topics[0]!.partitions[0]!.errorCode;
    },
    end: (version: number, { producerId, producerEpoch }: Producer, committed = true) =>
      ask('EndTxn', version, { transactionalId: ID, producerId, producerEpoch, committed }),
  });
}

export const codeOf = (error: ErrorName): number => ERRORS[error].code;
