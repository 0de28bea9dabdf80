/**
 * DescribeTopicPartitions (75), v0: partitions of topics in pages (KIP-966).
 *
 * Topics come in order of their names, all of them when none is named. A page ends after `responsePartitionLimit`
 * partitions, 2,000 at most, and `nextCursor` is the first partition of the next one. A topic that has gone since the page
 * before is left out; one that is named and missing is UNKNOWN_TOPIC_OR_PARTITION. Topics are never created here.
 */
import { topicNameProblem } from '../../cluster/topic-name.ts';
import type { Topic } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../protocol/messages/describe-topic-partitions.ts';
import type { ClientView } from '../client-view.ts';
import type { Call, Handler } from '../handler.ts';
import { describePartitions } from '../partitions.ts';

const PARTITIONS_PER_PAGE_MAX = 2_000;
/** Topics are looked up in the image this many at a time. */
const TOPICS_PER_LOOK = 500;

type TopicResponse = DescribeTopicPartitionsResponse['topics'][number];
type Cursor = NonNullable<DescribeTopicPartitionsRequest['cursor']>;

export const describeTopicPartitions: Handler<'DescribeTopicPartitions'> = {
  handle(request, call) {
    const { cursor, responsePartitionLimit } = request;
    if (cursor !== null && cursor.partitionIndex < 0) {
      throw new KafkaError('INVALID_REQUEST', `the cursor has partition ${cursor.partitionIndex}`);
    }
    let left = Math.min(Math.max(responsePartitionLimit, 1), PARTITIONS_PER_PAGE_MAX);
    const { view } = call;
    const topics: TopicResponse[] = [];
    for (const found of topicsFrom(request, call)) {
      if (typeof found === 'string') {
        topics.push(missing(found, call));
        continue;
      }
      if (left === 0) return { topics, nextCursor: { topicName: found.name, partitionIndex: 0 } };
      const start = found.name === cursor?.topicName ? cursor.partitionIndex : 0;
      const page = found.partitions.slice(start, start + left);
      left -= page.length;
      topics.push(describe(found, page, view, call));
      const end = start + page.length;
      if (end < found.partitions.length) {
        return { topics, nextCursor: { topicName: found.name, partitionIndex: end } };
      }
    }
    return { topics, nextCursor: null };
  },
  refuse: ({ topics }, error, call) => ({
    topics: topics.map(({ name }) => refused(name, error.error, call)),
    nextCursor: null,
  }),
};

/** Topics from the cursor on, and names that are no topics. */
function* topicsFrom({ topics, cursor }: DescribeTopicPartitionsRequest, { broker }: Call): Generator<Topic | string> {
  if (topics.length === 0) {
    yield* allTopicsFrom(cursor, broker.topics);
    return;
  }
  const names = [...new Set(topics.map(({ name }) => name))].sort();
  for (const name of names) {
    if (cursor !== null && name < cursor.topicName) continue;
    const topic = broker.topics.byName(name);
    if (topic !== undefined || name !== cursor?.topicName) yield topic ?? name;
  }
}

function* allTopicsFrom(cursor: Cursor | null, topics: Call['broker']['topics']): Generator<Topic> {
  const first = cursor === null ? undefined : topics.byName(cursor.topicName);
  if (first !== undefined) yield first;
  let after = cursor?.topicName ?? '';
  for (;;) {
    const some = topics.list('', after, TOPICS_PER_LOOK);
    yield* some;
    if (some.length < TOPICS_PER_LOOK) return;
    after = some.at(-1)!.name;
  }
}

function describe(topic: Topic, partitions: Topic['partitions'], view: ClientView, call: Call): TopicResponse {
  const { name, topicId } = topic;
  return {
    errorCode: 0,
    name,
    topicId,
    isInternal: false,
    // Java reads the lists of eligible replicas without looking for null.
    partitions: describePartitions(call, view, topic, partitions).map((partition) => ({
      ...partition,
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
  };
}

const missing = (name: string, call: Call): TopicResponse =>
  refused(name, topicNameProblem(name) === null ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION', call);

const refused = (name: string, error: KafkaError['error'], call: Call): TopicResponse => ({
  errorCode: call.code(error),
  name,
  topicId: ZERO_UUID,
  partitions: [],
});
