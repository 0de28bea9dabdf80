/** `/v1/topics/{topic}/partitions`. */
import { partitionDescriptions } from '../describe-partition.ts';
import type { Api } from '../endpoint.ts';
import { findTopic } from '../find-topic.ts';
import { replyJson } from '../reply.ts';
import { GrowTopicBody, PartitionsPage, TopicParams } from '../schemas.ts';

const TAG = 'partitions';
const PARTITIONS = '/v1/topics/{topic}/partitions';
const partitions = { 'application/json': { schema: PartitionsPage } };

export function partitionRoutes(api: Api): void {
  const { context } = api;

  api.add(
    {
      method: 'get',
      path: PARTITIONS,
      operationId: 'listPartitions',
      tag: TAG,
      summary: 'Where the partitions of a topic begin and end',
      params: TopicParams,
      answers: { 200: { description: 'All partitions in order.', content: partitions } },
      problems: { 404: 'No such topic.' },
    },
    async ({ params }) =>
      replyJson(200, { partitions: await partitionDescriptions(context, findTopic(context, params.topic)) }),
  );

  api.add(
    {
      method: 'post',
      path: PARTITIONS,
      operationId: 'growTopic',
      tag: TAG,
      summary: 'Add partitions to a topic',
      description: 'Records with a key go to other partitions than before: their order is kept only within each.',
      params: TopicParams,
      body: GrowTopicBody,
      answers: { 200: { description: 'All partitions in order.', content: partitions } },
      problems: { 404: 'No such topic.', 503: 'The change could not be made durable.' },
    },
    async ({ params, body }) => {
      const { name } = findTopic(context, params.topic);
      const topic = await context.topics.createPartitions(name, body.count);
      return replyJson(200, { partitions: await partitionDescriptions(context, topic) });
    },
  );
}
