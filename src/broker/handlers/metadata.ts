/**
 * Metadata (3), v0-13.
 *
 * All topics (null, or an empty list in v0), some by name, or by id (v12; v10 and v11 are answered as well). A missing
 * name is created with the broker's defaults when `auto.create.topics.enable` and the request (v4) allow it, and is answered
 * when it exists: Kafka answers at once with an error that makes the client ask again. A name that cannot be a topic's is
 * INVALID_TOPIC_EXCEPTION, an unknown id UNKNOWN_TOPIC_ID. The rack of a broker is its zone.
 *
 * Any broker serves any partition: its leader is the one that this client shall use (`client-view.ts`), the leader epoch
 * that of its journal, and LEADER_NOT_AVAILABLE says that nobody leads that now. A topic has as many replicas and in-sync
 * replicas as it was created with, however few brokers there are: some are then named more than once. Whatever a client
 * asks of the controller any broker does.
 *
 * Unlike Kafka: authorized operations are not told, since there are no ACLs; no topic is internal.
 */

import { topicNameProblem } from '../../cluster/topic-name.ts';
import type { Topic } from '../../cluster/topics.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { MetadataRequest, MetadataResponse } from '../../protocol/messages/metadata.ts';
import type { ClientView } from '../client-view.ts';
import type { Call, Handler } from '../handler.ts';
import { changeEach, unknownTopic } from '../item-errors.ts';
import { describePartitions } from '../partitions.ts';

type RequestedTopic = NonNullable<MetadataRequest['topics']>[number];
type TopicResponse = MetadataResponse['topics'][number];

export const metadata: Handler<'Metadata'> = {
  handle(request, call) {
    const { topics } = call.broker;
    const all = request.topics === null || (call.apiVersion === 0 && request.topics.length === 0);
    if (all)
      return respond(call, (view) => topics.list('', '', topics.count).map((topic) => describe(call, view, topic)));
    const requested = request.topics!;
    const missing = mayCreate(request, call) ? missingNames(requested, call) : [];
    if (missing.length > 0) return createThenAnswer(requested, missing, call);
    return respond(call, (view) => requested.map((topic) => answer(call, view, topic, NO_FAILURES)));
  },
  refuse: (request, error, call) =>
    respond(call, () => (request.topics ?? []).map(({ name, topicId }) => failure(call, error, name, topicId))),
};

const NO_FAILURES: ReadonlyMap<string, KafkaError> = new Map();

const mayCreate = ({ allowAutoTopicCreation }: MetadataRequest, { broker }: Call) =>
  allowAutoTopicCreation && broker.config['auto.create.topics.enable'];

/** Java's admin client asks for an id with a name that is empty, not null. */
const isById = ({ name, topicId }: RequestedTopic): boolean => name === null || topicId !== ZERO_UUID;

function missingNames(requested: readonly RequestedTopic[], { broker }: Call): string[] {
  const names = new Set<string>();
  for (const topic of requested) {
    const { name } = topic;
    if (name === null || isById(topic)) continue;
    if (broker.topics.byName(name) === undefined && topicNameProblem(name) === null) names.add(name);
  }
  return [...names];
}

async function createThenAnswer(requested: readonly RequestedTopic[], missing: readonly string[], call: Call) {
  const failures = new Map<string, KafkaError>();
  await changeEach(missing, async (name) => {
    try {
      await call.broker.topics.create({ name, config: {} });
    } catch (cause) {
      const error = toKafkaError(cause);
      if (error === null) throw cause;
      // Another client was faster: the topic is there.
      if (error.error !== 'TOPIC_ALREADY_EXISTS') failures.set(name, error);
    }
  });
  return respond(call, (view) => requested.map((topic) => answer(call, view, topic, failures)));
}

function answer(
  call: Call,
  view: ClientView,
  requested: RequestedTopic,
  failures: ReadonlyMap<string, KafkaError>,
): TopicResponse {
  const { topics } = call.broker;
  const { name, topicId } = requested;
  if (name === null || isById(requested)) {
    const topic = topics.byId(topicId);
    if (topic !== undefined) return describe(call, view, topic);
    return failure(call, new KafkaError('UNKNOWN_TOPIC_ID', `there is no topic with id ${topicId}`), null, topicId);
  }
  const topic = topics.byName(name);
  if (topic !== undefined) return describe(call, view, topic);
  const problem = topicNameProblem(name);
  const error =
    problem === null ? (failures.get(name) ?? unknownTopic(name)) : new KafkaError('INVALID_TOPIC_EXCEPTION', problem);
  return failure(call, error, name, ZERO_UUID);
}

function describe(call: Call, view: ClientView, topic: Topic): TopicResponse {
  const { name, topicId } = topic;
  return { errorCode: 0, name, topicId, isInternal: false, partitions: describePartitions(call, view, topic) };
}

/** v10 and v11 cannot say null for a name. */
const failure = (call: Call, error: KafkaError, name: string | null, topicId: string): TopicResponse => ({
  errorCode: call.code(error.error),
  name: name ?? (call.apiVersion >= 12 ? null : ''),
  topicId,
  isInternal: false,
  partitions: [],
});

function respond(call: Call, topicsFor: (view: ClientView) => readonly TopicResponse[]): MetadataResponse {
  const { view } = call;
  const { clusterId } = call.broker;
  return { brokers: view.nodes, clusterId, controllerId: view.controllerId, topics: topicsFor(view) };
}
