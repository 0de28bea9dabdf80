/** A transactional producer as its coordinator and its client see it, and what its readers see. */
import type { Topic } from '../../../src/cluster/topics.ts';
import type { CoordinatorCommand, Journal } from '../../../src/journal/journal.ts';
import type { FetchAnswer } from '../../../src/log/log.ts';
import type { OpenedLog } from '../../../src/log/open-log.ts';
import { iterateBatches } from '../../../src/record/batch.ts';
import { CommittedBatches } from '../../../src/record/committed.ts';
import { readControlBatch } from '../../../src/record/control-batch.ts';
import { buildBatch, decodeBatch } from '../../../src/record/records.ts';

/** A producer with one transaction after the other, as its coordinator and its client see it. */
export class Producer {
  readonly #log: OpenedLog;
  /** The leader's. */
  readonly #journal: Journal;
  readonly #topic: Topic;
  readonly #producerId: number;
  #epoch = 0;
  #sequence = 0;
  #transaction = 0;

  constructor(log: OpenedLog, journal: Journal, topic: Topic, producerId: number) {
    this.#log = log;
    this.#journal = journal;
    this.#topic = topic;
    this.#producerId = producerId;
  }

  async begin(): Promise<void> {
    this.#transaction++;
    await this.#coordinate({ type: 'transactionGuarded', ...this.#fields() });
  }

  async send(...values: string[]): Promise<number | string> {
    const records = buildBatch(
      values.map((value) => ({ key: null, value })),
      {
        timestamp: 1_763_683_200_000 + this.#producerId,
        producerId: this.#producerId,
        producerEpoch: this.#epoch,
        baseSequence: this.#sequence,
        transactional: true,
      },
    );
    const batch = { topicId: this.#topic.topicId, partition: 0, records };
    const [outcome] = await this.#log.produce([batch], { origin: 'kafka' });
    if (!('baseOffset' in outcome!)) return outcome!.error;
    this.#sequence += values.length;
    return outcome.baseOffset;
  }

  /** Ends it as KIP-890 does: with a new epoch. */
  async end(committed: boolean): Promise<void> {
    const transaction = this.#fields();
    this.#epoch++;
    this.#sequence = 0;
    const producerEpoch = this.#epoch;
    await this.#coordinate({
      type: 'transactionMarked',
      ...transaction,
      producerEpoch,
      coordinatorEpoch: 1,
      committed,
    });
  }

  #fields() {
    const { topicId } = this.#topic;
    const transaction = this.#transaction;
    return { topicId, partition: 0, producerId: this.#producerId, producerEpoch: this.#epoch, transaction };
  }

  async #coordinate(command: CoordinatorCommand): Promise<void> {
    await this.#journal.coordinate(() => ({ commands: [command], answer: null }));
  }
}

/** All batches in an answer, as `offset:value` or `offset:COMMIT`; those left out in brackets. */
export async function shown({ partitions: [partition] }: FetchAnswer): Promise<string> {
  const bytes = Buffer.concat(partition!.records);
  const filter = new CommittedBatches(partition!.abortedTransactions);
  const words: string[] = [];
  for (const { position, header } of iterateBatches(bytes)) {
    const isShown = filter.shows(header, bytes, position);
    const marker = readControlBatch(bytes, position);
    if (marker) {
      words.push(`${header.baseOffset}:${marker.committed ? 'COMMIT' : 'ABORT'}`);
      continue;
    }
    const batch = bytes.subarray(position, position + header.length);
    for (const { offset, value } of await decodeBatch(batch, { decompressedBytesMax: 1 << 26 })) {
      const word = `${offset}:${String(value).replace(/\.+$/, '')}`;
      words.push(isShown ? word : `(${word})`);
    }
  }
  return words.join(' ');
}
