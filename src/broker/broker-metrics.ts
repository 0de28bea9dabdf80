import type { ErrorName } from '../errors.ts';
import type { Counter, Histogram, Labels, Metrics } from '../runtime/metrics.ts';

const LATENCY_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Figures that are read when somebody looks. */
export interface BrokerGauges {
  connections(): number;
  requestsInFlight(): number;
  frameBytes(): number;
  unsentBytes(): number;
}

/** What the Kafka door counts. */
export class BrokerMetrics {
  readonly #requests: Counter;
  readonly #errors: Counter;
  readonly #latency: Histogram;
  readonly #bytesIn: Counter;
  readonly #bytesOut: Counter;
  readonly #refused: Counter;
  readonly #labels = new Map<string, Labels>();

  constructor(metrics: Metrics, gauges: BrokerGauges) {
    this.#requests = metrics.counter({
      name: 'kafka_requests_total',
      help: 'Kafka requests taken in, by API.',
      labels: ['api'],
    });
    this.#errors = metrics.counter({
      name: 'kafka_errors_total',
      help: 'Errors answered to Kafka clients, by API and error name; one per partition or item.',
      labels: ['api', 'error'],
    });
    this.#latency = metrics.histogram({
      name: 'kafka_request_seconds',
      help: 'From the last byte of a Kafka request to its encoded response, waiting included.',
      labels: ['api'],
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    this.#bytesIn = metrics.counter({ name: 'kafka_received_bytes_total', help: 'Bytes read from Kafka clients.' });
    this.#bytesOut = metrics.counter({ name: 'kafka_sent_bytes_total', help: 'Bytes sent to Kafka clients.' });
    this.#refused = metrics.counter({
      name: 'kafka_connections_closed_total',
      help: 'Kafka connections that the broker closed, by reason.',
      labels: ['reason'],
    });
    metrics.gauge({ name: 'kafka_connections', help: 'Open Kafka connections.', collect: gauges.connections });
    metrics.gauge({
      name: 'kafka_requests_in_flight',
      help: 'Kafka requests in work.',
      collect: gauges.requestsInFlight,
    });
    metrics.gauge({
      name: 'kafka_frame_bytes',
      help: 'Memory of Kafka requests that have arrived in part or wait for their turn.',
      collect: gauges.frameBytes,
    });
    metrics.gauge({
      name: 'kafka_unsent_bytes',
      help: 'Responses that their clients have not read yet.',
      collect: gauges.unsentBytes,
    });
  }

  requested(apiName: string): void {
    this.#requests.add(1, this.#labelsOf(apiName));
  }

  answered(apiName: string, elapsedMs: number): void {
    this.#latency.observe(elapsedMs / 1_000, this.#labelsOf(apiName));
  }

  failed(apiName: string, error: ErrorName): void {
    this.#errors.add(1, { api: apiName, error });
  }

  received(bytes: number): void {
    this.#bytesIn.add(bytes);
  }

  sent(bytes: number): void {
    this.#bytesOut.add(bytes);
  }

  closed(reason: string): void {
    this.#refused.add(1, { reason });
  }

  /** One object per API, not one per request. */
  #labelsOf(apiName: string): Labels {
    let labels = this.#labels.get(apiName);
    if (labels === undefined) {
      labels = { api: apiName };
      this.#labels.set(apiName, labels);
    }
    return labels;
  }
}
