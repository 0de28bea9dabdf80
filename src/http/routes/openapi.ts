import { z } from '@hono/zod-openapi';
import type { Api } from '../endpoint.ts';
import { replyWith } from '../reply.ts';

/** `/openapi.json`: every route added to `api`, this one too. */
export function openApiRoute(api: Api): void {
  let text: string | undefined;
  api.add(
    {
      method: 'get',
      path: '/openapi.json',
      operationId: 'openapi',
      tag: 'broker',
      summary: 'This document',
      answers: {
        200: {
          description: 'OpenAPI 3.1.',
          content: { 'application/json': { schema: z.record(z.string(), z.unknown()) } },
        },
      },
      problems: {},
    },
    () => {
      text ??= JSON.stringify(
        api.hono.getOpenAPI31Document({
          openapi: '3.1.0',
          info: {
            title: 'Millrace',
            version: api.context.version,
            description:
              'Records in, records out: the HTTP interface of a Millrace broker. Errors are problem+json with the name that ' +
              'Kafka has for them. Nothing may be cached.',
            license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
          },
          servers: [{ url: '/' }],
        }),
      );
      return replyWith(200, 'application/json', text);
    },
  );
}
