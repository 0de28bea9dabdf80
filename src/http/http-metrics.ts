import type { Metrics } from '../runtime/metrics.ts';
import type { ByteBudget } from './byte-budget.ts';

/** From a cached answer to a long poll. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What HTTP counts. `route` is the path as documented, so that names of topics make no new series. */
export class HttpMetrics {
  readonly #requests;
  readonly #seconds;
  readonly #requestBytes;
  readonly #answerBytes;

  constructor(metrics: Metrics, budget: ByteBudget) {
    const labels = ['method', 'route'];
    this.#requests = metrics.counter({
      name: 'http_requests_total',
      help: 'HTTP requests answered, by status.',
      labels: [...labels, 'status'],
    });
    this.#seconds = metrics.histogram({
      name: 'http_request_seconds',
      help: 'Time from the head of a request to its answer.',
      labels,
      buckets: SECONDS_BUCKETS,
    });
    this.#requestBytes = metrics.counter({
      name: 'http_request_bytes_total',
      help: 'Bytes of request bodies read.',
      labels,
    });
    this.#answerBytes = metrics.counter({ name: 'http_answer_bytes_total', help: 'Bytes of answer bodies.', labels });
    metrics.gauge({
      name: 'http_held_bytes',
      help: 'Bytes of request bodies and answers in memory.',
      collect: () => budget.held,
    });
  }

  /** For one route: what to call when a request of it is answered. */
  route(method: string, route: string): (answered: Answered) => void {
    const labels = { method, route };
    return ({ status, seconds, requestBytes, answerBytes }) => {
      this.#requests.add(1, { method, route, status: String(status) });
      this.#seconds.observe(seconds, labels);
      if (requestBytes > 0) this.#requestBytes.add(requestBytes, labels);
      if (answerBytes > 0) this.#answerBytes.add(answerBytes, labels);
    };
  }
}

interface Answered {
  readonly status: number;
  readonly seconds: number;
  readonly requestBytes: number;
  readonly answerBytes: number;
}
