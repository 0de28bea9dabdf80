/** The transactions of a history: what each wrote and read, how it ended, and who saw it when. */
import type { Anomalies } from './anomalies.ts';
import { findCycle } from './cycles.ts';
import type { EndEvent } from './history.ts';
import { ACKNOWLEDGED, SEEN_COMMITTED, type Writes } from './writes.ts';

export interface Transaction {
  readonly name: string;
  /** Acknowledged or not. */
  readonly wrote: number[];
  readonly read: number[];
  commitInvokedAt: number | null;
  committed: boolean;
}

export class Transactions {
  readonly all: Transaction[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #writes: Writes;

  constructor(writes: Writes) {
    this.#writes = writes;
  }

  number(client: number, txn: number): number {
    const key = `${client}/${txn}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.all.length;
      this.#numbers.set(key, number);
      const name = `transaction ${txn} of ${this.#writes.nameOfClient(client)}`;
      this.all.push({ name, wrote: [], read: [], commitInvokedAt: null, committed: false });
    }
    return number;
  }

  end({ client, txn, type, commit, at }: EndEvent): void {
    const transaction = this.all[this.number(client, txn)]!;
    if (!commit) return;
    if (type === 'fail') transaction.commitInvokedAt = null;
    else if (type === 'invoke') transaction.commitInvokedAt ??= at;
    else if (type === 'ok') transaction.committed = true;
  }

  /** Whether readers of committed records have to be given it. Null: nobody can know. */
  isVisible(number: number): boolean | null {
    const { committed, commitInvokedAt, wrote } = this.all[number]!;
    if (committed || wrote.some((value) => this.#isSeen(value))) return true;
    return commitInvokedAt === null ? false : null;
  }

  check(anomalies: Anomalies): void {
    for (const transaction of this.all) this.#checkReads(transaction, anomalies);
    this.#checkCycles(anomalies);
  }

  #checkReads({ name, wrote, commitInvokedAt }: Transaction, anomalies: Anomalies): void {
    const seen = wrote.filter((value) => this.#isSeen(value));
    if (seen.length === 0) return;
    const first = seen.reduce((one, other) => (this.#writes.seenAt(other) < this.#writes.seenAt(one) ? other : one));
    const reader = this.#writes.nameOfClient(this.#writes.seenBy(first));
    const told = `${reader} read ${this.#writes.name(first)} at offset ${this.#writes.offset(first)}, of ${name},`;
    if (commitInvokedAt === null) {
      anomalies.add('aborted-read', `${told} which nobody asked to commit`);
      return;
    }
    const early = commitInvokedAt - this.#writes.seenAt(first);
    if (early > 0) anomalies.add('precommitted-read', `${told} ${early} us before its commit was asked for`);
    const missing = wrote.filter((value) => this.#writes.state(value) & ACKNOWLEDGED && !this.#isSeen(value));
    if (missing.length > 0) {
      anomalies.add(
        'torn-transaction',
        `of ${name} ${seen.length} values are visible, such as ${this.#writes.name(first)}, and ${missing.length} are not, such as ${this.#writes.name(missing[0]!)}`,
      );
    }
  }

  #isSeen(value: number): boolean {
    return (this.#writes.state(value) & SEEN_COMMITTED) !== 0;
  }

  /** Who reads depends on who wrote. Kafka isolates no writes from each other, so the order of writes says nothing here. */
  #checkCycles(anomalies: Anomalies): void {
    const edges = this.all.map(({ read, committed }, reader) => {
      if (!committed) return [];
      const writers = new Set(
        read.map((value) => this.#writes.transaction(value)).filter((each) => !Number.isNaN(each)),
      );
      writers.delete(reader);
      return [...writers];
    });
    const cycle = findCycle(edges);
    if (!cycle) return;
    const steps = cycle.map((reader, at) => {
      const writer = cycle[(at + 1) % cycle.length]!;
      const value = this.all[reader]!.read.find((each) => this.#writes.transaction(each) === writer)!;
      return `${this.all[reader]!.name} read ${this.#writes.name(value)} of ${this.all[writer]!.name}`;
    });
    anomalies.add('cycle', steps.join('; '));
  }
}
