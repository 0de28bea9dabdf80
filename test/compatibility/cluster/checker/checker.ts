/**
 * Reads a history and tells what should not have been, in the manner of Jepsen's workload for Kafka. Events may come in
 * any order in which each client's own are in order. What lies at an offset is known from acknowledgements and polls
 * together; everything that depends on the whole is judged in `finish`.
 *
 * Whoever records a history lets somebody read every partition to its end when all is quiet: what nobody saw then is
 * unseen, or lost when something behind it was seen.
 */
import { Anomalies } from './anomalies.ts';
import { Column } from './column.ts';
import { GroupOffsets } from './group-offsets.ts';
import {
  clientOf,
  counterOf,
  type HistoryEvent,
  type PartitionName,
  type PollEvent,
  type ProcessedEvent,
  type SendEvent,
} from './history.ts';
import { type Gap, Positions } from './positions.ts';
import { Transactions } from './transactions.ts';
import { ACKNOWLEDGED, FAILED, PROCESSED, SEEN, SEEN_COMMITTED, SENT, Writes } from './writes.ts';

interface PartitionLog {
  readonly name: PartitionName;
  readonly valueAt: Column;
  readonly epochAt: Column;
  /** The highest that was polled; -1 at first. */
  polled: number;
}

export interface Verdict {
  readonly anomalies: Anomalies;
  /** What the history held, for the summary. */
  readonly totals: {
    readonly sent: number;
    readonly acknowledged: number;
    readonly failed: number;
    readonly unknown: number;
    readonly polled: number;
    readonly transactions: number;
    readonly committed: number;
    /** Twice in the log, of clients that may repeat themselves. */
    readonly repeated: number;
  };
}

export class Checker {
  readonly #writes = new Writes();
  readonly #transactions = new Transactions(this.#writes);
  readonly #positions = new Positions();
  readonly #groups = new GroupOffsets();
  readonly #anomalies = new Anomalies();
  readonly #numbers = new Map<PartitionName, number>();
  readonly #logs: PartitionLog[] = [];
  #polled = 0;
  #repeated = 0;
  /** Whether there were chains. */
  #processing = false;

  add(event: HistoryEvent): void {
    if (event.f === 'client') this.#writes.begin(event);
    else if (event.f === 'send') this.#send(event);
    else if (event.f === 'poll') this.#poll(event);
    else if (event.f === 'end') this.#transactions.end(event);
    else if (event.f === 'processed') this.#process(event);
    else if (event.f === 'trouble') this.#anomalies.add('trouble', `${this.#nameOf(event.client)}: ${event.what}`);
    else if (event.f === 'assign') {
      this.#positions.reset(event.client, event.partitions?.map((name) => this.#number(name)) ?? null);
    } else this.#groups.add(event);
  }

  finish(): Verdict {
    const totals = { acknowledged: 0, failed: 0, unknown: 0 };
    for (const client of this.#writes.clients.keys()) {
      for (const value of this.#writes.values(client)) {
        const state = this.#writes.state(value);
        if (state & ACKNOWLEDGED) totals.acknowledged += 1;
        else if (state & FAILED) totals.failed += 1;
        else totals.unknown += 1;
        this.#checkWrite(value, state);
      }
      if (this.#writes.clients.get(client)!.ordered) this.#checkOrder(client);
    }
    for (const gap of this.#positions.gaps) this.#checkGap(gap);
    for (const log of this.#logs) {
      this.#checkRealtime(log);
      this.#checkEpochs(log);
    }
    this.#transactions.check(this.#anomalies);
    this.#groups.check(this.#anomalies, (client) => this.#nameOf(client));
    const { all } = this.#transactions;
    return {
      anomalies: this.#anomalies,
      totals: {
        sent: this.#writes.count,
        ...totals,
        polled: this.#polled,
        transactions: all.length,
        committed: all.filter(({ committed }) => committed).length,
        repeated: this.#repeated,
      },
    };
  }

  #send(event: SendEvent): void {
    const { type, value, at, offset } = event;
    if (type === 'invoke') {
      const transaction = event.txn === undefined ? null : this.#transactions.number(event.client, event.txn);
      if (transaction !== null) this.#transactions.all[transaction]!.wrote.push(value);
      this.#writes.invoke(event, this.#number(event.partition!), transaction);
    } else if (type === 'fail') this.#writes.mark(value, FAILED);
    else if (type === 'ok') {
      this.#writes.acknowledge(value, at);
      const partition = this.#writes.partition(value);
      if (offset !== undefined && offset >= 0) this.#observe(partition, offset, value, event.client);
    }
  }

  #poll({ client, records, txn, at }: PollEvent): void {
    const committedOnly = this.#writes.clients.get(client)?.isolation === 'read_committed';
    for (const [name, pairs] of Object.entries(records)) {
      const partition = this.#number(name);
      const log = this.#logs[partition]!;
      for (const [index, [offset, value, epoch]] of pairs.entries()) {
        this.#polled += 1;
        if (epoch !== undefined) this.#observeEpoch(log, offset, epoch, client);
        log.polled = Math.max(log.polled, offset);
        const before = this.#positions.advance(client, partition, offset, index > 0, committedOnly);
        if (before !== null) {
          this.#anomalies.add(
            'nonmonotonic-poll',
            `${this.#nameOf(client)} was given offset ${offset} of ${name} (${this.#writes.name(value)}) after ${before}, ${index > 0 ? 'in one poll' : 'in the next poll'}`,
          );
        }
        this.#observe(partition, offset, value, client);
        this.#writes.mark(value, committedOnly ? SEEN | SEEN_COMMITTED : SEEN);
        if (committedOnly) this.#writes.seen(value, at, client);
        if (txn !== undefined) this.#transactions.all[this.#transactions.number(client, txn)]!.read.push(value);
      }
    }
  }

  /** Somebody was told that this value is at this offset. */
  #observe(partition: number, offset: number, value: number, client: number): void {
    const { name, valueAt } = this.#logs[partition]!;
    const there = valueAt.get(offset);
    if (Number.isNaN(there)) valueAt.set(offset, value);
    else if (there !== value) {
      this.#anomalies.add(
        'inconsistent-offsets',
        `${name} at ${offset} holds ${this.#writes.name(there)}, and for ${this.#nameOf(client)} ${this.#writes.name(value)}`,
      );
      return;
    }
    const known = this.#writes.offset(value);
    if (Number.isNaN(known)) this.#writes.place(value, offset);
    else if (known === offset || !Number.isNaN(there)) return;
    else if (this.#writes.clients.get(clientOf(value))?.mayRepeat) this.#repeated += 1;
    else {
      this.#anomalies.add(
        'duplicate',
        `${this.#writes.name(value)} is at ${known} and, for ${this.#nameOf(client)}, at ${offset} of ${name}`,
      );
    }
  }

  #observeEpoch({ name, epochAt }: PartitionLog, offset: number, epoch: number, client: number): void {
    const known = epochAt.get(offset);
    if (Number.isNaN(known)) epochAt.set(offset, epoch);
    else if (known !== epoch) {
      const told = `${this.#nameOf(client)} was told epoch ${epoch}`;
      this.#anomalies.add('leader-epochs', `${name} at ${offset} was appended in epoch ${known}, and ${told}`);
    }
  }

  #checkEpochs({ name, epochAt }: PartitionLog): void {
    let before = -1;
    for (let offset = 0; offset < epochAt.length; offset++) {
      const epoch = epochAt.get(offset);
      if (epoch < before) {
        const told = `${name} at ${offset} was appended in epoch ${epoch}`;
        this.#anomalies.add('leader-epochs', `${told}, and something before it in ${before}`);
      }
      if (epoch > before) before = epoch;
    }
  }

  #process({ inputs }: ProcessedEvent): void {
    this.#processing = true;
    for (const value of inputs) {
      if (this.#writes.state(value) & PROCESSED) this.#anomalies.add('processed-twice', this.#writes.name(value));
      this.#writes.mark(value, PROCESSED);
    }
  }

  #checkWrite(value: number, state: number): void {
    const log = this.#logs[this.#writes.partition(value)]!;
    const transaction = this.#writes.transaction(value);
    if (state & FAILED && state & SEEN) {
      this.#anomalies.add('aborted-read', `${this.#writes.name(value)} failed, and is at ${this.#placeOf(value)}`);
    }
    if (this.#processing && log.name.startsWith('txn/') && state & SEEN_COMMITTED && !(state & PROCESSED)) {
      this.#anomalies.add('never-processed', `${this.#writes.name(value)}, at ${this.#placeOf(value)}`);
    }
    if (!(state & ACKNOWLEDGED) || state & SEEN) return;
    if (!Number.isNaN(transaction) && this.#transactions.isVisible(transaction) !== true) return;
    const offset = this.#writes.offset(value);
    const told = `${this.#writes.name(value)}, acknowledged at ${this.#placeOf(value)}`;
    if (offset < log.polled) this.#anomalies.add('lost-write', `${told}, and ${log.polled} was polled`);
    else this.#anomalies.add('unseen', told);
  }

  #checkOrder(client: number): void {
    const last = new Map<number, number>();
    for (const value of this.#writes.values(client)) {
      const offset = this.#writes.offset(value);
      if (Number.isNaN(offset)) continue;
      const partition = this.#writes.partition(value);
      const before = last.get(partition);
      last.set(partition, value);
      if (before === undefined || this.#writes.offset(before) < offset) continue;
      const together = this.#writes.transaction(before) === this.#writes.transaction(value);
      this.#anomalies.add(
        'nonmonotonic-send',
        `${this.#writes.name(value)} is at ${this.#placeOf(value)}, and value ${counterOf(before)}, sent before it, at ${this.#writes.offset(before)}${together ? ', both in one transaction' : ''}`,
      );
    }
  }

  #checkGap({ partition, from, to, committedOnly, internal, consumer }: Gap): void {
    const { name, valueAt } = this.#logs[partition]!;
    for (let offset = from; offset < to; offset++) {
      const value = valueAt.get(offset);
      if (Number.isNaN(value)) continue;
      const transaction = this.#writes.transaction(value);
      // Who reads everything is given all that lies there, whatever becomes of it.
      if (committedOnly && !Number.isNaN(transaction) && this.#transactions.isVisible(transaction) !== true) continue;
      this.#anomalies.add(
        'skipped-poll',
        `${this.#nameOf(consumer)} was given ${to} of ${name} ${internal ? 'in one poll with' : 'after'} ${from - 1}, not ${offset} (${this.#writes.name(value)})`,
      );
    }
  }

  /** From the end of the log: nothing may have begun after something behind it was acknowledged. */
  #checkRealtime({ name, valueAt }: PartitionLog): void {
    let earliest = Infinity;
    let who = Number.NaN;
    for (let offset = valueAt.length - 1; offset >= 0; offset--) {
      const value = valueAt.get(offset);
      if (Number.isNaN(value)) continue;
      if (!(this.#writes.state(value) & SENT)) {
        this.#anomalies.add('unknown', `${name} at ${offset} holds ${value}, which nobody sent`);
        continue;
      }
      if (this.#writes.invokedAt(value) > earliest && !this.#mayRepeat(value)) {
        const late = Math.round((this.#writes.invokedAt(value) - earliest) / 1_000);
        this.#anomalies.add(
          'realtime-order',
          `${this.#writes.name(value)} is at ${offset} of ${name}, and was sent ${late} ms after ${this.#writes.name(who)} had been acknowledged at ${this.#writes.offset(who)}`,
        );
      }
      const acknowledgedAt = this.#writes.acknowledgedAt(value);
      if (acknowledgedAt < earliest && this.#writes.offset(value) === offset) {
        earliest = acknowledgedAt;
        who = value;
      }
    }
  }

  #mayRepeat(value: number): boolean {
    return this.#writes.clients.get(clientOf(value))?.mayRepeat === true;
  }

  #placeOf(value: number): string {
    const offset = this.#writes.offset(value);
    const { name } = this.#logs[this.#writes.partition(value)]!;
    return `${Number.isNaN(offset) ? 'an unknown offset' : offset} of ${name}`;
  }

  #nameOf(client: number): string {
    return this.#writes.nameOfClient(client);
  }

  #number(name: PartitionName): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#logs.length;
      this.#numbers.set(name, number);
      this.#logs.push({ name, valueAt: new Column(), epochAt: new Column(), polled: -1 });
    }
    return number;
  }
}
