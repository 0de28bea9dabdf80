/** Requests about groups that other brokers coordinate: they are passed on, and answered as that broker's door answers. */
import type { Context } from 'hono';
import type { DoorReply, DoorRequest } from '../coordinator/group-requests.ts';
import { readBody } from './body.ts';
import type { Holding } from './byte-budget.ts';
import type { HttpContext, HttpEnv } from './context.ts';
import type { Reply } from './reply.ts';

/** Whose share of all groups a new group is. */
export const clientOf = (c: Context<HttpEnv>): string =>
  c.env?.passedOnFor ?? `http/${c.env?.incoming?.socket.remoteAddress ?? ''}`;

/** Null: this broker is to answer. */
export async function replyOfCoordinator(
  { coordinators, config }: HttpContext,
  { method }: { readonly method: string },
  c: Context<HttpEnv>,
  holding: Holding,
): Promise<Reply | null> {
  const { groupRequests } = coordinators;
  const groupId = c.req.param('group') ?? '';
  if (!(await groupRequests.isElsewhere(groupId))) return null;
  const body = method === 'get' ? null : await readBody(c, config['http.body.bytes.max'], holding);
  const reply = await groupRequests.forward(groupId, requestOf(c, body), c.req.raw.signal);
  holding.take(reply.body.length);
  return replyOf(reply);
}

/** What is passed on of a request. */
export function requestOf(c: Context<HttpEnv>, body: Uint8Array | null): DoorRequest {
  const { pathname, search } = new URL(c.req.url);
  const contentType = c.req.raw.headers.get('content-type');
  const headers = contentType === null ? {} : { 'content-type': contentType };
  return { method: c.req.method, path: pathname + search, headers, body, client: clientOf(c) };
}

/** The routes, for requests that other brokers pass on. */
export const doorOf =
  (request: (path: string, init: RequestInit, env: HttpEnv['Bindings']) => Response | Promise<Response>) =>
  async ({ method, path, headers, body, client }: DoorRequest): Promise<DoorReply> => {
    const init = { method, headers: { ...headers }, ...(body !== null && { body: Buffer.from(body) }) };
    const response = await request(path, init, { passedOnFor: client });
    const answered = Object.fromEntries(response.headers);
    return { status: response.status, headers: answered, body: Buffer.from(await response.arrayBuffer()) };
  };

const replyOf = ({ status, headers, body }: DoorReply): Reply => ({
  status,
  headers,
  body: body.length === 0 ? null : (body as Uint8Array<ArrayBuffer>),
});
