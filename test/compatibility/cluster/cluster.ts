/**
 * A cluster of real processes: brokers as users start them, each with proxies of its own in front of S3 and DynamoDB, and
 * with links to the others that can be cut: in network namespaces, or through proxies where the system has none.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startDynoxide } from '../../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../../stand-ins/environment.ts';
import { freePort } from '../../stand-ins/free-port.ts';
import { ProxyLinks } from '../../stand-ins/link-proxy.ts';
import type { Links } from '../../stand-ins/links.ts';
import { NamespaceLinks } from '../../stand-ins/namespaces.ts';
import { type ServerProcess, startServerProcess } from '../../stand-ins/server-process.ts';
import { type StoreProxy, type StoreWeather, startStoreProxy } from '../../stand-ins/store-proxy.ts';
import { Broker, MILLRACE, ROOT } from '../broker.ts';
import { run } from '../run.ts';
import type { Reachable } from './workers.ts';

export const SECRET = 'what the brokers of the test cluster know';
/** Of S3 and DynamoDB, as far as a client in the same region sees it. */
export const USUAL_LATENCY = { s3: { median: 50, p99: 200 }, dynamodb: { median: 5, p99: 20 } } as const;

const CREATE_ATTEMPTS_MAX = 25;

export interface ClusterOptions {
  readonly brokers: number;
  readonly seed?: number;
  readonly network?: 'loopback' | 'proxies' | 'namespaces';
  /** Of both stores; none unless given. */
  readonly latency?: typeof USUAL_LATENCY;
  readonly name?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Of another cluster, to live beside it in the same bucket and table. */
  readonly stores?: Stores;
}

/** The stand-ins, which outlive every broker. */
export interface Stores {
  readonly s3: ServerProcess;
  readonly dynamodb: ServerProcess;
  readonly flags: readonly string[];
  close(): Promise<void>;
}

export async function startStores(): Promise<Stores> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-cluster-s3-'));
  const server = join(ROOT, 'test', 'stand-ins', 's3-server.ts');
  const [s3, dynamodb] = await Promise.all([
    startServerProcess({
      binary: process.execPath,
      arguments: (port) => [server, String(port), directory],
    }),
    startDynoxide(),
  ]);
  return {
    s3,
    dynamodb,
    flags: ['--store', 's3://millrace/data', '--table', 'millrace'],
    async close() {
      await Promise.all([s3.close(), dynamodb.close()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** One broker with what stands between it and everything else. */
export interface Member {
  readonly name: string;
  readonly broker: Broker;
  readonly s3: StoreProxy;
  readonly dynamodb: StoreProxy;
  /** Whether it should run. */
  running: boolean;
}

export class Cluster {
  readonly members: Member[] = [];
  readonly stores: Stores;
  readonly links: Links | null;
  readonly #options: ClusterOptions;
  readonly #sharesStores: boolean;
  readonly #ofLinks = new Map<string, { readonly pid: () => number; readonly internal: () => string }>();

  private constructor(options: ClusterOptions, stores: Stores) {
    this.#options = options;
    this.#sharesStores = options.stores !== undefined;
    this.stores = stores;
    this.links = this.#makeLinks();
  }

  /** With all of its brokers ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const stores = options.stores ?? (await startStores());
    const cluster = new Cluster(options, stores);
    try {
      await cluster.#initialize();
      for (let count = 0; count < options.brokers; count++) await cluster.add();
      await Promise.all(cluster.members.map((member) => cluster.up(member)));
      return cluster;
    } catch (cause) {
      await cluster.close();
      throw cause;
    }
  }

  #makeLinks(): Links | null {
    if (this.#options.network === 'namespaces') return new NamespaceLinks();
    return this.#options.network === 'proxies' ? new ProxyLinks(this.#ofLinks) : null;
  }

  get name(): string {
    return this.#options.name ?? 'millrace';
  }

  get running(): readonly Member[] {
    return this.members.filter(({ running }) => running);
  }

  /** All brokers, whether they run or not: their addresses stay. */
  get reachable(): Reachable {
    return {
      bootstrap: this.members.map(({ broker }) => broker.kafka).join(','),
      urls: this.members.map(({ broker }) => broker.url),
    };
  }

  /** Bucket and table, once, past the proxies. */
  async #initialize(): Promise<void> {
    const environment = {
      ...standInEnvironment(),
      AWS_ENDPOINT_URL_S3: this.stores.s3.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: this.stores.dynamodb.endpoint,
    };
    const command = [...MILLRACE, 'storage', 'init', ...this.stores.flags, '--cluster', this.name];
    await run(command, { environment });
  }

  /** One more broker, not yet started. `environment` comes after that of the cluster. */
  async add(environment: Readonly<Record<string, string>> = {}): Promise<Member> {
    const number = this.members.length + 1;
    const name = `b${number}`;
    const { links } = this;
    const host = links instanceof NamespaceLinks ? links.add(name) : '127.0.0.1';
    const outside = links instanceof NamespaceLinks ? links.machine : '127.0.0.1';
    const proxy = (kind: 's3' | 'dynamodb') => {
      const seed = (this.#options.seed ?? 1) * 100 + number;
      return startStoreProxy({ kind, upstream: this.stores[kind].endpoint, seed, host: outside });
    };
    const [s3, dynamodb] = await Promise.all([proxy('s3'), proxy('dynamodb')]);
    const internal = `${host}:${await freePort()}`;
    const flags = [...this.stores.flags, '--cluster', this.name, '--internal', internal];
    if (links instanceof ProxyLinks) flags.push('--advertise-internal', await links.front(name));
    const broker = new Broker(
      {
        flags,
        environment: {
          ...standInEnvironment(),
          AWS_ENDPOINT_URL_S3: s3.endpoint,
          AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
        },
      },
      {
        environment: {
          MILLRACE_BROKER_ID: String(number),
          MILLRACE_CLUSTER_SECRET: SECRET,
          ...(links instanceof NamespaceLinks && { MILLRACE_INSECURE_LISTEN: 'true' }),
          ...this.#options.environment,
          ...environment,
        },
        ...(links instanceof NamespaceLinks && { wrapper: links.wrapper(name) }),
      },
    );
    broker.kafka = `${host}:${await freePort()}`;
    broker.http = `${host}:${await freePort()}`;
    const member: Member = { name, broker, s3, dynamodb, running: false };
    this.#ofLinks.set(name, { pid: () => (broker.isAlive ? broker.pid : 0), internal: () => internal });
    this.members.push(member);
    this.weather(member, {});
    return member;
  }

  /** Its usual latency stays. */
  weather({ s3, dynamodb }: Member, weather: StoreWeather): void {
    const { latency } = this.#options;
    s3.weather = { ...(latency && { latency: latency.s3 }), ...weather };
    dynamodb.weather = { ...(latency && { latency: latency.dynamodb }), ...weather };
    s3.release();
    dynamodb.release();
  }

  async up(member: Member): Promise<void> {
    member.running = true; // While it starts its connections are its own already.
    await member.broker.start();
  }

  async kill(member: Member): Promise<void> {
    member.running = false;
    await member.broker.kill();
  }

  /** Its exit status. */
  async stop(member: Member): Promise<number | null> {
    const status = await member.broker.stop();
    member.running = false;
    return status;
  }

  /** Every network and store as it should be. */
  heal(): void {
    this.links?.heal();
    for (const member of this.members) this.weather(member, {});
  }

  /** Again while journals move. */
  async createTopic(name: string, partitions: number): Promise<void> {
    const [url] = this.reachable.urls;
    for (let attempts = 1; ; attempts++) {
      const response = await fetch(`${url}/v1/topics`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, partitions }),
      });
      // An attempt that failed late may have done it.
      if (response.status === 201 || (response.status === 409 && attempts > 1)) return;
      const answer = await response.text();
      if (response.status !== 503 || attempts === CREATE_ATTEMPTS_MAX) {
        throw new Error(`creating ${name}: ${response.status} ${answer}`);
      }
      await pause(200);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map(({ broker }) => broker.kill()));
    await Promise.all(this.members.flatMap(({ s3, dynamodb }) => [s3.close(), dynamodb.close()]));
    await this.links?.close();
    if (!this.#sharesStores) await this.stores.close();
  }
}
