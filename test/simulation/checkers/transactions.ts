/**
 * Invariant 4, second half: a committed transaction is visible whole or not at all to a read_committed reader, an aborted
 * one never; the last stable offset moves on once transactions end or time out.
 *
 * Seen in the journals: records of a transaction stand between its guard and its marker and nowhere else, those of one
 * guard are of one transaction of the client, and all markers of a transaction say the same, which is what its client was
 * told. Seen in answers: nothing undecided, and what is to be skipped is what was aborted.
 */
import {
  type Checker,
  type FetchSeen,
  type HistoryEvent,
  type LedgerBatch,
  type LedgerMarker,
  nameOf,
  type PartitionName,
  type SentBatch,
  Violation,
} from '../history.ts';

/** A transaction of a client: what became of it. */
interface Fate {
  /** What its markers say; null before the first. */
  committed: boolean | null;
  /** What the client was told; null as long as it knows nothing. */
  told: boolean | null;
}

interface Guarded extends PartitionName {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly number: number;
  /** The client's name of it, once a record is there. */
  transaction: number | null;
  firstOffset: number;
  readonly batches: number[];
}

export const transactions = (): Transactions => new Transactions();

export class Transactions implements Checker {
  readonly name = 'transactions';
  readonly #sent = new Map<number, SentBatch>();
  readonly #fates = new Map<number, Fate>();
  readonly #open = new Map<string, Guarded>();
  readonly #lastNumbers = new Map<string, number>();
  /** Of batches that markers decided. */
  readonly #decided = new Map<number, boolean>();

  /** Transactions of partitions that have no marker yet. */
  get openCount(): number {
    return this.#open.size;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'sent':
        if (event.batch.transaction !== undefined) this.#sent.set(event.batch.batchId, event.batch);
        return;
      case 'transactionGuarded':
        this.#guarded(event);
        return;
      case 'batchAppended':
        this.#appended(event.batch);
        return;
      case 'markerAppended':
        this.#marked(event.marker);
        return;
      case 'markerRemembered':
        this.#remembered(event);
        return;
      case 'partitionDeleted':
        this.#forget(event);
        return;
      case 'transactionEnded':
        this.#told(event.transaction, event.committed);
        return;
      case 'fetched':
        if (event.isolation === 'read_committed' && event.error === 'NONE') this.#fetched(event);
        return;
      case 'quiet':
        this.#quiet();
        return;
      default:
    }
  }

  #guarded(event: Extract<HistoryEvent, { type: 'transactionGuarded' }>): void {
    const { topicId, partition, producerId, producerEpoch, number } = event;
    const key = keyOf(event, producerId);
    const open = this.#open.get(key);
    const where = `producer ${producerId} on ${nameOf(event)}`;
    if (open) this.#fail(`transaction ${number} of ${where} begins while ${open.number} is open`);
    const last = this.#lastNumbers.get(key) ?? -1;
    if (number <= last) this.#fail(`transaction ${number} of ${where} begins after ${last}`);
    this.#lastNumbers.set(key, number);
    const guarded = { topicId, partition, producerId, producerEpoch, number };
    this.#open.set(key, { ...guarded, transaction: null, firstOffset: -1, batches: [] });
  }

  #appended(batch: LedgerBatch): void {
    if (batch.producerId < 0) return;
    const open = this.#open.get(keyOf(batch, batch.producerId));
    const where = `batch ${batch.batchId} at ${nameOf(batch)}@${batch.baseOffset}`;
    if (!batch.transactional) {
      if (open) this.#fail(`${where} is not of transaction ${open.number}, which is open`);
      return;
    }
    if (open?.producerEpoch !== batch.producerEpoch) this.#fail(`${where} stands outside of any transaction`);
    const sent = this.#sent.get(batch.batchId);
    if (sent?.transaction === undefined) this.#fail(`${where} was sent by nobody`);
    if (open.transaction !== null && open.transaction !== sent.transaction) {
      this.#fail(`${where} of transaction ${sent.transaction} stands within ${open.transaction}`);
    }
    open.transaction = sent.transaction;
    if (open.firstOffset < 0) open.firstOffset = batch.baseOffset;
    open.batches.push(batch.batchId);
  }

  #marked(marker: LedgerMarker): void {
    const key = keyOf(marker, marker.producerId);
    const open = this.#open.get(key);
    const where = `the marker at ${nameOf(marker)}@${marker.baseOffset}`;
    if (open?.number !== marker.number) this.#fail(`${where} ends ${marker.number}, open is ${open?.number ?? 'none'}`);
    this.#open.delete(key);
    for (const batchId of open.batches) this.#decided.set(batchId, marker.committed);
    if (open.transaction === null) return;
    const fate = this.#fateOf(open.transaction);
    fate.committed ??= marker.committed;
    this.#checkFate(open.transaction, { ...fate, committed: marker.committed });
    if (fate.committed !== marker.committed) {
      this.#fail(`${where} says ${endOf(marker.committed)} of ${open.transaction}, another ${endOf(fate.committed)}`);
    }
  }

  #remembered(event: Extract<HistoryEvent, { type: 'markerRemembered' }>): void {
    const key = keyOf(event, event.producerId);
    if (this.#open.has(key)) this.#fail(`a marker of ${nameOf(event)} is only remembered, its transaction is open`);
    this.#lastNumbers.set(key, Math.max(this.#lastNumbers.get(key) ?? -1, event.number));
  }

  #told(transaction: number, committed: boolean): void {
    const fate = this.#fateOf(transaction);
    fate.told = committed;
    this.#checkFate(transaction, fate);
  }

  #checkFate(transaction: number, { committed, told }: Fate): void {
    if (committed === null || told === null || committed === told) return;
    this.#fail(`transaction ${transaction} ${endOf(committed)}, its client was told that it ${endOf(told)}`);
  }

  /** What a reader keeps, once it skipped what it was told to skip, is committed, and nothing of that is skipped. */
  #fetched(seen: FetchSeen): void {
    const where = `${seen.process} answers a read_committed fetch of ${nameOf(seen)} from ${seen.fetchOffset}`;
    const aborted = [...(seen.aborted ?? [])].sort((left, right) => left.firstOffset - right.firstOffset);
    const skipped = new Set<number>();
    for (const record of seen.records) {
      const { offset, producerId, batchId } = record;
      if (offset >= seen.lastStableOffset) {
        this.#fail(`${where} with offset ${offset}, its last stable offset is ${seen.lastStableOffset}`);
      }
      while (aborted[0] !== undefined && aborted[0].firstOffset <= offset) skipped.add(aborted.shift()!.producerId);
      if (record.marker !== null) {
        if (record.marker === 'abort') skipped.delete(producerId);
        continue;
      }
      if (!record.transactional) continue;
      const committed = this.#decided.get(batchId);
      if (committed === undefined) this.#fail(`${where} with offset ${offset}, whose transaction is open`);
      const kept = !skipped.has(producerId);
      if (kept !== committed) {
        this.#fail(`${where}: offset ${offset} is ${kept ? 'kept' : 'skipped'}, its transaction ${endOf(committed)}`);
      }
    }
  }

  #quiet(): void {
    for (const open of this.#open.values()) {
      this.#fail(`transaction ${open.number} of producer ${open.producerId} on ${nameOf(open)} never ends`);
    }
  }

  #forget(name: PartitionName): void {
    for (const [key, open] of this.#open) if (nameOf(open) === nameOf(name)) this.#open.delete(key);
  }

  #fateOf(transaction: number): Fate {
    const fate = this.#fates.get(transaction) ?? { committed: null, told: null };
    this.#fates.set(transaction, fate);
    return fate;
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const keyOf = (name: PartitionName, producerId: number): string => `${nameOf(name)} ${producerId}`;
const endOf = (committed: boolean): string => (committed ? 'committed' : 'aborted');
