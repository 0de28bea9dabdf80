import type { HttpBindings } from '@hono/node-server';
import type { ClusterOperations } from '../cluster/operations.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import type { Coordinators } from '../coordinator/coordinators.ts';
import type { Log } from '../log/log.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** All that the HTTP door needs from the rest of the broker. */
export interface HttpContext {
  readonly runtime: Runtime;
  readonly config: Pick<
    Config,
    'http.body.bytes.max' | 'http.decompressed.bytes.max' | 'fetch.max.bytes' | 'connections.max'
  >;
  readonly topics: Topics;
  readonly log: Log;
  readonly cluster: ClusterOperations;
  readonly coordinators: Pick<Coordinators, 'groups' | 'offsets' | 'consumerGroups' | 'groupRequests'>;
  /** Version of the program, for `/openapi.json`. */
  readonly version: string;
  readonly readiness: () => Readiness;
  /** Bytes of request bodies and answers in memory at once; `HELD_BYTES_MAX` when absent. */
  readonly heldBytesMax?: number;
  /** Aborted when the server stops: long polls end. */
  readonly closing?: AbortSignal;
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Hono's environment. `c.env` itself is undefined where there is no socket: `app.request` in tests. */
export type HttpEnv = { Bindings: Partial<HttpBindings> & Passed };

/** Of a request that another broker passed on: it is answered here. */
interface Passed {
  /** Who asked there. */
  readonly passedOnFor?: string;
}
