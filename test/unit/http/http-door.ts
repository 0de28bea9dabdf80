/** A whole broker over memory stores behind the HTTP application, without a socket. */
import type { Hono } from 'hono';
import { type Given, parseConfig } from '../../../src/config.ts';
import { app } from '../../../src/http/app.ts';
import type { HttpContext, HttpEnv } from '../../../src/http/context.ts';
import { type Logger, silentLogger } from '../../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../../src/runtime/runtime.ts';
import { type Core, openCore } from '../../../src/server.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

export interface DoorOptions {
  readonly given?: Given;
  readonly logger?: Logger;
  readonly objects?: ObjectStore;
  readonly metadata?: MetadataStore;
  /** Changes of what the application is given. */
  readonly context?: Partial<HttpContext>;
}

export interface HttpDoor {
  readonly core: Core;
  readonly context: HttpContext;
  readonly runtime: Runtime;
  readonly http: Hono<HttpEnv>;
  /** Creates a topic that must not exist. */
  createTopic(name: string, partitions?: number, config?: Readonly<Record<string, string>>): Promise<void>;
  /** POST of JSON, or of text as it is. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Checks that no answer of a fetch was kept, and ends the broker. */
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  readonly json: any;
}

export async function openDoor(options: DoorOptions = {}): Promise<HttpDoor> {
  const config = parseConfig(options.given ?? {});
  const runtime = systemRuntime(options.logger ?? silentLogger);
  const { objects = new MemoryObjectStore(), metadata = new MemoryMetadataStore() } = options;
  const core = await openCore({ config, runtime, stores: { objects, metadata } });
  const { topics, log, coordinators } = core;
  const context: HttpContext = {
    runtime,
    config,
    topics,
    log,
    coordinators,
    cluster: core.cluster.operations,
    version: '0.0.0',
    readiness: () => ({ ready: true }),
    ...options.context,
  };
  // Made when first used: a test that listens on a socket must not find its metrics taken.
  let application: Hono<HttpEnv> | undefined;
  const http = () => {
    application ??= app(context);
    return application;
  };
  const request = async (path: string, init: RequestInit): Promise<Answer> => {
    const { status, headers, body } = await http().request(path, init);
    const text = await new Response(body).text();
    return {
      status,
      headers,
      text,
      get json() {
        return JSON.parse(text);
      },
    };
  };
  const encode = (body: unknown): string | Buffer<ArrayBuffer> =>
    typeof body === 'string' || Buffer.isBuffer(body) ? (body as Buffer<ArrayBuffer>) : JSON.stringify(body);
  const json = { 'content-type': 'application/json' };
  return {
    core,
    context,
    runtime,
    get http() {
      return http();
    },
    async createTopic(name, partitions = 1, config = {}) {
      await topics.create({ name, partitions, config });
    },
    post: (path, body, headers) =>
      request(path, { method: 'POST', body: encode(body), headers: { ...json, ...headers } }),
    get: (path, headers) => request(path, { headers: { ...headers } }),
    send: (method, path, body) =>
      request(path, { method, ...(body !== undefined && { body: encode(body), headers: json }) }),
    async close() {
      const { leases } = log;
      await core.close();
      if (leases !== 0) throw new Error(`${leases} answers of fetches were not released`);
    },
  };
}

export const NDJSON = { 'content-type': 'application/x-ndjson' };
