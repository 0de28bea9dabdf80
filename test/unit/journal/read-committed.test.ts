/** Any interleaving of transactions: a read_committed reader sees, from wherever it begins, what was committed and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateDraft } from '../../../src/journal/draft.ts';
import { EntryBuilder } from '../../../src/journal/entry-builder.ts';
import type { CoordinatorCommand } from '../../../src/journal/journal.ts';
import { type Proposal, ProposalQueue } from '../../../src/journal/proposals.ts';
import { JournalState } from '../../../src/journal/state.ts';
import { abortedWithin } from '../../../src/journal/transactions.ts';
import { iterateBatches, placeBatch } from '../../../src/record/batch.ts';
import { CommittedBatches } from '../../../src/record/committed.ts';
import { buildControlBatch } from '../../../src/record/control-batch.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { inlineAppend, lane, TOPIC } from './harness.ts';

type Step = { readonly producer: number; readonly type: 'send' | 'commit' | 'abort' | 'plain' };
type Fate = 'committed' | 'aborted' | 'open';

/** A partition, the bytes that a fetch of all of it would bring, and what became of each record. */
class Bench {
  readonly state = new JournalState(0);
  readonly bytes: Buffer[] = [];
  readonly fates = new Map<number, Fate>();
  readonly #draft = new StateDraft(this.state);
  readonly #builder = new EntryBuilder(0, this.#draft, { isNamed: () => false });
  readonly #open = new Map<number, { readonly transaction: number; readonly offsets: number[]; sequence: number }>();
  #transaction = 0;
  #number = 0;

  constructor() {
    this.#commit({ type: 'change', change: { type: 'createPartitions', topicId: TOPIC, partitions: [0] } });
  }

  take({ producer, type }: Step): void {
    if (type === 'plain') this.fates.set(this.#append(-1, 0), 'committed');
    else if (type === 'send') this.#send(producer);
    else this.#end(producer, type === 'commit');
  }

  get partition() {
    return this.state.partition(TOPIC, 0)!;
  }

  #send(producer: number): void {
    let open = this.#open.get(producer);
    if (!open) {
      open = { transaction: ++this.#transaction, offsets: [], sequence: 0 };
      this.#open.set(producer, open);
      this.#coordinate({ type: 'transactionGuarded', ...this.#fields(producer, open.transaction) });
    }
    const offset = this.#append(producer, open.sequence++, open.transaction);
    open.offsets.push(offset);
    this.fates.set(offset, 'open');
  }

  #end(producer: number, committed: boolean): void {
    const open = this.#open.get(producer);
    if (!open) return;
    this.#open.delete(producer);
    for (const offset of open.offsets) this.fates.set(offset, committed ? 'committed' : 'aborted');
    const fields = this.#fields(producer, open.transaction);
    const batch = buildControlBatch({ ...fields, coordinatorEpoch: 0, committed }, 0);
    this.#place(batch);
    this.#coordinate({ type: 'transactionMarked', ...fields, coordinatorEpoch: 0, committed });
  }

  #append(producerId: number, baseSequence: number, producerEpoch = -1): number {
    const transactional = producerId >= 0;
    const producer = { producerId, producerEpoch, baseSequence };
    const offset = this.#place(buildBatch([{ key: null, value: 'v' }], { timestamp: 1, transactional, ...producer }));
    const wish = transactional ? { ...producer, attributes: 0x10 } : {};
    const request = inlineAppend({ lane: lane(1), number: this.#number++ }, [{ batches: [wish] }]);
    this.#commit({ type: 'append', request, body: Buffer.alloc(100) });
    expect(this.partition.nextOffset).toBe(offset + 1);
    return offset;
  }

  #place(batch: Buffer): number {
    const offset = this.partition.nextOffset;
    placeBatch(batch, 0, offset, 0);
    this.bytes.push(batch);
    return offset;
  }

  /** Each transaction has an epoch of its own. */
  #fields(producerId: number, transaction: number) {
    return { topicId: TOPIC, partition: 0, producerId, producerEpoch: transaction, transaction };
  }

  #coordinate(command: CoordinatorCommand): void {
    this.#commit({ type: 'decision', decide: () => ({ commands: [command], answer: null }) });
  }

  #commit(wish: object): void {
    const queue = new ProposalQueue();
    queue.push({ bytesMax: 300, resolve: () => {}, reject: () => {}, ...wish } as unknown as Proposal);
    const seq = this.state.lastSeq + 1;
    const built = this.#builder.build({ seq, id: seq.toString(16).padStart(32, '0'), epoch: 0, timestamp: 0 }, queue);
    if (built.bytes) this.#draft.commit();
  }
}

const step: fc.Arbitrary<Step> = fc.record({
  producer: fc.nat(3),
  type: fc.constantFrom(
    'send' as const,
    'send' as const,
    'send' as const,
    'commit' as const,
    'abort' as const,
    'plain' as const,
  ),
});

test('what is shown below the last stable offset is what was committed, from any offset to any other', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), fc.nat(60), (steps, from, length) => {
      const bench = new Bench();
      for (const each of steps) bench.take(each);
      const { lastStableOffset, nextOffset, abortedTransactions } = bench.partition;
      const firstOpen = [...bench.fates].find(([, fate]) => fate === 'open')?.[0] ?? nextOffset;
      expect(lastStableOffset).toBe(firstOpen);

      const end = Math.min(from + length, lastStableOffset);
      const batches = bench.bytes.slice(from, end);
      const committed = new CommittedBatches(abortedWithin(abortedTransactions, from, end));
      const bytes = Buffer.concat(batches);
      const shown = [...iterateBatches(bytes)]
        .filter(({ header, position }) => committed.shows(header, bytes, position))
        .map(({ header }) => header.baseOffset);
      const expected = [...bench.fates].flatMap(([offset, fate]) =>
        offset >= from && offset < end && fate === 'committed' ? [offset] : [],
      );
      expect(shown).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
