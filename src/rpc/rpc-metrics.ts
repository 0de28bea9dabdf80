import type { Counter, Histogram, Metrics } from '../runtime/metrics.ts';

const ROUND_TRIP_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Sums of one method since the last `flush`: adding to a counter with labels costs as much as a small call. */
export class MethodMeter {
  readonly name: string;
  answered = 0;
  failed = 0;
  unavailable = 0;
  seconds = 0;
  served = 0;
  sentBytes = 0;
  receivedBytes = 0;

  constructor(name: string) {
    this.name = name;
  }
}

export class RpcMetrics {
  readonly roundTrip: Histogram;
  readonly #calls: Counter;
  readonly #seconds: Counter;
  readonly #served: Counter;
  readonly #sentBytes: Counter;
  readonly #receivedBytes: Counter;
  readonly #meters = new Map<string, MethodMeter>();

  constructor(metrics: Metrics) {
    const labels = ['method'];
    this.roundTrip = metrics.histogram({
      name: 'rpc_round_trip_seconds',
      help: 'From a ping to another broker to its answer.',
      buckets: ROUND_TRIP_SECONDS,
    });
    this.#calls = metrics.counter({
      name: 'rpc_calls_total',
      help: 'Calls to other brokers, by method and outcome: answered, failed (with an error of the other broker), unavailable.',
      labels: ['method', 'outcome'],
    });
    this.#seconds = metrics.counter({
      name: 'rpc_call_seconds_total',
      help: 'Time that answered calls to other brokers took, waiting on purpose included.',
      labels,
    });
    this.#served = metrics.counter({
      name: 'rpc_served_total',
      help: 'Calls of other brokers that were taken.',
      labels,
    });
    this.#sentBytes = metrics.counter({
      name: 'rpc_sent_bytes_total',
      help: 'Questions and answers sent to other brokers, before encryption.',
      labels,
    });
    this.#receivedBytes = metrics.counter({
      name: 'rpc_received_bytes_total',
      help: 'Questions and answers that came from other brokers.',
      labels,
    });
  }

  /** Methods are few and fixed. */
  of(name: string): MethodMeter {
    let meter = this.#meters.get(name);
    if (meter === undefined) {
      meter = new MethodMeter(name);
      this.#meters.set(name, meter);
    }
    return meter;
  }

  /** To be called now and then. */
  flush(): void {
    for (const meter of this.#meters.values()) {
      const of = { method: meter.name };
      if (meter.answered > 0) this.#calls.add(meter.answered, { ...of, outcome: 'answered' });
      if (meter.failed > 0) this.#calls.add(meter.failed, { ...of, outcome: 'failed' });
      if (meter.unavailable > 0) this.#calls.add(meter.unavailable, { ...of, outcome: 'unavailable' });
      if (meter.seconds > 0) this.#seconds.add(meter.seconds, of);
      if (meter.served > 0) this.#served.add(meter.served, of);
      if (meter.sentBytes > 0) this.#sentBytes.add(meter.sentBytes, of);
      if (meter.receivedBytes > 0) this.#receivedBytes.add(meter.receivedBytes, of);
      meter.answered = 0;
      meter.failed = 0;
      meter.unavailable = 0;
      meter.seconds = 0;
      meter.served = 0;
      meter.sentBytes = 0;
      meter.receivedBytes = 0;
    }
  }
}
