import type { Counter, Metrics } from '../../runtime/metrics.ts';

/** Looked at when metrics are asked for. */
export interface TransactionGauges {
  ids(): number;
  open(): number;
  ending(): number;
}

/** Answers the counter of transactions that took too long. */
export function transactionMetrics(metrics: Metrics, { ids, open, ending }: TransactionGauges): Counter {
  metrics.gauge({ name: 'transactional_ids', help: 'Transactional ids that this broker coordinates.', collect: ids });
  metrics.gauge({ name: 'transactions_open', help: 'Transactions that have begun and not ended.', collect: open });
  metrics.gauge({
    name: 'transactions_ending',
    help: 'Transactions whose end is decided and not known to every participant.',
    collect: ending,
  });
  return metrics.counter({ name: 'transactions_timed_out_total', help: 'Transactions aborted at their timeout.' });
}
