/**
 * What is told of a cluster: the types, and their JSON as `/v1/cluster` answers it, the client reads it and `millrace
 * cluster` prints it. What `/openapi.json` shows of it is in `http/cluster-schemas.ts`.
 */

/** How long a broker takes at most until it answers that a journal has moved, or that a broker is drained. */
export const MOVE_MS_MAX = 10_000;
export const DRAIN_MS_MAX = 25_000;

export interface ClusterInfo {
  readonly clusterId: string;
  /** False: on embedded stores, which one broker has for itself. */
  readonly shared: boolean;
  /** Where the segments are: a bucket and prefix, or the data directory. */
  readonly store: string;
  /** Empty with embedded stores. */
  readonly table: string;
  /** The broker that answers. */
  readonly brokerId: number;
  /** Null while nobody is known to be the controller. */
  readonly controllerId: number | null;
  /** Those that drain are alive, too; gone are those that left without saying so. */
  readonly brokers: { readonly live: number; readonly draining: number; readonly gone: number };
  readonly journals: { readonly count: number; readonly led: number };
  /** Of the brokers that are alive, each once, in order. */
  readonly versions: readonly string[];
  /** Of the brokers that are alive, each once, in order; without those that tell none. */
  readonly zones: readonly string[];
}

export type BrokerState = 'live' | 'draining' | 'gone';

export interface BrokerReport {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly state: BrokerState;
  readonly controller: boolean;
  /** Empty when unknown. */
  readonly zone: string;
  /** `HOST:PORT` that clients are told. */
  readonly kafka: string;
  readonly http: string;
  readonly internal: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Ids of the journals that it leads, in order. */
  readonly journals: readonly number[];
}

export interface JournalPlace {
  readonly journal: number;
  /** Null while nobody is known to lead it. */
  readonly leaderId: number | null;
  /** Null when it is not known. */
  readonly epoch: number | null;
  /** The broker that shall lead it: another one than `leaderId` while it moves. */
  readonly assignedTo: number | null;
}

export interface Drained {
  readonly brokerId: number;
  /** Journals that others took over. */
  readonly moved: readonly number[];
}

export interface AddedJournals {
  readonly before: number;
  readonly count: number;
}

/** Names of fields in JSON, in their order there. */
type Names<T> = { readonly [Field in keyof T]: string };
type Json<T, N extends Names<T>> = { readonly [Field in keyof T as N[Field]]: T[Field] };

/** A type in JSON: `broker_id` for `brokerId`. */
class Spelling<T extends object, const N extends Names<T>> {
  readonly #fields: readonly (readonly [field: keyof T, name: string])[];

  constructor(names: N) {
    this.#fields = Object.entries(names) as [keyof T, string][];
  }

  readonly toJson = (value: T): Json<T, N> =>
    Object.fromEntries(this.#fields.map(([field, name]) => [name, value[field]])) as Json<T, N>;

  readonly fromJson = (json: Readonly<Record<string, any>>): T =>
    Object.fromEntries(this.#fields.map(([field, name]) => [field, json[name]])) as T;
}

/** Of `T`, whose fields have these names. */
const spelled =
  <T extends object>() =>
  <const N extends Names<T>>(names: N): Spelling<T, N> =>
    new Spelling<T, N>(names);

export const CLUSTER_INFO = spelled<ClusterInfo>()({
  clusterId: 'cluster_id',
  shared: 'shared',
  store: 'store',
  table: 'table',
  brokerId: 'broker_id',
  controllerId: 'controller_id',
  brokers: 'brokers',
  journals: 'journals',
  versions: 'versions',
  zones: 'zones',
});

export const BROKER = spelled<BrokerReport>()({
  brokerId: 'broker_id',
  brokerEpoch: 'broker_epoch',
  state: 'state',
  controller: 'controller',
  zone: 'zone',
  kafka: 'kafka',
  http: 'http',
  internal: 'internal',
  version: 'version',
  startedAt: 'started_at',
  journals: 'journals',
});

export const JOURNAL = spelled<JournalPlace>()({
  journal: 'journal',
  leaderId: 'leader_id',
  epoch: 'epoch',
  assignedTo: 'assigned_to',
});

export const DRAINED = spelled<Drained>()({ brokerId: 'broker_id', moved: 'moved' });
