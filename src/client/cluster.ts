/**
 * The cluster behind a broker: who is there, who leads which journal, and moving them.
 *
 * ```ts
 * const { cluster } = new Client({ url: 'http://127.0.0.1:8080' });
 * const { controllerId, journals } = await cluster.info();
 * await cluster.move(0, 2);                                              // broker 2 leads journal 0
 * ```
 */
import {
  type AddedJournals,
  BROKER,
  type BrokerReport,
  CLUSTER_INFO,
  type ClusterInfo,
  DRAIN_MS_MAX,
  DRAINED,
  JOURNAL,
  type JournalPlace,
  MOVE_MS_MAX,
} from '../cluster-report.ts';
import type { Transport } from './transport.ts';

export type { AddedJournals, BrokerReport, ClusterInfo, JournalPlace } from '../cluster-report.ts';

type Json = Readonly<Record<string, any>>;

export class Cluster {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async info(): Promise<ClusterInfo> {
    return CLUSTER_INFO.fromJson(await this.#get('/v1/cluster'));
  }

  /** In order of ids. */
  async brokers(): Promise<readonly BrokerReport[]> {
    const answer = await this.#get('/v1/cluster/brokers');
    return (answer['brokers'] as Json[]).map(BROKER.fromJson);
  }

  /** In order of ids. */
  async journals(): Promise<readonly JournalPlace[]> {
    const answer = await this.#get('/v1/cluster/journals');
    return (answer['journals'] as Json[]).map(JOURNAL.fromJson);
  }

  /** Resolves when the broker leads the journal. */
  async move(journal: number, brokerId: number): Promise<JournalPlace> {
    return JOURNAL.fromJson(
      await this.#post(`/v1/cluster/journals/${journal}/move`, { broker_id: brokerId }, MOVE_MS_MAX),
    );
  }

  /** Resolves when the broker leads nothing, with the journals that others took over. */
  async drain(brokerId: number): Promise<readonly number[]> {
    return DRAINED.fromJson(await this.#post(`/v1/cluster/brokers/${brokerId}/drain`, undefined, DRAIN_MS_MAX)).moved;
  }

  async undrain(brokerId: number): Promise<BrokerReport> {
    return BROKER.fromJson(await this.#post(`/v1/cluster/brokers/${brokerId}/undrain`, undefined, 0));
  }

  /** Answers how many there were and how many there are. They cannot be removed again. */
  async addJournals(count: number): Promise<AddedJournals> {
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
