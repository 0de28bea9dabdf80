/** `/v1/producers`: identities of idempotent producers. */
import type { Api } from '../endpoint.ts';
import { replyJson } from '../reply.ts';
import { Producer } from '../schemas.ts';

export function producerRoutes(api: Api): void {
  api.add(
    {
      method: 'post',
      path: '/v1/producers',
      operationId: 'createProducer',
      tag: 'producers',
      summary: 'Get a producer id that no other producer has',
      description:
        'Send it as Producer-Id and Producer-Epoch, and count the records sent to each partition in Producer-Seq: a ' +
        'request that is sent again is appended once. Kafka clients get theirs from InitProducerId.',
      answers: { 200: { description: 'A new id.', content: { 'application/json': { schema: Producer } } } },
      problems: { 503: 'No id could be reserved.' },
    },
    async () => replyJson(200, { producer_id: await api.context.log.allocateProducerId(), producer_epoch: 0 }),
  );
}
