/**
 * One documented route: its schemas validate what comes in and describe it in `/openapi.json`. `serve` is the frame around
 * every handler: parse, call, answer; failures become problems, and each answer is counted.
 *
 * Hono's own validators are not used: they read bodies without a limit and cost more per request than a handler.
 */
import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { KafkaError } from '../errors.ts';
import type { Timers } from '../runtime/clock.ts';
import { firstIssue, hasMoreValues } from '../schema.ts';
import { bodyType, readBody } from './body.ts';
import { ByteBudget, Holding } from './byte-budget.ts';
import type { HttpContext, HttpEnv } from './context.ts';
import { replyOfCoordinator } from './group-coordinator.ts';
import { HttpMetrics } from './http-metrics.ts';
import { HttpError, problemReply, RETRY_AFTER } from './problem.ts';
import { bodyBytes, type Reply } from './reply.ts';
import { Problem } from './schemas.ts';

type Schema = z.ZodType;
type Shape = z.ZodObject;

export interface Endpoint<P extends Shape, Q extends Shape, H extends Shape, B extends Schema> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{names}`, as OpenAPI has it. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  /** The coordinator of the group that the path names answers, whichever broker is asked. */
  readonly atCoordinator?: boolean;
  readonly query?: Q;
  readonly headers?: H;
  /** A JSON body that is read and validated before the handler is called. */
  readonly body?: B;
  /** Documents a body that the handler reads itself, by media type. */
  readonly streamedBody?: Readonly<Record<string, Schema>>;
  readonly answers: RouteConfig['responses'];
  /** Statuses of problems besides 400, 429, 500 and 504, with the reason. */
  readonly problems: Readonly<Record<number, string>>;
}

export interface Asked<P extends Shape, Q extends Shape, H extends Shape, B extends Schema> {
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly headers: z.output<H>;
  readonly body: z.output<B>;
  readonly c: Context<HttpEnv>;
  /** What this request holds in memory. */
  readonly holding: Holding;
}

type Handler<P extends Shape, Q extends Shape, H extends Shape, B extends Schema> = (
  asked: Asked<P, Q, H, B>,
) => Reply | Promise<Reply>;

/** Larger than any set of honest clients needs at once, a fraction of what a broker has. */
const HELD_BYTES_MAX = 128 * 1024 * 1024;
/** zod tells of everything that is wrong with a body before it is refused: a million values would take seconds. */
const BODY_VALUES_MAX = 50_000;
/** Above the longest poll, below the minute after which load balancers give up. */
const ANSWER_MS_MAX = 30_000;
/** Nginx's name for a client that left before its answer. Only metrics see it. */
const CLIENT_CLOSED = 499;

const retryAfter = z.object({ 'Retry-After': z.int().openapi({ description: 'Seconds.' }) });

const COMMON_PROBLEMS = {
  400: 'The request is not understood.',
  429: 'Too much is under way at once.',
  500: 'A bug of the broker.',
  504: 'No answer in time; what was asked may still be done.',
};

const problemAnswers = (problems: Readonly<Record<number, string>>): RouteConfig['responses'] =>
  Object.fromEntries(
    Object.entries({ ...COMMON_PROBLEMS, ...problems }).map(([status, description]) => [
      status,
      {
        description,
        ...(RETRY_AFTER.has(Number(status)) && { headers: retryAfter }),
        content: { 'application/problem+json': { schema: Problem } },
      },
    ]),
  );

/** The routes of one HTTP door. */
export class Api {
  readonly hono = new OpenAPIHono<HttpEnv>();
  readonly context: HttpContext;
  readonly #budget: ByteBudget;
  readonly #metrics: HttpMetrics;
  readonly #paths: { readonly pattern: RegExp; readonly method: string }[] = [];

  constructor(context: HttpContext) {
    this.context = context;
    this.#budget = new ByteBudget(context.heldBytesMax ?? HELD_BYTES_MAX);
    this.#metrics = new HttpMetrics(context.runtime.metrics, this.#budget);
    const unknown = this.#metrics.route('ANY', 'none');
    this.hono.notFound((c) => this.#answer(c, unknown, new Holding(this.#budget), async () => this.#refuseUnknown(c)));
  }

  add<P extends Shape, Q extends Shape, H extends Shape, B extends Schema>(
    endpoint: Endpoint<P, Q, H, B>,
    handler: Handler<P, Q, H, B>,
  ): void {
    const { method, path } = endpoint;
    this.hono.openAPIRegistry.registerPath(describe(endpoint));
    this.#paths.push({
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      method: method.toUpperCase(),
    });
    const count = this.#metrics.route(method.toUpperCase(), path);
    this.hono.on(method, path.replaceAll(/\{(\w+)\}/g, ':$1'), (c) => {
      const holding = new Holding(this.#budget);
      const passOn = endpoint.atCoordinator === true && c.env?.passedOnFor === undefined;
      return this.#answer(c, count, holding, async () => {
        const reply = passOn ? await replyOfCoordinator(this.context, endpoint, c, holding) : null;
        return reply ?? handler(await this.#ask(endpoint, c, holding));
      });
    });
  }

  async #ask<P extends Shape, Q extends Shape, H extends Shape, B extends Schema>(
    endpoint: Endpoint<P, Q, H, B>,
    c: Context<HttpEnv>,
    holding: Holding,
  ): Promise<Asked<P, Q, H, B>> {
    const { params, query, headers, body } = endpoint;
    const named = (params && check(params, c.req.param(), 'path')) as z.output<P>;
    await this.#lookForTopic((named as { readonly topic?: unknown } | undefined)?.topic);
    return {
      params: named,
      query: (query && check(query, c.req.query(), 'query')) as z.output<Q>,
      headers: (headers && check(headers, pickHeaders(c, headers), 'header')) as z.output<H>,
      body: (body && (await this.#jsonBody(body, c, holding))) as z.output<B>,
      c,
      holding,
    };
  }

  /** Another broker may have created it a moment ago; then it is in the image when this resolves. */
  async #lookForTopic(name: unknown): Promise<void> {
    const { topics } = this.context;
    if (typeof name !== 'string' || topics.byName(name) !== undefined) return;
    await topics.find(name);
  }

  async #jsonBody<B extends Schema>(schema: B, c: Context<HttpEnv>, holding: Holding): Promise<z.output<B>> {
    bodyType(c.req.raw.headers.get('content-type'), ['json']);
    const bytes = await readBody(c, this.context.config['http.body.bytes.max'], holding);
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString());
    } catch (cause) {
      throw new KafkaError('INVALID_REQUEST', `invalid JSON: ${(cause as SyntaxError).message}`, { cause });
    }
    if (hasMoreValues(value, BODY_VALUES_MAX)) {
      throw new KafkaError('INVALID_REQUEST', `body: more than ${BODY_VALUES_MAX} values: send less at once`);
    }
    return check(schema, value, 'body');
  }

  async #answer(
    c: Context<HttpEnv>,
    count: ReturnType<HttpMetrics['route']>,
    holding: Holding,
    handle: () => Promise<Reply>,
  ): Promise<Response> {
    const { runtime, closing } = this.context;
    const started = runtime.clock.monotonic();
    const outgoing = c.env?.outgoing;
    let reply: Reply;
    try {
      reply = await inTime(runtime.timers, handle(), () => holding.letGo());
    } catch (cause) {
      // A client that left takes its own failures along; nobody reads the answer.
      const left = outgoing?.destroyed === true;
      reply = left ? { status: CLIENT_CLOSED, headers: {}, body: null } : problemReply(cause, runtime.logger);
    }
    if (outgoing === undefined || outgoing.destroyed) holding.letGo();
    else outgoing.once('close', () => holding.letGo());
    count({
      status: reply.status,
      seconds: (runtime.clock.monotonic() - started) / 1000,
      requestBytes: holding.bodyBytes,
      answerBytes: bodyBytes(reply),
    });
    const headers = closing?.aborted ? { ...reply.headers, Connection: 'close' } : { ...reply.headers };
    return new Response(reply.body, { status: reply.status, headers });
  }

  #refuseUnknown(c: Context<HttpEnv>): Reply {
    const { path, method } = c.req;
    const allowed = this.#paths.filter(({ pattern }) => pattern.test(path)).map((known) => known.method);
    if (allowed.length === 0) {
      throw new HttpError('RESOURCE_NOT_FOUND', `no route ${path}: see /openapi.json`);
    }
    if (allowed.includes('GET')) allowed.push('HEAD');
    const allow = allowed.join(', ');
    throw new HttpError('INVALID_REQUEST', `${method} ${path} is not possible: use ${allow}`, {
      status: 405,
      headers: { Allow: allow },
    });
  }
}

/** The handler's answer, or REQUEST_TIMED_OUT when it takes too long. `settled` is called when it is done, however late. */
function inTime(timers: Timers, handled: Promise<Reply>, settled: () => void): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(ANSWER_MS_MAX, () => {
      const detail = `no answer within ${ANSWER_MS_MAX} ms: what was asked may still be done`;
      reject(new KafkaError('REQUEST_TIMED_OUT', detail, { noSideEffects: false }));
    });
    const done = () => {
      timer.cancel();
      settled();
    };
    handled.then(
      (reply) => {
        done();
        resolve(reply);
      },
      (cause) => {
        done();
        reject(cause);
      },
    );
  });
}

function describe(endpoint: Endpoint<Shape, Shape, Shape, Schema>): RouteConfig {
  const { method, path, operationId, tag, summary, description, params, query, headers, body, streamedBody } = endpoint;
  const bodies = streamedBody ?? (body && { 'application/json': body });
  const content =
    bodies && Object.fromEntries(Object.entries(bodies).map(([mediaType, schema]) => [mediaType, { schema }]));
  return {
    method,
    path,
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(content && { body: { required: true, content } }),
    },
    responses: {
      ...endpoint.answers,
      ...problemAnswers({
        ...(content && {
          413: 'The body has more than http.body.bytes.max bytes.',
          415: 'The type of the body is not known.',
        }),
        ...endpoint.problems,
      }),
    },
  };
}

function pickHeaders(c: Context<HttpEnv>, schema: Shape): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = c.req.raw.headers.get(name);
    if (value !== null) picked[name] = value;
  }
  return picked;
}

/** Throws INVALID_REQUEST that names the first member that is wrong, and what would be right. */
function check<S extends Schema>(schema: S, value: unknown, where: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KafkaError('INVALID_REQUEST', `${where}${firstIssue(parsed.error)}`);
}
