import { afterEach, describe, expect, test } from 'vitest';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { brief, createTopic, inlineAppend, lane, memoryStores, open, segmentAppend, TOPIC } from './harness.ts';

const opened: OpenedJournal[] = [];
const track = async (journal: Promise<OpenedJournal>): Promise<OpenedJournal> => {
  opened.push(await journal);
  return journal;
};

afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close();
});

describe.each([1, 4])('with %i journals in one pair of stores', (count) => {
  const ids = Array.from({ length: count }, (_, id) => id);

  test('each leads, appends, and finds everything again after a restart', async () => {
    const stores = memoryStores();
    await Promise.all(
      ids.map(async (id) => {
        const journal = await track(open(stores, { id, brokerEpoch: 100 }));
        expect(journal.role).toBe('leading');
        await createTopic(journal, [0, 1]);
        const first = await journal.append(
          segmentAppend({ lane: lane(100), number: 0 }, [
            { partition: 0, batches: [{ count: 3 }, { count: 2 }] },
            { partition: 1, batches: [{ count: 1 }] },
          ]),
        );
        expect(brief(first.answers)).toBe('@0 @3 | @0');
        const second = await journal.append(
          inlineAppend({ lane: lane(100), number: 1 }, [{ batches: [{ count: 5 }] }]),
        );
        expect(brief(second.answers)).toBe('@5');
        await journal.close();

        const again = await track(open(stores, { id, brokerEpoch: 101 }));
        expect(again.epoch).toBe(2);
        expect(again.state.partition(TOPIC, 0)).toMatchObject({ nextOffset: 10, logStartOffset: 0, bytes: 300 });
        expect(again.state.partition(TOPIC, 1)).toMatchObject({ nextOffset: 1 });
        expect([...again.state.partition(TOPIC, 0)!.extents]).toMatchObject([
          { baseOffset: 0, endOffset: 5, batchCount: 2, length: 200, leaderEpoch: 1 },
          { baseOffset: 5, endOffset: 10, batchCount: 1, length: 100, leaderEpoch: 1 },
        ]);
        const inline = again.state.partition(TOPIC, 0)!.extents.at(1)!;
        expect(await again.readInline(inline)).toEqual(Buffer.alloc(100, 'a'));
      }),
    );
  });
});

test('a new leader deposes the old one, whose appends are refused from then on', async () => {
  const stores = memoryStores();
  const old = await track(open(stores, { brokerEpoch: 1 }));
  await createTopic(old);
  const young = await track(open(stores, { brokerId: 2, brokerEpoch: 1 }));
  await expect(old.append(segmentAppend({ lane: lane(1), number: 0 }, [{ batches: [{}] }]))).rejects.toMatchObject({
    error: 'NOT_LEADER_OR_FOLLOWER',
  });
  expect(old.role).toBe('deposed');
  expect(old.deposedBecause).toMatch(/written by another leader/);
  expect(await old.confirmLeadership()).toBe(false);
  expect(await young.confirmLeadership()).toBe(true);
  expect(young.state.partition(TOPIC, 0)?.nextOffset).toBe(0);
});
