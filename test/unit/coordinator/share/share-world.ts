/** Share consumers at a broker without sockets: they join, fetch, acknowledge and leave by requests of the protocol. */

import type { AcquiredRange } from '../../../../src/coordinator/share/acquire.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { iterateBatches } from '../../../../src/record/batch.ts';
import { buildBatch, decodeBatch } from '../../../../src/record/records.ts';
import type { CoordinatorWorld } from '../world.ts';

export const errorName = (code: number): string =>
  code === 0 ? 'NONE' : Object.entries(ERRORS).find(([, error]) => error.code === code)![0];

export interface Acknowledgements {
  readonly partition?: number;
  readonly first: number;
  readonly last: number;
  readonly types: readonly number[];
}

export interface FetchWish {
  readonly maxRecords?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly mode?: number;
  readonly batchSize?: number;
  readonly acknowledge?: readonly Acknowledgements[];
  readonly renews?: boolean;
  readonly epoch?: number;
}

/** One partition of an answer; `values` of the acquired records alone. */
export interface Fetched {
  readonly partition: number;
  readonly error: string;
  readonly acknowledged: string;
  readonly ranges: readonly AcquiredRange[];
  readonly values: readonly string[];
}

/** Sets a group to begin with the earliest record. */
export async function fromTheStart(world: CoordinatorWorld, groupId: string, more: Record<string, string> = {}) {
  const values = { 'share.auto.offset.reset': 'earliest', ...more };
  await world.core.configs.groups.alter(groupId, () =>
    Object.entries(values).map(([name, value]) => ({ operation: 'SET' as const, name, value })),
  );
}

export async function createTopic(world: CoordinatorWorld, name: string, partitions = 1): Promise<string> {
  return (await world.core.topics.create({ name, partitions, config: {} })).topicId;
}

/** One batch per list. */
export async function produce(
  world: CoordinatorWorld,
  topicId: string,
  partition: number,
  ...batches: readonly (readonly string[])[]
): Promise<void> {
  for (const values of batches) {
    const records = buildBatch(
      values.map((value) => ({ key: null, value })),
      { timestamp: world.broker.runtime.clock.now() },
    );
    const [outcome] = await world.core.log.produce([{ topicId, partition, records }], { origin: 'kafka' });
    if (outcome!.error !== 'NONE') throw new Error(outcome!.error);
  }
}

/** `count` values `<prefix><n>`. */
export const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

export class ShareConsumer {
  readonly #world: CoordinatorWorld;
  readonly groupId: string;
  readonly memberId: string;
  memberEpoch = 0;
  sessionEpoch = 0;
  assigned: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] = [];
  /** Error of the last request as a whole. */
  error = 'NONE';

  constructor(world: CoordinatorWorld, groupId: string, memberId: string) {
    this.#world = world;
    this.groupId = groupId;
    this.memberId = memberId;
  }

  async heartbeat(topics: readonly string[] | null = null, memberEpoch = this.memberEpoch): Promise<string> {
    const { groupId, memberId } = this;
    const beat = { groupId, memberId, memberEpoch, subscribedTopicNames: topics };
    const answer = await this.#world.ask('ShareGroupHeartbeat', 1, beat);
    if (answer.errorCode !== 0) return errorName(answer.errorCode);
    this.memberEpoch = answer.memberEpoch;
    if (answer.assignment) this.assigned = answer.assignment.topicPartitions;
    return 'NONE';
  }

  leave(): Promise<string> {
    return this.heartbeat(null, -1);
  }

  async fetch(wish: FetchWish = {}): Promise<Fetched[]> {
    const renews = wish.renews ?? false;
    const answer = await this.#world.ask('ShareFetch', 2, {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: wish.epoch ?? this.sessionEpoch,
      maxWaitMs: renews ? 0 : (wish.maxWaitMs ?? 0),
      minBytes: renews ? 0 : (wish.minBytes ?? 1),
      maxBytes: renews ? 0 : 1_000_000,
      maxRecords: renews ? 0 : (wish.maxRecords ?? 500),
      batchSize: wish.batchSize ?? 500,
      shareAcquireMode: wish.mode ?? 0,
      isRenewAck: renews,
      topics: this.#topics(wish.acknowledge ?? [], true),
      forgottenTopics: [],
    });
    this.error = errorName(answer.errorCode);
    if (this.error !== 'NONE') return [];
    this.sessionEpoch += 1;
    const found: Fetched[] = [];
    for (const { partitions } of answer.topics) {
      for (const { index, errorCode, acknowledgeErrorCode, records, acquiredRecords } of partitions) {
        const ranges = acquiredRecords.map(({ firstOffset, lastOffset, deliveryCount }) => ({
          first: firstOffset,
          last: lastOffset,
          deliveryCount,
        }));
        const values = await acquiredValues(records ?? Buffer.alloc(0), ranges);
        found.push({
          partition: index,
          error: errorName(errorCode),
          acknowledged: errorName(acknowledgeErrorCode),
          ranges,
          values,
        });
      }
    }
    return found;
  }

  /** Errors by partition, or the error of the request. */
  async acknowledge(...acknowledge: readonly Acknowledgements[]): Promise<string[]> {
    return this.#acknowledge(acknowledge, this.sessionEpoch, false);
  }

  async renew(...acknowledge: readonly Acknowledgements[]): Promise<string[]> {
    return this.#acknowledge(acknowledge, this.sessionEpoch, true);
  }

  /** Ends the session. */
  async close(...acknowledge: readonly Acknowledgements[]): Promise<string[]> {
    const errors = await this.#acknowledge(acknowledge, -1, false);
    this.sessionEpoch = 0;
    return errors;
  }

  async #acknowledge(acknowledge: readonly Acknowledgements[], epoch: number, renews: boolean): Promise<string[]> {
    const answer = await this.#world.ask('ShareAcknowledge', 2, {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: epoch,
      isRenewAck: renews,
      topics: this.#topics(acknowledge, false),
    });
    this.error = errorName(answer.errorCode);
    if (answer.errorCode !== 0) return [this.error];
    this.sessionEpoch += 1;
    return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorName(errorCode)));
  }

  #topics(acknowledge: readonly Acknowledgements[], all: boolean) {
    return this.assigned.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions
        .map((index) => ({
          index,
          acknowledgementBatches: acknowledge
            .filter(({ partition = 0 }) => partition === index)
            .map(({ first, last, types }) => ({ firstOffset: first, lastOffset: last, acknowledgeTypes: types })),
        }))
        .filter(({ acknowledgementBatches }) => all || acknowledgementBatches.length > 0),
    }));
  }
}

export async function acquiredValues(bytes: Buffer, ranges: readonly AcquiredRange[]): Promise<string[]> {
  const values: string[] = [];
  for (const { position, header } of iterateBatches(bytes)) {
    if ((header.attributes & 0x20) !== 0) continue;
    const batch = bytes.subarray(position, position + header.length);
    for (const { offset, value } of await decodeBatch(batch, { decompressedBytesMax: 1 << 24 })) {
      if (ranges.some(({ first, last }) => first <= offset && offset <= last)) values.push(String(value));
    }
  }
  return values;
}
