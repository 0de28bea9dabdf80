/**
 * Invariant 4, as far as there are no transactions: an idempotent producer's batch appears once, in order. The same for
 * requests under an Idempotency-Key; and a batch of anybody that was sent once is there once at most, never when it was
 * answered with "nothing was done", only at the offset that its condition named, and in the order of its arrival. What is
 * said to be there already is there.
 */
import type { Checker, HistoryEvent, LedgerBatch, PartitionName, SentBatch } from '../history.ts';
import { nameOf, Violation } from '../history.ts';

interface Order {
  next: number;
  lastAppended: number;
}

interface Arrival {
  readonly order: Order;
  readonly number: number;
  readonly process: string;
}

interface ProducerSeen {
  epoch: number;
  nextSequence: number;
}

export function idempotence(): Checker {
  return new Idempotence();
}

class Idempotence implements Checker {
  readonly name = 'idempotence';
  readonly #appended = new Set<number>();
  /** Sent once and answered: they did nothing and never will. */
  readonly #undone = new Set<number>();
  /** Sent under a key that was used for something else. */
  readonly #reused = new Set<number>();
  readonly #expectedOffsets = new Map<number, number>();
  readonly #producers = new Map<string, Map<number, ProducerSeen>>();
  readonly #givenIds = new Set<number>();
  /** Plain batches by the process that took them in, and partition. */
  readonly #orders = new Map<string, Order>();
  /** Where a plain batch without an answer stands in the order of arrival. */
  readonly #arrivals = new Map<number, Arrival>();

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'sent':
        this.#sent(event.batch, event.process);
        return;
      case 'batchAppended':
        this.#batchAppended(event.batch);
        return;
      case 'answered':
        this.#answered(event);
        return;
      case 'producerIdGiven':
        if (this.#givenIds.has(event.id)) this.#fail(`producer id ${event.id} was given twice`);
        this.#givenIds.add(event.id);
        return;
      case 'sequenceLost':
        this.#fail(`batch ${event.batch.batchId} was refused as out of order, all before it was acknowledged`);
        return;
      case 'partitionDeleted':
        this.#producers.delete(nameOf(event));
        return;
      default:
    }
  }

  #sent(batch: SentBatch, process: string): void {
    if (batch.expectedOffset !== undefined) this.#expectedOffsets.set(batch.batchId, batch.expectedOffset);
    if (batch.kind === 'reused') this.#reused.add(batch.batchId);
    if (batch.kind !== 'plain') return;
    const order = this.#order(batch, process);
    this.#arrivals.set(batch.batchId, { order, number: order.next++, process });
  }

  #batchAppended(batch: LedgerBatch): void {
    const { batchId, baseOffset } = batch;
    const where = `batch ${batchId} at ${nameOf(batch)}@${baseOffset}`;
    if (this.#appended.has(batchId)) this.#fail(`${where} is there twice`);
    if (this.#undone.has(batchId)) this.#fail(`${where} was answered with "nothing was done" before`);
    if (this.#reused.has(batchId)) this.#fail(`${where} came under an Idempotency-Key that was used before`);
    this.#appended.add(batchId);
    const expected = this.#expectedOffsets.get(batchId);
    if (expected !== undefined && expected !== baseOffset) this.#fail(`${where} was to go to ${expected} only`);
    if (batch.producerId >= 0) this.#checkSequence(batch, where);
    this.#checkOrder(batch, where);
  }

  #checkSequence(batch: LedgerBatch, where: string): void {
    const ofPartition = this.#producers.get(nameOf(batch)) ?? new Map<number, ProducerSeen>();
    this.#producers.set(nameOf(batch), ofPartition);
    const known = ofPartition.get(batch.producerId);
    const expected = known && known.epoch === batch.producerEpoch ? known.nextSequence : 0;
    const producer = `producer ${batch.producerId}, epoch ${batch.producerEpoch}`;
    if (known && batch.producerEpoch < known.epoch)
      this.#fail(`${where} of ${producer} comes after epoch ${known.epoch}`);
    if (batch.baseSequence !== expected) {
      this.#fail(`${where} of ${producer} has sequence ${batch.baseSequence}, ${expected} was due`);
    }
    ofPartition.set(batch.producerId, { epoch: batch.producerEpoch, nextSequence: expected + batch.count });
  }

  #checkOrder({ batchId }: LedgerBatch, where: string): void {
    const arrival = this.#arrivals.get(batchId);
    if (arrival === undefined) return;
    this.#arrivals.delete(batchId);
    const { order, number, process } = arrival;
    if (number < order.lastAppended) this.#fail(`${where} was overtaken by a batch that came to ${process} later`);
    order.lastAppended = number;
  }

  #answered({ batch, outcome, process }: Extract<HistoryEvent, { type: 'answered' }>): void {
    const { batchId, kind, expectedOffset } = batch;
    if (outcome.error === 'NONE') {
      if (kind === 'reused') this.#fail(`${process} took batch ${batchId} for the one whose Idempotency-Key it bears`);
      return;
    }
    this.#arrivals.delete(batchId);
    if (outcome.error === 'DUPLICATE_SEQUENCE_NUMBER' && !this.#appended.has(batchId)) {
      this.#fail(`${process} said that batch ${batchId} was appended long ago, and it is not there`);
    }
    if (outcome.error === 'OFFSET_MISMATCH' && 'nextOffset' in outcome && outcome.nextOffset === expectedOffset) {
      this.#fail(`batch ${batchId} was refused because the next offset is not ${expectedOffset}, but it is`);
    }
    const sentOnce = kind === 'plain' || kind === 'conditional';
    if (!sentOnce || !('noSideEffects' in outcome) || !outcome.noSideEffects) return;
    if (this.#appended.has(batchId)) {
      this.#fail(`${process} said that nothing was done for batch ${batchId} (${outcome.error}), and it is there`);
    }
    this.#undone.add(batchId);
  }

  #order(name: PartitionName, process: string): Order {
    const key = orderKey(name, process);
    const order = this.#orders.get(key) ?? { next: 0, lastAppended: -1 };
    this.#orders.set(key, order);
    return order;
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const orderKey = (name: PartitionName, process: string): string => `${process} ${nameOf(name)}`;
