/**
 * DeleteTopics (20), v1-6; by name, or by id since v6.
 *
 * The name is free again when it is answered. A topic that is named twice, by both its name and its id, or by neither, is
 * refused with INVALID_REQUEST.
 *
 * Unlike Kafka: `timeoutMs` is not looked at.
 */
import { KafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/messages/delete-topics.ts';
import type { Call, Handler } from '../handler.ts';
import { changeEach, checkItemCount, itemError, namedTwice, unknownTopic } from '../item-errors.ts';

type RequestedTopic = DeleteTopicsRequest['topics'][number];
type TopicResponse = DeleteTopicsResponse['topics'][number];

export const deleteTopics: Handler<'DeleteTopics'> = {
  turn: 'alone',
  async handle(request, call) {
    const requested = requestedTopics(request, call);
    checkItemCount('topics', requested.length);
    const names = requested.map((topic) => call.broker.topics.byId(topic.topicId)?.name ?? topic.name ?? topic.topicId);
    const twice = namedTwice(names);
    const items = requested.map((topic, index) => ({ topic, twice: twice.has(names[index]!) }));
    return { topics: await changeEach(items, (item) => remove(item.topic, item.twice, call)) };
  },
  refuse: (request, error, call) => ({
    topics: requestedTopics(request, call).map((topic) => ({ ...shown(topic, call), ...itemError(call, error) })),
  }),
};

const requestedTopics = (
  { topics, topicNames }: DeleteTopicsRequest,
  { apiVersion }: Call,
): readonly RequestedTopic[] => (apiVersion >= 6 ? topics : topicNames.map((name) => ({ name, topicId: ZERO_UUID })));

/** THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const QUOTA_ANSWERED_SINCE = 5;

async function remove(requested: RequestedTopic, twice: boolean, call: Call): Promise<TopicResponse> {
  const { topics } = call.broker;
  const byId = requested.topicId !== ZERO_UUID;
  try {
    if (byId === (requested.name !== null)) {
      throw new KafkaError('INVALID_REQUEST', 'a topic is named either by its name or by its id');
    }
    if (twice) throw new KafkaError('INVALID_REQUEST', 'the topic is named more than once');
    const topic = byId ? topics.byId(requested.topicId) : topics.byName(requested.name!);
    if (topic === undefined) {
      throw byId
        ? new KafkaError('UNKNOWN_TOPIC_ID', `there is no topic with id ${requested.topicId}`)
        : unknownTopic(requested.name!);
    }
    call.countMutations(topic.partitions.length, QUOTA_ANSWERED_SINCE);
    await topics.delete(topic.name, { topicId: topic.topicId });
    return { name: topic.name, topicId: topic.topicId, errorCode: 0, errorMessage: null };
  } catch (cause) {
    return { ...shown(requested, call), ...itemError(call, cause) };
  }
}

const shown = ({ name, topicId }: RequestedTopic, { apiVersion }: Call) => ({
  name: name ?? (apiVersion >= 6 ? null : ''),
  topicId,
});
