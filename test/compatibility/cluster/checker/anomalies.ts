/** What a checker found: all of it counted, some of each kind told in words. */
export const KINDS = {
  'lost-write': 'acknowledged, and not there although later offsets are',
  unseen: 'acknowledged, and nobody saw it to the end',
  duplicate: 'one value at two offsets',
  'inconsistent-offsets': 'two values at one offset',
  'leader-epochs': 'of one record two leader epochs were told, or an earlier one than of a record before it',
  'skipped-poll': 'a consumer was not given what lay between two records',
  'nonmonotonic-poll': 'a consumer was given an earlier offset again',
  'nonmonotonic-send': 'sends of one producer in another order than it sent them',
  'realtime-order': 'a send that began after another was acknowledged got a lower offset',
  'aborted-read': 'G1a: somebody read what failed or was aborted',
  'torn-transaction': 'G1b: of one transaction some is visible and some is not',
  'precommitted-read': 'read before anybody asked to commit it',
  cycle: 'G1c: transactions that read each other in a circle',
  'stale-offsets': 'a group was told an offset older than one it had been acknowledged',
  unknown: 'a record that nobody sent',
  'processed-twice': 'a chain wrote two committed records for one that it read',
  'never-processed': 'a chain wrote none for one that it should have read',
  trouble: 'a client was told or did what may not happen',
} as const;

export type Kind = keyof typeof KINDS;

const TOLD_MAX = 20;

export class Anomalies {
  readonly #found = new Map<Kind, { count: number; readonly told: string[] }>();

  add(kind: Kind, message: string): void {
    const found = this.#found.get(kind) ?? { count: 0, told: [] };
    this.#found.set(kind, found);
    found.count += 1;
    if (found.told.length < TOLD_MAX) found.told.push(message);
  }

  get size(): number {
    return [...this.#found.values()].reduce((sum, { count }) => sum + count, 0);
  }

  count(kind: Kind): number {
    return this.#found.get(kind)?.count ?? 0;
  }

  /** Lines for people. */
  toString(): string {
    return [...this.#found]
      .flatMap(([kind, { count, told }]) => [
        `${kind} (${KINDS[kind]}): ${count}`,
        ...told.map((message) => `  ${message}`),
        ...(count > told.length ? [`  and ${count - told.length} more`] : []),
      ])
      .join('\n');
  }
}
