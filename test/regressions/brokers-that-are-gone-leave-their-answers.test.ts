/**
 * A journal kept the last answers to every broker that had ever appended to it, some of them with an offset for each of
 * thousands of partitions. Where each start of a broker draws a new id they stayed in memory and in each snapshot for ever.
 */
import { expect, test } from 'vitest';
import { StateDraft } from '../../src/journal/draft.ts';
import { EntryBuilder } from '../../src/journal/entry-builder.ts';
import type { AppendRequest, Change } from '../../src/journal/journal.ts';
import { type Proposal, ProposalQueue } from '../../src/journal/proposals.ts';
import { JournalState } from '../../src/journal/state.ts';
import { inlineAppend, lane, TOPIC } from '../unit/journal/harness.ts';

const ENTRIES = 50;

/** A leader without a store. */
function leader() {
  const state = new JournalState(0);
  const limits = { producersMax: 10, idempotencyKeysMax: 10, laneAnswerEntriesMax: ENTRIES };
  const draft = new StateDraft(state, limits);
  const queue = new ProposalQueue();
  const builder = new EntryBuilder(0, draft, { isNamed: () => false });
  const write = <T>(proposal: (resolve: (value: T) => void, reject: (cause: unknown) => void) => Proposal) =>
    new Promise<T>((resolve, reject) => {
      queue.push(proposal(resolve, reject));
      const seq = state.lastSeq + 1;
      const built = builder.build({ seq, id: seq.toString(16).padStart(32, '0'), epoch: 0, timestamp: seq }, queue);
      if (built.bytes) draft.commit();
      built.settle();
    });
  return {
    state,
    append: (request: AppendRequest) =>
      write((resolve, reject) => ({
        type: 'append',
        request,
        body: Buffer.alloc(100),
        bytesMax: 500,
        resolve: resolve as never,
        reject,
      })),
    propose: (change: Change) =>
      write((resolve, reject) => ({ type: 'change', change, bytesMax: 100, resolve: resolve as never, reject })),
  };
}

test('answers to brokers that have been silent for long are forgotten, and their numbers are not', async () => {
  const { state, append, propose } = leader();
  await propose({ type: 'createPartitions', topicId: TOPIC, partitions: [0] });
  const of = (brokerId: number, number: number) =>
    append(inlineAppend({ lane: lane(1, 0, brokerId), number }, [{ batches: [{}] }]));
  const expire = () => propose({ type: 'expire', before: 0, keysBefore: 0 });
  const remembered = () => [...state.lanes.values()].reduce((sum, { answers }) => sum + answers.length, 0);
  for (let brokerId = 1; brokerId <= 100; brokerId++) {
    for (const number of [0, 1]) await of(brokerId, number);
    await expire();
  }
  expect(remembered()).toBeLessThanOrEqual(ENTRIES + 2);
  const seq = state.lastSeq;
  await expire();
  expect(state.lastSeq).toBe(seq);

  const { nextOffset } = state.partition(TOPIC, 0)!;
  await expect(of(1, 1)).rejects.toMatchObject({ error: 'UNKNOWN_SERVER_ERROR', noSideEffects: false });
  expect(state.partition(TOPIC, 0)!.nextOffset).toBe(nextOffset);
  await of(1, 2);
  expect(state.partition(TOPIC, 0)!.nextOffset).toBe(nextOffset + 1);
});
