import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount?: number, labels?: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

interface Described {
  /** Prometheus name, unit last, without the `millrace_` prefix: `produce_bytes_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** The one registry of a broker. Asking twice for a name gives the same metric. */
export interface Metrics {
  counter(described: Described): Counter;
  gauge(described: Described & { readonly collect?: () => number }): Gauge;
  histogram(described: Described & { readonly buckets: readonly number[] }): Histogram;
  /** Prometheus text exposition format. */
  expose(): Promise<string>;
}

export const METRIC_PREFIX = 'millrace_';

export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();

  counter({ name, help, labels = [] }: Described): Counter {
    const metric =
      (this.#registry.getSingleMetric(METRIC_PREFIX + name) as PromCounter<string> | undefined) ??
      new PromCounter({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels as string[],
        registers: [this.#registry],
      });
    return { add: (amount = 1, of) => (of ? metric.inc(of, amount) : metric.inc(amount)) };
  }

  gauge({ name, help, labels = [], collect }: Described & { readonly collect?: () => number }): Gauge {
    const metric =
      (this.#registry.getSingleMetric(METRIC_PREFIX + name) as PromGauge<string> | undefined) ??
      new PromGauge({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels as string[],
        registers: [this.#registry],
        ...(collect && {
          collect() {
            this.set(collect());
          },
        }),
      });
    return { set: (value, of) => (of ? metric.set(of, value) : metric.set(value)) };
  }

  histogram({ name, help, labels = [], buckets }: Described & { readonly buckets: readonly number[] }): Histogram {
    const metric =
      (this.#registry.getSingleMetric(METRIC_PREFIX + name) as PromHistogram<string> | undefined) ??
      new PromHistogram({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels as string[],
        buckets: buckets as number[],
        registers: [this.#registry],
      });
    return { observe: (value, of) => (of ? metric.observe(of, value) : metric.observe(value)) };
  }

  expose(): Promise<string> {
    return this.#registry.metrics();
  }
}
