/** What operators and their machines ask of one broker: is it alive, does it serve, what does it count. */
import { z } from '@hono/zod-openapi';
import type { Api } from '../endpoint.ts';
import { HttpError } from '../problem.ts';
import { replyJson, replyWith } from '../reply.ts';
import { Status } from '../schemas.ts';

const TAG = 'broker';
const status = { 'application/json': { schema: Status } };

export function brokerRoutes(api: Api): void {
  const { context } = api;

  api.add(
    {
      method: 'get',
      path: '/healthz',
      operationId: 'health',
      tag: TAG,
      summary: 'Whether the process lives',
      answers: { 200: { description: 'It does.', content: status } },
      problems: {},
    },
    () => replyJson(200, { status: 'ok' }),
  );

  api.add(
    {
      method: 'get',
      path: '/readyz',
      operationId: 'readiness',
      tag: TAG,
      summary: 'Whether the broker serves',
      answers: { 200: { description: 'It does.', content: status } },
      problems: { 503: 'It does not now; `detail` says why.' },
    },
    () => {
      const readiness = context.readiness();
      if (!readiness.ready) throw new HttpError('LEADER_NOT_AVAILABLE', readiness.reason);
      return replyJson(200, { status: 'ready' });
    },
  );

  api.add(
    {
      method: 'get',
      path: '/metrics',
      operationId: 'metrics',
      tag: TAG,
      summary: 'Metrics of the broker',
      answers: { 200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } } },
      problems: {},
    },
    async () => replyWith(200, 'text/plain; version=0.0.4; charset=utf-8', await context.runtime.metrics.expose()),
  );
}
