/** What a handler gets and what it gives: the contract between the router and `handlers/`. */
import type { ClusterConfigs } from '../cluster/cluster-configs.ts';
import type { JournalReport } from '../cluster/journal-report.ts';
import type { Leaders, Members } from '../cluster/members.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Address, Config } from '../config.ts';
import type { Coordinators } from '../coordinator/coordinators.ts';
import type { ErrorName, KafkaError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { ApiName, RequestOf, ResponseOf } from '../protocol/apis.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ClientView } from './client-view.ts';

/** The broker behind the listener. */
export interface Broker {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly log: Log;
  readonly topics: Topics;
  readonly coordinators: Coordinators;
  readonly configs: ClusterConfigs;
  readonly report: JournalReport;
  readonly clusterId: string;
  readonly brokerId: number;
  readonly members: Members;
  readonly leaders: Leaders;
}

/** One request on its way. */
export interface Call {
  readonly broker: Broker;
  readonly apiVersion: number;
  readonly clientId: string | null;
  /** The client's address as Kafka prints it: `/127.0.0.1`. */
  readonly clientHost: string;
  /** Where this client is told to find the broker. */
  readonly advertised: Address;
  /** Of the listener that it came by, or else as its client id says. Empty when unknown. */
  readonly clientZone: string;
  /** Of the listener that it came by: it is told of the listeners of that zone. Empty for the plain one. */
  readonly listenerZone: string;
  /** The cluster as this client is told it, now. */
  readonly view: ClientView;
  /** The most that an answer should carry now, going by what clients have not read yet. */
  readonly answerBytesMax: number;
  /** Aborted when the client is gone, or the broker stops: a long poll should answer then. */
  readonly signal: AbortSignal;
  /** Kafka's code of an error, which is counted. */
  code(error: ErrorName): number;
  /**
   * Counts partitions that are created or deleted against the client's quota. Throws THROTTLING_QUOTA_EXCEEDED from the
   * version on that knows it (KIP-599).
   */
  countMutations(partitions: number, strictSince: number): void;
  /** Ends the connection instead of an answer; to be returned by a handler that answers nothing. */
  closeConnection(reason: string): null;
  /** Runs `release` exactly once: when the response is with the kernel, or will never be. */
  onSent(release: () => void): void;
}

/**
 * One API. `handle` answers the response, or null when the client expects none. It is called in the order in which
 * requests of a connection arrive, and what it does before its first `await` is done in that order, too. Views in the
 * request are valid until then.
 */
export interface Handler<N extends ApiName> {
  /**
   * - `produce`: held back while the log is full.
   * - `fetch`: reads, or asks where reading ends: one of a connection at a time, held back while too many answers wait for
   *   their clients.
   * - `alone`: changes something that later requests of the connection may count on; they are read when it is answered.
   */
  readonly turn?: Turn;
  handle(request: RequestOf<N>, call: Call): MaybePromise<ResponseOf<N> | null>;
  /** The answer to a request that failed as a whole. */
  refuse(request: RequestOf<N>, error: KafkaError, call: Call): ResponseOf<N> | null;
}

export type Turn = 'produce' | 'fetch' | 'alone';

export type MaybePromise<T> = T | Promise<T>;
