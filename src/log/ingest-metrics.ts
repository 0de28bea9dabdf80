import type { Metrics } from '../runtime/metrics.ts';
import type { FlushReason } from './cadence.ts';

const KIB = 1024;

/** What ingest tells. Hot numbers are added once per flush. */
export class IngestMetrics {
  readonly #requests;
  readonly #batches;
  readonly #bytes;
  readonly #refused;
  readonly #failed;
  readonly #again;
  readonly #flushes;
  readonly #flushBytes;
  readonly #uploadSeconds;
  /** Calls of produce since the last flush. */
  requests = 0;

  constructor(metrics: Metrics, bufferedBytes: () => number) {
    this.#requests = metrics.counter({ name: 'produce_requests_total', help: 'Calls of produce.' });
    this.#batches = metrics.counter({ name: 'produce_batches_total', help: 'Record batches that left in a flush.' });
    this.#bytes = metrics.counter({
      name: 'produce_bytes_total',
      help: 'Bytes of record batches that left in a flush.',
    });
    this.#refused = metrics.counter({
      name: 'produce_refused_batches_total',
      help: 'Record batches refused, by error.',
      labels: ['error'],
    });
    this.#failed = metrics.counter({
      name: 'produce_failed_batches_total',
      help: 'Record batches whose flush failed; their clients were told to retry.',
    });
    this.#again = metrics.counter({
      name: 'produce_appends_again_total',
      help: 'How often appends were sent again because the leader of their journal did not answer.',
    });
    this.#flushes = metrics.counter({
      name: 'ingest_flushes_total',
      help: 'Flushes by the way they went and by why they left.',
      labels: ['kind', 'reason'],
    });
    this.#flushBytes = metrics.histogram({
      name: 'ingest_flush_bytes',
      help: 'Size of flushes.',
      labels: ['kind'],
      buckets: [KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB, 4096 * KIB, 16_384 * KIB],
    });
    this.#uploadSeconds = metrics.histogram({
      name: 'ingest_upload_seconds',
      help: 'Time to create a segment.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
    metrics.gauge({
      name: 'ingest_buffer_bytes',
      help: 'Records accepted and not yet durable.',
      collect: bufferedBytes,
    });
  }

  flushed(kind: 'inline' | 'segment', reason: FlushReason, bytes: number, batches: number): void {
    this.#flushes.add(1, { kind, reason });
    this.#flushBytes.observe(bytes, { kind });
    this.#bytes.add(bytes);
    this.#batches.add(batches);
    if (this.requests > 0) this.#requests.add(this.requests);
    this.requests = 0;
  }

  uploaded(ms: number): void {
    this.#uploadSeconds.observe(ms / 1000);
  }

  refused(error: string): void {
    this.#refused.add(1, { error });
  }

  wentBack(): void {
    this.#again.add();
  }

  failed(batches: number): void {
    this.#failed.add(batches);
  }
}
