/**
 * The cluster behind a broker: who is there, who leads which journal, and moving them.
 *
 * ```ts
 * const { cluster } = new Client({ url: 'http://127.0.0.1:8080' });
 * const { controllerId, journals } = await cluster.info();
 * await cluster.move(0, 2);                                              // broker 2 leads journal 0
 * ```
 */
import type { Transport } from './transport.ts';

export interface ClusterInfo {
  readonly clusterId: string;
  /** False: embedded stores, which one broker has for itself. */
  readonly shared: boolean;
  readonly store: string;
  /** Empty with embedded stores. */
  readonly table: string;
  /** The broker that answered. */
  readonly brokerId: number;
  /** Null: nobody is known to be the controller now. */
  readonly controllerId: number | null;
  /** Those that drain are alive, too; gone are those that left without saying so. */
  readonly brokers: { readonly live: number; readonly draining: number; readonly gone: number };
  readonly journals: { readonly count: number; readonly led: number };
  readonly versions: readonly string[];
  readonly zones: readonly string[];
}

export interface BrokerDetail {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly state: 'live' | 'draining' | 'gone';
  readonly controller: boolean;
  /** Empty when unknown. */
  readonly zone: string;
  /** `HOST:PORT`. */
  readonly kafka: string;
  readonly http: string;
  readonly internal: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Those that it leads. */
  readonly journals: readonly number[];
}

export interface JournalDetail {
  readonly journal: number;
  /** Null: nobody is known to lead it now. */
  readonly leaderId: number | null;
  readonly epoch: number | null;
  /** Another broker than the leader while it moves. */
  readonly assignedTo: number | null;
}

type Json = Readonly<Record<string, any>>;

/** How long the broker may take for it. */
const MOVE_MS = 10_000;
const DRAIN_MS = 25_000;

export class Cluster {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async info(): Promise<ClusterInfo> {
    const answer = await this.#get('/v1/cluster');
    return {
      clusterId: answer['cluster_id'],
      shared: answer['shared'],
      store: answer['store'],
      table: answer['table'],
      brokerId: answer['broker_id'],
      controllerId: answer['controller_id'],
      brokers: answer['brokers'],
      journals: answer['journals'],
      versions: answer['versions'],
      zones: answer['zones'],
    };
  }

  /** In order of ids. */
  async brokers(): Promise<readonly BrokerDetail[]> {
    const answer = await this.#get('/v1/cluster/brokers');
    return (answer['brokers'] as Json[]).map(brokerOf);
  }

  /** In order of ids. */
  async journals(): Promise<readonly JournalDetail[]> {
    const answer = await this.#get('/v1/cluster/journals');
    return (answer['journals'] as Json[]).map(journalOf);
  }

  /** Resolves when the broker leads the journal. */
  async move(journal: number, brokerId: number): Promise<JournalDetail> {
    return journalOf(await this.#post(`/v1/cluster/journals/${journal}/move`, { broker_id: brokerId }, MOVE_MS));
  }

  /** Resolves when the broker leads nothing, with the journals that others took over. */
  async drain(brokerId: number): Promise<readonly number[]> {
    return (await this.#post(`/v1/cluster/brokers/${brokerId}/drain`, undefined, DRAIN_MS))['moved'];
  }

  async undrain(brokerId: number): Promise<BrokerDetail> {
    return brokerOf(await this.#post(`/v1/cluster/brokers/${brokerId}/undrain`, undefined, 0));
  }

  /** Answers how many there were and how many there are. They cannot be removed again. */
  async addJournals(count: number): Promise<{ readonly before: number; readonly count: number }> {
    const body = { add: count };
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'POST', path: '/v1/cluster/journals', headers, repeat: 'unsent' } as const;
    return JSON.parse((await this.#transport.request({ ...request, body: JSON.stringify(body) })).body);
  }

  async #get(path: string): Promise<Json> {
    return JSON.parse((await this.#transport.request({ method: 'GET', path, repeat: 'safe' })).body) as Json;
  }

  /** Asking again for what is done already answers the same. */
  async #post(path: string, json: unknown, waitMs: number): Promise<Json> {
    const body =
      json === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) };
    const { body: answer } = await this.#transport.request({ method: 'POST', path, ...body, repeat: 'safe', waitMs });
    return JSON.parse(answer) as Json;
  }
}

const brokerOf = (broker: Json): BrokerDetail => ({
  brokerId: broker['broker_id'],
  brokerEpoch: broker['broker_epoch'],
  state: broker['state'],
  controller: broker['controller'],
  zone: broker['zone'],
  kafka: broker['kafka'],
  http: broker['http'],
  internal: broker['internal'],
  version: broker['version'],
  startedAt: broker['started_at'],
  journals: broker['journals'],
});

const journalOf = (journal: Json): JournalDetail => ({
  journal: journal['journal'],
  leaderId: journal['leader_id'],
  epoch: journal['epoch'],
  assignedTo: journal['assigned_to'],
});
