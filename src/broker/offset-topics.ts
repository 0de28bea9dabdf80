/** What the APIs of committed offsets share: partitions by topic name or id, results in the shape of the request, who asks. */
import { KafkaError, toKafkaError } from '../errors.ts';
import type { Call } from './handler.ts';
import { findPartition, findTopic, type TopicReference } from './partitions.ts';

/** OffsetCommit and OffsetFetch name topics by id since then; the others never do. */
const BY_ID_SINCE = 10;

/** To be awaited, unless null, before names of topics are looked up: what is kept under the id of a name must find its topic. */
export const learnNames = ({ apiVersion, broker }: Call): Promise<void> | null =>
  apiVersion >= BY_ID_SINCE ? null : broker.coordinators.offsets.learnNames();

/** The topic id, or the error of this partition. */
export function topicIdOf(call: Call, topic: TopicReference, partition: number): string | KafkaError {
  const found = findTopic(call.broker, topic, call.apiVersion >= BY_ID_SINCE);
  if (found instanceof KafkaError) return found;
  const place = findPartition(found, partition);
  return place instanceof KafkaError ? place : place.topicId;
}

/** An offset to commit, or why it cannot be. */
export function offsetOf(
  call: Call,
  topic: TopicReference,
  { index, committedOffset, committedLeaderEpoch, committedMetadata }: RequestedOffset,
) {
  const topicId = topicIdOf(call, topic, index);
  if (topicId instanceof KafkaError) return topicId;
  return {
    topicId,
    partition: index,
    offset: committedOffset,
    leaderEpoch: committedLeaderEpoch,
    metadata: committedMetadata ?? '',
  };
}

interface RequestedOffset {
  readonly index: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
}

/**
 * Error codes for items of which some are refused already: `act` answers for the others, in order, or fails for all of
 * them.
 */
export async function codesOf<T>(
  call: Call,
  items: readonly (T | KafkaError)[],
  act: (accepted: readonly T[]) => Promise<readonly (KafkaError | null)[]>,
): Promise<number[]> {
  return codesWith(call, items, await actOrFail(acceptedOf(items), act));
}

export const acceptedOf = <T>(items: readonly (T | KafkaError)[]): T[] =>
  items.filter((item): item is T => !(item instanceof KafkaError));

/** `outcomes` are those of the accepted items, in order. */
export function codesWith<T>(
  call: Call,
  items: readonly (T | KafkaError)[],
  outcomes: readonly (KafkaError | null)[],
): number[] {
  let next = 0;
  return items.map((item) => {
    const error = item instanceof KafkaError ? item : (outcomes[next++] ?? null);
    return error === null ? 0 : call.code(error.error);
  });
}

async function actOrFail<T>(
  accepted: readonly T[],
  act: (accepted: readonly T[]) => Promise<readonly (KafkaError | null)[]>,
): Promise<readonly (KafkaError | null)[]> {
  try {
    return await act(accepted);
  } catch (cause) {
    const error = toKafkaError(cause);
    if (error === null) throw cause;
    return accepted.map(() => error);
  }
}

interface TopicPartitions {
  readonly partitions: readonly { readonly index: number }[];
}

/** The topics of a request with an error code per partition, in order. */
export function withCodes<T extends TopicPartitions>(topics: readonly T[], nextCode: () => number) {
  return topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map(({ index }) => ({ index, errorCode: nextCode() })),
  }));
}

/** `codes` one after the other. */
export function eachOf(codes: readonly number[]): () => number {
  let next = 0;
  return () => codes[next++]!;
}

/** Whose share of all groups a new group is: client id and address. */
export const clientOf = ({ clientId, clientHost }: Call): string => `${clientId ?? ''}${clientHost}`;
