import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateDraft, type StateLimits } from '../../../src/journal/draft.ts';
import type { Command } from '../../../src/journal/entry.ts';
import { EntryBuilder } from '../../../src/journal/entry-builder.ts';
import { decodeEntry } from '../../../src/journal/entry-codec.ts';
import { foldEntry } from '../../../src/journal/fold.ts';
import type { AppendRequest, Change, CoordinatorCommand } from '../../../src/journal/journal.ts';
import type { PartitionState } from '../../../src/journal/partition-state.ts';
import { appendBytesMax, changeBytesMax, ProposalQueue } from '../../../src/journal/proposals.ts';
import { decodeSnapshot } from '../../../src/journal/snapshot-decoder.ts';
import { captureState, encodeSnapshot } from '../../../src/journal/snapshot-encoder.ts';
import { JournalState } from '../../../src/journal/state.ts';
import type { PartitionBatches } from '../../../src/segment/footer.ts';
import {
  inlineAppend,
  lane,
  OTHER_TOPIC,
  type partitionBatches,
  segmentAppend,
  segmentReference,
  TOPIC,
} from './harness.ts';

const LIMITS: StateLimits = { producersMax: 4, idempotencyKeysMax: 3, laneAnswerEntriesMax: 8 };

const batchWish = fc.record({
  count: fc.constantFrom(1, 1, 1, 2),
  length: fc.integer({ min: 61, max: 300 }),
  producerId: fc.constantFrom(-1, 0, 0, 0, 1, 2, 3, 4, 5),
  producerEpoch: fc.constantFrom(0, 0, 0, 1),
  baseSequence: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
  attributes: fc.constantFrom(0, 0, 0x10, 0x10, 0x10, 0x20),
  maxTimestamp: fc.constantFrom(-1, 0, 1_763_683_200_000, Number.MAX_SAFE_INTEGER, -(2 ** 63)),
});
const partitionWishes = fc
  .uniqueArray(
    fc.record({
      topicId: fc.constantFrom(TOPIC, TOPIC, TOPIC, OTHER_TOPIC),
      partition: fc.constantFrom(0, 0, 0, 1, 2),
      batches: fc.array(batchWish, { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 4, selector: ({ topicId, partition }) => `${topicId}${partition}` },
  )
  .map((wishes) => wishes.toSorted((a, b) => (a.topicId + a.partition < b.topicId + b.partition ? -1 : 1)));

type Step =
  | {
      type: 'append';
      inline: boolean;
      jump: number;
      life: number;
      wishes: Parameters<typeof partitionBatches>[0];
      key: string;
      fingerprint: number;
      expected: number;
    }
  | { type: 'skip'; jump: number }
  | { type: 'change'; change: Change }
  | { type: 'mergeAll'; partition: number }
  | { type: 'coordinate'; commands: CoordinatorCommand[] }
  | { type: 'cut' };

const segmentIds = fc.array(
  fc.integer({ min: 0, max: 30 }).map((number) => `019aa3b5ec00-1-1-${number}-00000000`),
  { maxLength: 5 },
);
const transaction = {
  topicId: fc.constantFrom(TOPIC, TOPIC, TOPIC, OTHER_TOPIC),
  partition: fc.constantFrom(0, 0, 0, 1),
  producerId: fc.constantFrom(0, 0, 1, 2),
  producerEpoch: fc.constantFrom(0, 0, 0, 1),
  transaction: fc.integer({ min: 0, max: 5 }),
};
const coordinatorCommand: fc.Arbitrary<CoordinatorCommand> = fc.oneof(
  fc.record({ type: fc.constant('transactionGuarded' as const), ...transaction }),
  fc.record({
    type: fc.constant('transactionMarked' as const),
    ...transaction,
    coordinatorEpoch: fc.constantFrom(0, 1),
    committed: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('recordsChanged' as const),
    owner: fc.constantFrom('a', 'b'),
    changes: fc.constantFrom([{ key: 'k', value: 'v' }], [{ key: 'k', value: null }]),
  }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('coordinate' as const),
      commands: fc.array(coordinatorCommand, { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      inline: fc.boolean(),
      jump: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
      life: fc.constantFrom(1, 1, 1, 1, 1, 0),
      wishes: partitionWishes,
      key: fc.constantFrom('', '', 'a', 'b', 'c', 'd', 'e'),
      fingerprint: fc.constantFrom(7, 7, 7, 8),
      expected: fc.constantFrom(-1, -1, -1, 0, 3),
    }),
  },
  fc.record({ type: fc.constant('skip' as const), jump: fc.constantFrom(0, 0, -1, 1) }),
  { weight: 2, arbitrary: fc.constant({ type: 'cut' as const }) },
  fc.record({ type: fc.constant('mergeAll' as const), partition: fc.integer({ min: 0, max: 2 }) }),
  {
    weight: 3,
    arbitrary: fc
      .oneof(
        fc.record({
          type: fc.constantFrom(
            'createPartitions' as const,
            'createPartitions' as const,
            'createPartitions' as const,
            'deletePartitions' as const,
          ),
          topicId: fc.constantFrom(TOPIC, OTHER_TOPIC),
          partitions: fc.uniqueArray(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }),
        }),
        fc.record({
          type: fc.constant('advanceLogStart' as const),
          topicId: fc.constantFrom(TOPIC, OTHER_TOPIC),
          partition: fc.integer({ min: 0, max: 2 }),
          logStartOffset: fc.integer({ min: 0, max: 20 }),
        }),
        fc.record({ type: fc.constantFrom('condemn' as const, 'condemn' as const, 'forget' as const), segmentIds }),
        fc.record({
          type: fc.constant('expire' as const),
          before: fc.integer({ min: 0, max: 20 }),
          keysBefore: fc.integer({ min: 0, max: 20 }),
        }),
        fc.record({ type: fc.constant('allocateProducerIds' as const), count: fc.integer({ min: 1, max: 1_000 }) }),
      )
      .map((change) => ({ type: 'change' as const, change })),
  },
);

/** A leader without a store: builds entries from steps and commits each at once. */
class Bench {
  readonly state = new JournalState(0);
  readonly draft = new StateDraft(this.state, LIMITS);
  readonly footers = new Map<string, readonly PartitionBatches[]>();
  readonly entries: Buffer[] = [];
  readonly #queue = new ProposalQueue();
  readonly #builder = new EntryBuilder(0, this.draft, { isNamed: () => false });
  #next = 0;
  #segments = 0;
  #clock = 0;

  take(step: Step): void {
    if (step.type === 'append') this.#append(step);
    else if (step.type === 'skip') this.#skip(step.jump);
    else if (step.type === 'change') this.#change(step.change);
    else if (step.type === 'mergeAll') this.#mergeAll(step.partition);
    else if (step.type === 'coordinate') this.#coordinate(step.commands);
    else this.cut();
  }

  cut(): void {
    const seq = this.state.lastSeq + 1;
    const id = seq.toString(16).padStart(32, '0');
    const header = { seq, id, epoch: this.state.epoch, timestamp: ++this.#clock };
    const built = this.#builder.build(header, this.#queue);
    if (!built.bytes) return;
    this.entries.push(built.bytes);
    this.draft.commit();
    built.settle();
  }

  #number(jump: number): number {
    if (jump === 0) return this.#next++;
    return Math.max(0, this.#next + jump);
  }

  #append({ inline, jump, life, wishes, key, fingerprint, expected }: Extract<Step, { type: 'append' }>): void {
    const at = { lane: lane(life), number: this.#number(life === 1 ? jump : 1) };
    const more: Partial<AppendRequest> = {
      ...(key && { idempotency: [{ key, fingerprint, batches: [{ partitionIndex: 0, batchIndex: 0 }] }] }),
      ...(expected >= 0 && { conditions: [{ partitionIndex: 0, batchIndex: 0, expectedOffset: expected }] }),
    };
    const segmentId = `019aa3b5ec00-1-1-${this.#segments++}-00000000`;
    const request = inline ? inlineAppend(at, wishes, 'a', more) : segmentAppend({ ...at, segmentId }, wishes, more);
    this.footers.set(segmentId, request.partitions);
    const body = request.source.type === 'inline' ? Buffer.concat(request.source.parts) : Buffer.alloc(0);
    this.#queue.push({ type: 'append', request, body, bytesMax: appendBytesMax(request), ...IGNORED });
  }

  #skip(jump: number): void {
    this.#queue.push({ type: 'skip', lane: lane(1), number: this.#number(jump), bytesMax: 32, ...IGNORED });
  }

  #change(change: Change): void {
    this.#queue.push({ type: 'change', change, bytesMax: changeBytesMax(change), ...IGNORED });
  }

  #coordinate(commands: readonly CoordinatorCommand[]): void {
    const decide = () => ({ commands, answer: null });
    this.#queue.push({ type: 'decision', decide, bytesMax: 256, ...IGNORED });
  }

  #mergeAll(partition: number): void {
    this.cut();
    const remove = [...(this.state.partition(TOPIC, partition)?.extents ?? [])];
    if (remove.length === 0) return;
    const segment = segmentReference(`019aa3b5ec00-1-1-${this.#segments++}-00000000`);
    const add = [
      {
        ...remove[0]!,
        endOffset: remove.at(-1)!.endOffset,
        source: { type: 'segment' as const, segmentId: segment.id },
        position: 17,
        length: 5_000,
        absolute: true,
      },
    ];
    this.#change({ type: 'merge', segments: [segment], swaps: [{ topicId: TOPIC, partition, remove, add }] });
  }
}

const IGNORED = { resolve: () => {}, reject: () => {} };

/** Everything a state holds, in an order of its own; the order of producers and keys is part of it. */
function contents(state: JournalState) {
  const sorted = (map: ReadonlyMap<unknown, unknown>) => [...map].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return {
    lastSeq: state.lastSeq,
    lastEntryId: state.lastEntryId,
    epoch: state.epoch,
    nextProducerId: state.nextProducerId,
    fences: state.fences,
    partitions: sorted(state.partitionsByKey).map(([key, value]) => [
      key,
      {
        ...(value as PartitionState),
        extents: [...(value as PartitionState).extents],
        abortedTransactions: [...(value as PartitionState).abortedTransactions],
      },
    ]),
    segments: sorted(state.segmentsById),
    condemned: sorted(state.condemnedById),
    forgotten: sorted(state.forgottenByBroker),
    sessions: sorted(state.sessions),
    lanes: sorted(state.lanes).map(([key, value]) => [
      key,
      { ...(value as object), answers: [...(value as { answers: Iterable<unknown> }).answers] },
    ]),
    inlineUses: sorted(state.inlineUses),
    producers: [...state.producersByKey],
    openTransactions: state.openTransactions,
    records: sorted(state.recordsByOwner),
    idempotencyKeys: [...state.idempotencyKeys],
  };
}

/** What the steps must have led to, or the property would say little. */
const EXPECTED = [
  ...['partitionsCreated', 'partitionsDeleted', 'appended', 'laneSkipped', 'merged', 'logStartAdvanced'],
  ...['condemned', 'forgotten', 'expired', 'producerIdsAllocated'],
  ...['recordsChanged', 'transactionGuarded', 'transactionMarked', 'transactional records'],
  ...['append with described', 'append with footer', 'append with groups', 'duplicate'],
  ...['UNKNOWN_TOPIC_OR_PARTITION', 'OFFSET_MISMATCH', 'IDEMPOTENCY_KEY_REUSED', 'OUT_OF_ORDER_SEQUENCE_NUMBER'].map(
    refused,
  ),
  ...['INVALID_PRODUCER_EPOCH', 'UNKNOWN_PRODUCER_ID', 'INVALID_TXN_STATE', 'INVALID_RECORD'].map(refused),
];
function refused(error: string): string {
  return `refused ${error}`;
}

const isTransactional = ({ attributes }: { readonly attributes: number }): boolean => (attributes & 0x10) !== 0;

const seen: Record<string, number> = {};

function note(commands: readonly Command[]): void {
  const count = (what: string) => {
    seen[what] = (seen[what] ?? 0) + 1;
  };
  for (const command of commands) {
    count(command.type);
    if (command.type !== 'appended') continue;
    if (command.batches.type === 'described' && command.exceptions.length === 0) {
      const { partitions } = command.batches;
      if (partitions.some(({ batches }) => batches.some(isTransactional))) count('transactional records');
    }
    count(`append with ${command.batches.type}`);
    if (command.groups.length > 0) count('append with groups');
    for (const exception of command.exceptions) {
      count(exception.type === 'duplicate' ? 'duplicate' : refused(exception.error));
    }
  }
}

/** What a partition says of its transactions follows from its producers. */
function checkTransactions(state: JournalState, partition: PartitionState): void {
  const { topicId, partition: index, logStartOffset, lastStableOffset, nextOffset, unstable } = partition;
  const open = [...state.producers(topicId, index)].flatMap(({ producerId, open: guarded }) =>
    guarded && guarded.firstOffset >= 0 ? [{ producerId, firstOffset: guarded.firstOffset }] : [],
  );
  expect(unstable).toEqual(open.sort((a, b) => a.firstOffset - b.firstOffset));
  expect(lastStableOffset).toBe(Math.max(logStartOffset, open[0]?.firstOffset ?? nextOffset));
  let last = logStartOffset - 1;
  for (const aborted of partition.abortedTransactions) {
    expect(aborted.lastOffset).toBeGreaterThan(last);
    expect(aborted.firstOffset).toBeLessThan(aborted.lastOffset);
    expect(aborted.lastStableOffset).toBeLessThanOrEqual(aborted.lastOffset + 1);
    last = aborted.lastOffset;
  }
}

test('what the leader decided, what the entries fold to, and what a snapshot brings back are the same', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 80 }),
      fc.integer({ min: 0, max: 40 }),
      (steps, snapshotAt) => {
        const bench = new Bench();
        bench.take({ type: 'change', change: { type: 'createPartitions', topicId: TOPIC, partitions: [0, 1] } });
        for (const each of steps) bench.take(each);
        bench.cut();

        let folded = new JournalState(0);
        let draft = new StateDraft(folded, LIMITS);
        for (const [at, bytes] of bench.entries.entries()) {
          const entry = decodeEntry(0, at + 1, bytes);
          note(entry.commands);
          foldEntry(draft, entry, bench.footers);
          if (at !== snapshotAt) continue;
          folded = decodeSnapshot('s', Buffer.concat([...encodeSnapshot(captureState(folded))]));
          draft = new StateDraft(folded, LIMITS);
        }
        expect(contents(folded)).toEqual(contents(bench.state));
        expect(folded.producersByKey.size - folded.openTransactions).toBeLessThanOrEqual(LIMITS.producersMax);
        for (const partition of folded.partitions()) checkTransactions(folded, partition);
        expect(folded.idempotencyKeys.size).toBeLessThanOrEqual(LIMITS.idempotencyKeysMax);
      },
    ),
    { numRuns: 400, seed: 1 },
  );
  expect(Object.keys(seen).sort()).toEqual([...EXPECTED].sort());
});
