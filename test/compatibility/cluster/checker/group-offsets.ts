/**
 * Committed offsets: whoever asks is told what was committed last, or something that was committed while the question was on its way.
 * What an acknowledged commit replaced before that may not come back.
 */
import type { Anomalies } from './anomalies.ts';
import type { OffsetsEvent, PartitionName } from './history.ts';

interface Commit {
  readonly offset: number;
  readonly invokedAt: number;
  /** Infinity while nobody knows whether it happened. */
  acknowledgedAt: number;
  failed: boolean;
}

interface Look {
  readonly invokedAt: number;
  readonly offset: number;
  readonly client: number;
}

export class GroupOffsets {
  readonly #commits = new Map<string, Commit[]>();
  readonly #looks = new Map<string, Look[]>();
  readonly #open = new Map<string, { readonly event: OffsetsEvent; readonly commits: readonly Commit[] }>();

  add(event: OffsetsEvent): void {
    const key = `${event.client}/${event.op}`;
    if (event.type === 'invoke') {
      this.#open.set(key, { event, commits: event.f === 'commit' ? this.#begin(event) : [] });
      return;
    }
    const open = this.#open.get(key);
    this.#open.delete(key);
    if (!open) throw new Error(`client ${event.client} ended operation ${event.op} that it never began`);
    for (const commit of open.commits) {
      if (event.type === 'ok') commit.acknowledgedAt = event.at;
      commit.failed = event.type === 'fail';
    }
    if (event.f !== 'committed' || event.type !== 'ok') return;
    for (const [partition, offset] of Object.entries(event.offsets ?? {})) {
      push(this.#looks, nameOf(event, partition), { invokedAt: open.event.at, offset, client: event.client });
    }
  }

  #begin(event: OffsetsEvent): Commit[] {
    return Object.entries(event.offsets ?? {}).map(([partition, offset]) => {
      const commit = { offset, invokedAt: event.at, acknowledgedAt: Infinity, failed: false };
      push(this.#commits, nameOf(event, partition), commit);
      return commit;
    });
  }

  check(anomalies: Anomalies, nameOfClient: (client: number) => string): void {
    for (const [name, looks] of this.#looks) {
      const commits = (this.#commits.get(name) ?? []).filter(({ failed }) => !failed);
      for (const look of looks) {
        // The last of those that were certainly in force when the question was asked.
        const settled = commits
          .filter(({ acknowledgedAt }) => acknowledgedAt < look.invokedAt)
          .reduce((last, { invokedAt }) => Math.max(last, invokedAt), -Infinity);
        const possible = commits.some(
          ({ offset, acknowledgedAt }) => offset === look.offset && acknowledgedAt >= settled,
        );
        if (possible || (look.offset === -1 && settled === -Infinity)) continue;
        anomalies.add('stale-offsets', `${nameOfClient(look.client)} was told offset ${look.offset} of ${name}`);
      }
    }
  }
}

const nameOf = ({ group }: OffsetsEvent, partition: PartitionName) => `group ${group}, ${partition}`;

function push<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
