/** Everything that was sent, by client and counter, in columns: 64 bytes a value. */
import { Column } from './column.ts';
import { type ClientEvent, clientOf, counterOf, type SendEvent, VALUES_PER_CLIENT } from './history.ts';

/** Bits of a value's state. */
export const SENT = 1;
export const ACKNOWLEDGED = 2;
export const FAILED = 4;
/** By anybody. */
export const SEEN = 8;
/** By a reader of committed records. */
export const SEEN_COMMITTED = 16;
/** A chain made a record of it. */
export const PROCESSED = 32;

interface ClientWrites {
  readonly partition: Column;
  readonly transaction: Column;
  readonly offset: Column;
  readonly state: Column;
  readonly invokedAt: Column;
  readonly acknowledgedAt: Column;
  /** The earliest answer to a reader of committed records that had it, and who that was. */
  readonly seenAt: Column;
  readonly seenBy: Column;
}

/** Of one history. More would not fit the memory that a test may take. */
export const VALUES_MAX = 4_000_000;

export class Writes {
  readonly clients = new Map<number, ClientEvent>();
  readonly #columns = new Map<number, ClientWrites>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  begin(event: ClientEvent): void {
    this.clients.set(event.client, event);
  }

  invoke({ client, value, at }: SendEvent, partition: number, transaction: number | null): void {
    if (clientOf(value) !== client) throw new Error(`client ${client} sent ${value}, a value of another`);
    this.#count += 1;
    if (this.#count > VALUES_MAX) throw new Error(`a history of more than ${VALUES_MAX} values`);
    const columns = this.#of(client);
    const counter = counterOf(value);
    columns.partition.set(counter, partition);
    if (transaction !== null) columns.transaction.set(counter, transaction);
    columns.invokedAt.set(counter, at);
    this.mark(value, SENT);
  }

  acknowledge(value: number, at: number): void {
    this.#of(clientOf(value)).acknowledgedAt.set(counterOf(value), at);
    this.mark(value, ACKNOWLEDGED);
  }

  /** Told by a reader of committed records. It may be known here before the sending is. */
  seen(value: number, at: number, reader: number): void {
    const { seenAt, seenBy } = this.#of(clientOf(value));
    if (at >= this.seenAt(value)) return;
    seenAt.set(counterOf(value), at);
    seenBy.set(counterOf(value), reader);
  }

  mark(value: number, bit: number): void {
    const { state } = this.#of(clientOf(value));
    state.set(counterOf(value), this.state(value) | bit);
  }

  state(value: number): number {
    return this.#read(value, 'state') || 0;
  }

  partition = (value: number): number => this.#read(value, 'partition');
  /** NaN outside of transactions. */
  transaction = (value: number): number => this.#read(value, 'transaction');
  offset = (value: number): number => this.#read(value, 'offset');
  invokedAt = (value: number): number => this.#read(value, 'invokedAt');
  seenAt = (value: number): number => this.#read(value, 'seenAt');
  seenBy = (value: number): number => this.#read(value, 'seenBy');
  acknowledgedAt = (value: number): number => this.#read(value, 'acknowledgedAt');

  place(value: number, offset: number): void {
    this.#of(clientOf(value)).offset.set(counterOf(value), offset);
  }

  /** All values of a client in the order in which it sent them. */
  *values(client: number): Generator<number> {
    const length = this.#columns.get(client)?.state.length ?? 0;
    for (let counter = 0; counter < length; counter++) {
      const value = client * VALUES_PER_CLIENT + counter;
      if (this.state(value) & SENT) yield value;
    }
  }

  nameOfClient(client: number): string {
    return this.clients.get(client)?.name ?? `client ${client}`;
  }

  /** For messages: `7 of idempotent 3`. */
  name(value: number): string {
    return `value ${counterOf(value)} of ${this.nameOfClient(clientOf(value))}`;
  }

  #read(value: number, column: keyof ClientWrites): number {
    return this.#columns.get(clientOf(value))?.[column].get(counterOf(value)) ?? Number.NaN;
  }

  #of(client: number): ClientWrites {
    let columns = this.#columns.get(client);
    if (!columns) {
      columns = {
        partition: new Column(),
        transaction: new Column(),
        offset: new Column(),
        state: new Column(),
        invokedAt: new Column(),
        acknowledgedAt: new Column(),
        seenAt: new Column(),
        seenBy: new Column(),
      };
      this.#columns.set(client, columns);
    }
    return columns;
  }
}
