/** All routes of the HTTP door as one Hono application, without a socket. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { HttpContext, HttpEnv } from './context.ts';
import { Api } from './endpoint.ts';
import { doorOf } from './group-coordinator.ts';
import { brokerRoutes } from './routes/broker.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { groupOffsetRoutes } from './routes/group-offsets.ts';
import { groupRoutes } from './routes/groups.ts';
import { openApiRoute } from './routes/openapi.ts';
import { partitionRoutes } from './routes/partitions.ts';
import { producerRoutes } from './routes/producers.ts';
import { recordRoutes } from './routes/records.ts';
import { topicRoutes } from './routes/topics.ts';

/**
 * The application. Answers `Request`s, from a socket (`listenHttp`) or from a test:
 *
 *     const answer = await app(context).request('/v1/topics/orders');
 */
export function app(context: HttpContext): OpenAPIHono<HttpEnv> {
  const api = new Api(context);
  topicRoutes(api);
  partitionRoutes(api);
  recordRoutes(api);
  producerRoutes(api);
  groupRoutes(api);
  groupOffsetRoutes(api);
  clusterRoutes(api);
  brokerRoutes(api);
  openApiRoute(api);
  context.coordinators.groupRequests.answerAt(doorOf((...asked) => api.hono.request(...asked)));
  return api.hono;
}
