/**
 * The part of the HTTP interface that producing and reading need, in memory, with the rules of idempotent producers: a
 * repeat gets the first answer, a gap is refused. It can lose requests before the effect and answers after it.
 */
export interface Fault {
  readonly type: 'none' | 'lost before' | 'lost after' | 'busy before' | 'busy after';
}

interface StoredRecord {
  readonly key: string | null;
  readonly value: string | null;
}

const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
const problem = (status: number, code: string, retriable: boolean, more: object = {}) =>
  json(status, { code, detail: `${code} it is`, retriable, no_side_effects: false, ...more });

export class StandInBroker {
  readonly partitions: StoredRecord[][];
  readonly requests: { readonly partition: number; readonly records: number }[] = [];
  /** Decides the fate of each request. */
  fault: () => Fault['type'] = () => 'none';
  recordsMax = Infinity;
  inFlight = 0;
  inFlightPerPartitionMax = 0;
  readonly #sequences = new Map<string, { next: number; answers: Map<number, number> }>();
  readonly #inFlight = new Map<number, number>();

  constructor(partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, () => []);
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname } = new URL(url);
    if (pathname === '/v1/producers') return json(200, { producer_id: 7, producer_epoch: 0 });
    const partition = /^\/v1\/topics\/t\/partitions\/(\d+)\/records$/.exec(pathname);
    if (pathname === '/v1/topics/t') {
      const partitions = this.partitions.length;
      return json(200, { name: 't', partitions, config: { 'max.message.bytes': '1048588' }, partition_details: [] });
    }
    if (!partition || init.method !== 'POST') return problem(404, 'UNKNOWN_TOPIC_OR_PARTITION', true);
    return await this.#produce(Number(partition[1]), init);
  };

  async #produce(partition: number, init: RequestInit): Promise<Response> {
    const busy = (this.#inFlight.get(partition) ?? 0) + 1;
    this.#inFlight.set(partition, busy);
    this.inFlightPerPartitionMax = Math.max(this.inFlightPerPartitionMax, busy);
    await new Promise((resolve) => setImmediate(resolve));
    this.#inFlight.set(partition, busy - 1);

    const fault = this.fault();
    if (fault === 'lost before') throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
    if (fault === 'busy before') return problem(503, 'KAFKA_STORAGE_ERROR', true);
    const answer = this.#append(partition, init);
    if (fault === 'lost after') throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
    if (fault === 'busy after') return problem(503, 'KAFKA_STORAGE_ERROR', true);
    return answer;
  }

  #append(partition: number, init: RequestInit): Response {
    const headers = new Headers(init.headers);
    const sequence = Number(headers.get('producer-seq'));
    const records = String(init.body)
      .split('\n')
      .map((line) => JSON.parse(line));
    this.requests.push({ partition, records: records.length });
    if (records.length > this.recordsMax) return problem(413, 'MESSAGE_TOO_LARGE', false);
    if (records.some(({ value }) => value === 'poison')) return problem(400, 'INVALID_RECORD', false);
    const key = `${headers.get('producer-id')}/${partition}`;
    const state = this.#sequences.get(key) ?? { next: 0, answers: new Map() };
    this.#sequences.set(key, state);
    const log = this.partitions[partition]!;
    const known = state.answers.get(sequence);
    if (known === undefined) {
      if (sequence !== state.next) return problem(409, 'OUT_OF_ORDER_SEQUENCE_NUMBER', false);
      state.answers.set(sequence, log.length);
      state.next += records.length;
      for (const { key: name = null, value } of records) log.push({ key: name, value });
    }
    const base = state.answers.get(sequence)!;
    return json(200, { results: records.map((_, index) => ({ partition, offset: base + index })) });
  }
}
