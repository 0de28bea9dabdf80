/** `/v1/topics`: create, list, describe, alter, delete. */
import { z } from '@hono/zod-openapi';
import { effective, isTopicConfig, type Overrides, TOPIC_CONFIGS } from '../../cluster/topic-config.ts';
import type { ConfigAlteration, Topic } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import { partitionDescriptions } from '../describe-partition.ts';
import type { Api } from '../endpoint.ts';
import { findTopic } from '../find-topic.ts';
import { replyJson, replyNothing } from '../reply.ts';
import { AlterTopicBody, NewTopicBody, TopicDescription, TopicParams, TopicsPage, TopicsQuery } from '../schemas.ts';

const TAG = 'topics';
const TOPIC = '/v1/topics/{topic}';
const described = { 'application/json': { schema: TopicDescription } };
const location = z.object({ Location: z.string().openapi({ description: 'Path of the topic.' }) });
const UNKNOWN = 'No such topic.';
const UNAVAILABLE = 'The change could not be made durable.';

export function topicRoutes(api: Api): void {
  const { context } = api;
  const { topics } = context;

  api.add(
    {
      method: 'post',
      path: '/v1/topics',
      operationId: 'createTopic',
      tag: TAG,
      summary: 'Create a topic',
      body: NewTopicBody,
      answers: { 201: { description: 'The topic exists and takes records.', headers: location, content: described } },
      problems: { 409: 'A topic of that name exists.', 503: UNAVAILABLE },
    },
    async ({ body }) => {
      const topic = await topics.create({
        name: body.name,
        config: configText(body.config ?? {}),
        ...(body.partitions !== undefined && { partitions: body.partitions }),
        ...(body.replication_factor !== undefined && { replicationFactor: body.replication_factor }),
      });
      return replyJson(201, await describe(context, topic), { Location: `/v1/topics/${topic.name}` });
    },
  );

  api.add(
    {
      method: 'get',
      path: '/v1/topics',
      operationId: 'listTopics',
      tag: TAG,
      summary: 'List topics in order of their names, a page at a time',
      query: TopicsQuery,
      answers: { 200: { description: 'One page.', content: { 'application/json': { schema: TopicsPage } } } },
      problems: {},
    },
    ({ query: { prefix, cursor, limit } }) => {
      const after = cursor === undefined ? '' : Buffer.from(cursor, 'base64url').toString();
      const found = topics.list(prefix, after, limit + 1);
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return replyJson(200, {
        topics: page.map(summary),
        next_cursor: last === undefined ? null : Buffer.from(last.name).toString('base64url'),
      });
    },
  );

  api.add(
    {
      method: 'get',
      path: TOPIC,
      operationId: 'describeTopic',
      tag: TAG,
      summary: 'Describe a topic',
      params: TopicParams,
      answers: { 200: { description: 'The topic.', content: described } },
      problems: { 404: UNKNOWN },
    },
    async ({ params }) => replyJson(200, await describe(context, findTopic(context, params.topic))),
  );

  api.add(
    {
      method: 'patch',
      path: TOPIC,
      operationId: 'alterTopic',
      tag: TAG,
      summary: 'Change the configuration of a topic',
      params: TopicParams,
      body: AlterTopicBody,
      answers: { 200: { description: 'The topic as it is now.', content: described } },
      problems: { 404: UNKNOWN, 503: UNAVAILABLE },
    },
    async ({ params, body }) => {
      const { name } = findTopic(context, params.topic);
      const topic = await topics.alterConfig(name, alterations(body.config));
      return replyJson(200, await describe(context, topic));
    },
  );

  api.add(
    {
      method: 'delete',
      path: TOPIC,
      operationId: 'deleteTopic',
      tag: TAG,
      summary: 'Delete a topic and its records',
      params: TopicParams,
      answers: { 204: { description: 'The topic is gone and its name is free.' } },
      problems: { 404: UNKNOWN, 503: UNAVAILABLE },
    },
    async ({ params }) => {
      await topics.delete(findTopic(context, params.topic).name);
      return replyNothing();
    },
  );
}

type ConfigValue = string | number | boolean;

const configText = (config: Readonly<Record<string, ConfigValue>>): Overrides =>
  Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]));

const alterations = (config: Readonly<Record<string, ConfigValue | null>>): readonly ConfigAlteration[] =>
  Object.entries(config).map(([name, value]) => {
    if (!isTopicConfig(name)) throw new KafkaError('INVALID_CONFIG', `Unknown topic config name: ${name}`);
    return value === null ? { operation: 'DELETE', name } : { operation: 'SET', name, value: String(value) };
  });

const summary = ({ name, topicId, partitions }: Topic) => ({ name, topic_id: topicId, partitions: partitions.length });

export async function describe(context: HttpContext, topic: Topic) {
  const { overrides } = topic;
  const config: Record<string, string> = {};
  for (const name of Object.keys(TOPIC_CONFIGS).filter(isTopicConfig)) {
    config[name] = effective(name, overrides, context.topics.defaults);
  }
  return {
    ...summary(topic),
    replication_factor: topic.replicationFactor,
    created_at: topic.createdAt,
    config,
    overrides,
    partition_details: await partitionDescriptions(context, topic),
  };
}
