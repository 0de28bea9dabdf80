import type { Metrics } from '../runtime/metrics.ts';
import type { RunSource } from './answer.ts';

export interface FetchGauges {
  readonly waiters: () => number;
  readonly leases: () => number;
  readonly leasedBytes: () => number;
  readonly tailBytes: () => number;
  readonly cacheBytes: () => number;
  readonly chunkBytes: () => number;
}

export class FetchMetrics {
  readonly #requests;
  readonly #bytes;
  readonly #readAhead;
  readonly #failed;

  constructor(metrics: Metrics, gauges: FetchGauges) {
    this.#requests = metrics.counter({ name: 'fetch_requests_total', help: 'Fetches answered.' });
    this.#bytes = metrics.counter({
      name: 'fetch_bytes_total',
      help: 'Bytes of record batches answered, by where they were found.',
      labels: ['source'],
    });
    this.#readAhead = metrics.counter({
      name: 'fetch_read_ahead_bytes_total',
      help: 'Bytes read from the stores before a sequential reader asked for them.',
    });
    this.#failed = metrics.counter({
      name: 'fetch_failed_reads_total',
      help: 'Partitions of fetches that could not be read.',
    });
    const gauge = (name: string, help: string, collect: () => number) => metrics.gauge({ name, help, collect });
    gauge('fetch_waiters', 'Fetches that wait for records.', gauges.waiters);
    gauge('fetch_leases', 'Answers that clients have not received yet.', gauges.leases);
    gauge('fetch_leased_bytes', 'Memory that those answers keep.', gauges.leasedBytes);
    gauge('tail_cache_bytes', 'Memory of recently written records.', gauges.tailBytes);
    gauge('block_cache_bytes', 'Memory of records read from the stores.', gauges.cacheBytes);
    gauge('chunk_bytes', 'Memory of all record buffers in use.', gauges.chunkBytes);
  }

  answered(bytesBySource: Readonly<Record<RunSource, number>>): void {
    this.#requests.add();
    for (const source of ['tail', 'cache', 'near', 'store'] as const) {
      if (bytesBySource[source] > 0) this.#bytes.add(bytesBySource[source], { source });
    }
  }

  readAhead(bytes: number): void {
    this.#readAhead.add(bytes);
  }

  failed(): void {
    this.#failed.add();
  }
}
