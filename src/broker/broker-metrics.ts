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

interface ApiCount {
  readonly labels: Labels;
  requests: number;
}

/** What the Kafka door counts. Hot figures are kept in plain numbers and handed on when somebody looks. */
export class BrokerMetrics {
  readonly #requests: Counter;
  readonly #errors: Counter;
  readonly #latency: Histogram;
  readonly #receivedBytes: Counter;
  readonly #sentBytes: Counter;
  readonly #closed: Counter;
  readonly #throttled: Counter;
  readonly #apis = new Map<string, ApiCount>();
  #received = 0;
  #sent = 0;

  constructor(metrics: Metrics, gauges: BrokerGauges) {
    // Registered before the counters, hence collected before them: that is when they get what has come together.
    const collect = () => {
      this.#handOn();
      return gauges.connections();
    };
    metrics.gauge({ name: 'kafka_connections', help: 'Open Kafka connections.', collect });
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
    this.#receivedBytes = metrics.counter({
      name: 'kafka_received_bytes_total',
      help: 'Bytes read from Kafka clients.',
    });
    this.#sentBytes = metrics.counter({ name: 'kafka_sent_bytes_total', help: 'Bytes sent to Kafka clients.' });
    this.#closed = metrics.counter({
      name: 'kafka_connections_closed_total',
      help: 'Kafka connections that the broker closed, by reason.',
      labels: ['reason'],
    });
    this.#throttled = metrics.counter({
      name: 'kafka_throttle_seconds_total',
      help: 'Time that Kafka clients were told to wait because of quotas, by API.',
      labels: ['api'],
    });
  }

  requested(apiName: string): void {
    this.#countOf(apiName).requests++;
  }

  answered(apiName: string, elapsedMs: number): void {
    this.#latency.observe(elapsedMs / 1_000, this.#countOf(apiName).labels);
  }

  failed(apiName: string, error: ErrorName): void {
    this.#errors.add(1, { api: apiName, error });
  }

  throttled(apiName: string, throttleMs: number): void {
    this.#throttled.add(throttleMs / 1_000, { api: apiName });
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  sent(bytes: number): void {
    this.#sent += bytes;
  }

  closed(reason: string): void {
    this.#closed.add(1, { reason });
  }

  #handOn(): void {
    for (const count of this.#apis.values()) {
      this.#requests.add(count.requests, count.labels);
      count.requests = 0;
    }
    this.#receivedBytes.add(this.#received);
    this.#sentBytes.add(this.#sent);
    this.#received = 0;
    this.#sent = 0;
  }

  #countOf(apiName: string): ApiCount {
    let count = this.#apis.get(apiName);
    if (count === undefined) {
      count = { labels: { api: apiName }, requests: 0 };
      this.#apis.set(apiName, count);
    }
    return count;
  }
}
