/**
 * OffsetFetch (9), v1-10; one group until v7, many since v8; topics by id since v10.
 *
 * Null topics (v2) ask for all that the group committed. Nothing committed is offset -1, also where group or topic do not
 * exist; an unknown topic id is UNKNOWN_TOPIC_ID. With `requireStable` (v7) a partition whose offset is part of a
 * transaction that has not ended is UNSTABLE_OFFSET_COMMIT. Members of consumer groups may name themselves (v9). Leadership
 * is confirmed before an answer: a stale one would send a consumer back.
 */
import type { FoundOffset } from '../../coordinator/group/offsets/offsets.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { OffsetFetchRequest } from '../../protocol/messages/offset-fetch.ts';
import type { Call, Handler } from '../handler.ts';
import { findTopic } from '../partitions.ts';

interface RequestedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitionIndexes: readonly number[];
}

interface RequestedGroup {
  readonly groupId: string;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly topics: readonly RequestedTopic[] | null;
}

interface Answer {
  readonly groupId: string;
  readonly errorCode: number;
  readonly topics: readonly AnsweredTopic[];
}

interface AnsweredTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly ReturnType<typeof partitionOf>[];
}

export const offsetFetch: Handler<'OffsetFetch'> = {
  async handle(request, call) {
    const groups = await Promise.all(requestedGroups(request, call).map((group) => answer(group, request, call)));
    return respond(groups, call);
  },
  refuse: (request, error, call) =>
    respond(
      requestedGroups(request, call).map((group) => refused(group, error, call)),
      call,
    ),
};

const requestedGroups = ({ groupId, topics, groups }: OffsetFetchRequest, call: Call): readonly RequestedGroup[] => {
  if (call.apiVersion >= 8) return groups;
  const named = topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  return [{ groupId, memberId: null, memberEpoch: -1, topics: named }];
};

function respond(groups: readonly Answer[], { apiVersion }: Call) {
  if (apiVersion >= 8) return { groups };
  const { topics, errorCode } = groups[0]!;
  return { topics, errorCode };
}

async function answer(group: RequestedGroup, { requireStable }: OffsetFetchRequest, call: Call): Promise<Answer> {
  try {
    await call.broker.coordinators.offsets.learnTopics(group.groupId);
    const topics = group.topics ? await fetchNamed(group, group.topics, call) : await fetchAll(group, call);
    return {
      groupId: group.groupId,
      errorCode: 0,
      topics: topics.map(({ found, ...topic }) => ({
        ...topic,
        partitions: found.map((each) => partitionOf(each, requireStable, call)),
      })),
    };
  } catch (cause) {
    const error = toKafkaError(cause);
    if (error === null) throw cause;
    return refused(group, error, call);
  }
}

type Found = FoundOffset | { readonly partition: number; readonly error: KafkaError };

interface FoundTopic {
  readonly name: string;
  readonly topicId: string;
  readonly found: readonly Found[];
}

async function fetchNamed(
  group: RequestedGroup,
  requested: readonly RequestedTopic[],
  call: Call,
): Promise<FoundTopic[]> {
  const topics = requested.map((topic) => ({ ...topic, known: findTopic(call.broker, topic, call.apiVersion >= 10) }));
  const places = topics.flatMap(({ known, partitionIndexes }) =>
    known instanceof KafkaError ? [] : partitionIndexes.map((partition) => ({ topicId: known.topicId, partition })),
  );
  const found = (await call.broker.coordinators.offsets.fetch({ ...group, places })).values();
  return topics.map(({ name, topicId, partitionIndexes, known }) => ({
    name,
    topicId,
    found: partitionIndexes.map((partition): Found => {
      if (!(known instanceof KafkaError)) return found.next().value!;
      if (call.apiVersion >= 10) return { partition, error: known };
      return { topicId: ZERO_UUID, partition, committed: null, unstable: false };
    }),
  }));
}

/** Offsets of topics that are deleted are not committed any more. */
async function fetchAll(group: RequestedGroup, call: Call): Promise<FoundTopic[]> {
  const all = await call.broker.coordinators.offsets.fetch({ ...group, places: null });
  const byTopic = Map.groupBy(all, ({ topicId }) => topicId);
  return [...byTopic].flatMap(([topicId, found]) => {
    const name = call.broker.topics.byId(topicId)?.name;
    return name === undefined ? [] : [{ name, topicId, found }];
  });
}

function partitionOf(found: Found, requireStable: boolean, call: Call) {
  if ('error' in found) return { ...nothing(found.partition), errorCode: call.code(found.error.error) };
  const { partition, committed, unstable } = found;
  if (requireStable && unstable) return { ...nothing(partition), errorCode: call.code('UNSTABLE_OFFSET_COMMIT') };
  if (committed === null) return nothing(partition);
  const { offset, leaderEpoch, metadata } = committed;
  return { index: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata, errorCode: 0 };
}

const nothing = (index: number) => ({
  index,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode: 0,
});

/**
 * v1 has no error of the whole response: there each partition carries it. Consumers before 3.9 take
 * COORDINATOR_NOT_AVAILABLE as fatal here; after NOT_COORDINATOR all of them look and ask again.
 */
function refused({ groupId, topics }: RequestedGroup, { error }: KafkaError, call: Call): Answer {
  const errorCode = call.code(error === 'COORDINATOR_NOT_AVAILABLE' ? 'NOT_COORDINATOR' : error);
  const perPartition = (topic: RequestedTopic) => ({
    ...topic,
    partitions: topic.partitionIndexes.map((index) => ({ ...nothing(index), errorCode })),
  });
  return { groupId, errorCode, topics: call.apiVersion < 2 ? (topics ?? []).map(perPartition) : [] };
}
