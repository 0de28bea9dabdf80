import type { Runtime } from '../runtime/runtime.ts';

const PUT_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const MS_PER_SECOND = 1_000;

/** What one journal reports, under the label `journal`. */
export interface JournalMetrics {
  written(bytes: number, putMs: number): void;
  retried(): void;
  queued(count: number): void;
  leading(leads: boolean): void;
  /** Bytes of entries that a takeover would have to read. */
  uncovered(bytes: number): void;
  snapshotWritten(bytes: number): void;
  trimmed(entries: number): void;
}

export function journalMetrics({ metrics, clock }: Runtime, journal: number): JournalMetrics {
  const labels = { journal: String(journal) };
  const described = (name: string, help: string) => ({ name, help, labels: ['journal'] });
  const entries = metrics.counter(described('journal_entries_total', 'Entries written.'));
  const bytes = metrics.counter(described('journal_entry_bytes_total', 'Bytes of entries written.'));
  const retries = metrics.counter(described('journal_put_retries_total', 'Puts of entries that had to be repeated.'));
  const putSeconds = metrics.histogram({
    ...described('journal_put_seconds', 'From building an entry to knowing that it is durable.'),
    buckets: PUT_SECONDS,
  });
  const queue = metrics.gauge(described('journal_proposals_waiting', 'Proposals that the newest entry left waiting.'));
  const leader = metrics.gauge(described('journal_leading', '1 while this broker leads the journal.'));
  const uncovered = metrics.gauge(
    described('journal_uncovered_bytes', 'Entries that no snapshot covers yet: what a takeover would have to read.'),
  );
  const snapshotAt = metrics.gauge(
    described('journal_snapshot_timestamp_seconds', 'When the last snapshot became durable, seconds since 1970.'),
  );
  const snapshotBytes = metrics.gauge(described('journal_snapshot_bytes', 'Size of the last snapshot.'));
  const trimmed = metrics.counter(described('journal_entries_trimmed_total', 'Entries deleted.'));
  return {
    written(count, putMs) {
      entries.add(1, labels);
      bytes.add(count, labels);
      putSeconds.observe(putMs / MS_PER_SECOND, labels);
    },
    retried: () => retries.add(1, labels),
    queued: (count) => queue.set(count, labels),
    leading: (leads) => leader.set(leads ? 1 : 0, labels),
    uncovered: (count) => uncovered.set(count, labels),
    snapshotWritten(count) {
      snapshotAt.set(clock.now() / MS_PER_SECOND, labels);
      snapshotBytes.set(count, labels);
    },
    trimmed: (count) => trimmed.add(count, labels),
  };
}
