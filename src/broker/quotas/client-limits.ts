/**
 * Quotas as they hold for clients that are there. A client without quotas costs a look into one map, nobody's having any
 * not even that. Buckets are shared as in Kafka: a quota of a user counts all clients of the user, a quota of a client id
 * all users with that client id, a default counts each by itself.
 */
import { clientEntities, type QuotaEntity, type QuotaName } from '../../cluster/quota-entity.ts';
import type { ClientQuotas } from '../../cluster/quotas.ts';
import { KafkaError } from '../../errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import { TokenBucket } from './token-bucket.ts';

/** Clients and buckets beyond this push out those that came first; they begin anew. */
const TRACKED_COUNT_MAX = 10_000;
/** What is done with nobody's principal. */
const ANONYMOUS = 'ANONYMOUS';

export interface QuotaWindow {
  /** Of bytes and mutations. */
  readonly seconds: number;
  /** Of time that requests take, and the longest that they are throttled for. */
  readonly sampleSeconds: number;
}

export class ClientLimits {
  readonly #quotas: ClientQuotas;
  readonly #clock: Clock;
  readonly #window: QuotaWindow;
  /** By client id. */
  readonly #clients = new Map<string, ClientLimit | null>();
  readonly #buckets = new Map<string, TokenBucket>();
  #version = -1;

  constructor(quotas: ClientQuotas, clock: Clock, window: QuotaWindow) {
    this.#quotas = quotas;
    this.#clock = clock;
    this.#window = window;
  }

  /** Null: without limits. */
  of(clientId: string | null): ClientLimit | null {
    if (this.#quotas.empty) return null;
    if (this.#version !== this.#quotas.version) {
      this.#version = this.#quotas.version;
      this.#clients.clear();
      this.#buckets.clear();
    }
    const known = this.#clients.get(clientId ?? '');
    return known === undefined ? this.#learn(clientId ?? '') : known;
  }

  #learn(clientId: string): ClientLimit | null {
    const bucket = (name: QuotaName, seconds = this.#window.seconds) => this.#bucket(clientId, name, seconds);
    const limit = new ClientLimit(this.#clock, {
      producer: bucket('producer_byte_rate'),
      consumer: bucket('consumer_byte_rate'),
      request: bucket('request_percentage', this.#window.sampleSeconds),
      mutations: bucket('controller_mutation_rate'),
    });
    return remember(this.#clients, clientId, limit.unlimited ? null : limit);
  }

  #bucket(clientId: string, name: QuotaName, seconds: number): TokenBucket | null {
    const found = this.#quotas.find(clientEntities(ANONYMOUS, clientId), name);
    if (found === null) return null;
    const key = bucketKey(found.entity, name, clientId);
    const standing = this.#buckets.get(key);
    if (standing) return standing;
    // Percent of a second in milliseconds.
    const perSecond = name === 'request_percentage' ? found.value * 10 : found.value;
    return remember(this.#buckets, key, new TokenBucket(perSecond, seconds, this.#clock.monotonic()));
  }
}

/** Who shares it: those that the entity names by type. */
const bucketKey = (entity: QuotaEntity, name: QuotaName, clientId: string): string =>
  `${name} ${'user' in entity ? ANONYMOUS : ''} ${'client-id' in entity ? clientId : ''}`;

function remember<V>(map: Map<string, V>, key: string, value: V): V {
  map.set(key, value);
  if (map.size > TRACKED_COUNT_MAX) {
    const [first] = map.keys();
    map.delete(first!);
  }
  return value;
}

interface Buckets {
  readonly producer: TokenBucket | null;
  readonly consumer: TokenBucket | null;
  readonly request: TokenBucket | null;
  readonly mutations: TokenBucket | null;
}

/** What one client may still do. */
export class ClientLimit {
  readonly #clock: Clock;
  readonly #buckets: Buckets;

  constructor(clock: Clock, buckets: Buckets) {
    this.#clock = clock;
    this.#buckets = buckets;
  }

  get unlimited(): boolean {
    const { producer, consumer, request, mutations } = this.#buckets;
    return producer === null && consumer === null && request === null && mutations === null;
  }

  /** More in one answer would never be paid back. */
  get answerBytesMax(): number {
    return this.#buckets.consumer?.most ?? Infinity;
  }

  /** Each answers the milliseconds that the client should wait now. */
  produced(bytes: number): number {
    return this.#take(this.#buckets.producer, bytes);
  }

  consumed(bytes: number): number {
    return this.#take(this.#buckets.consumer, bytes);
  }

  /** Time of the event loop. */
  worked(ms: number): number {
    return this.#take(this.#buckets.request, ms);
  }

  /** Throws THROTTLING_QUOTA_EXCEEDED while something is owed, when the client knows that answer (KIP-599). */
  mutate(partitions: number, strict: boolean): number {
    const { mutations } = this.#buckets;
    const waitMs = mutations?.waitMs(this.#clock.monotonic()) ?? 0;
    if (strict && waitMs > 0) {
      throw new KafkaError(
        'THROTTLING_QUOTA_EXCEEDED',
        `The throttling quota has been exceeded; try again in ${waitMs} ms.`,
      );
    }
    return this.#take(mutations, partitions);
  }

  #take(bucket: TokenBucket | null, amount: number): number {
    if (bucket === null) return 0;
    const now = this.#clock.monotonic();
    bucket.take(amount, now);
    return bucket.waitMs(now);
  }
}
