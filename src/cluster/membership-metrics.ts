import type { Metrics } from '../runtime/metrics.ts';

export interface MembershipNumbers {
  readonly live: () => number;
  readonly isController: () => boolean;
  readonly led: () => number;
  readonly unled: () => number;
}

/** What a broker tells of its cluster as it sees it. */
export class MembershipMetrics {
  readonly #heartbeats;
  readonly #takeovers;

  constructor(metrics: Metrics, numbers: MembershipNumbers) {
    metrics.gauge({
      name: 'cluster_live_brokers',
      help: 'Brokers of the cluster that this one sees, itself included.',
      collect: numbers.live,
    });
    metrics.gauge({
      name: 'cluster_is_controller',
      help: '1 while this broker is the controller of the cluster; the sum over all brokers should be 1.',
      collect: () => (numbers.isController() ? 1 : 0),
    });
    metrics.gauge({
      name: 'cluster_led_journals',
      help: 'Journals that this broker leads.',
      collect: numbers.led,
    });
    metrics.gauge({
      name: 'cluster_unled_journals',
      help: 'Journals that nobody is known to lead: their partitions take no records.',
      collect: numbers.unled,
    });
    this.#heartbeats = metrics.counter({
      name: 'cluster_heartbeats_total',
      help: 'Heartbeats written to the table, by outcome.',
      labels: ['outcome'],
    });
    this.#takeovers = metrics.counter({
      name: 'cluster_takeovers_total',
      help: 'Attempts of this broker to lead a journal, by outcome.',
      labels: ['outcome'],
    });
  }

  heartbeat(outcome: 'ok' | 'failed'): void {
    this.#heartbeats.add(1, { outcome });
  }

  takeover(outcome: 'leads' | 'failed'): void {
    this.#takeovers.add(1, { outcome });
  }
}
