import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JOURNAL_APPEND } from '../../../src/cluster/journal-methods.ts';
import type { JournalSeat } from '../../../src/cluster/journal-seat.ts';
import type { AppendRequest } from '../../../src/journal/journal.ts';
import { brief, createTopic, inlineAppend, lane, segmentAppend, TOPIC } from '../journal/harness.ts';
import { type SeatedBroker, SeatsWorld } from './seats-world.ts';

let world: SeatsWorld;
let leader: SeatedBroker;
let front: SeatedBroker;

beforeEach(async () => {
  world = new SeatsWorld(2);
  leader = world.broker(1);
  front = world.broker(2);
  await world.lead(leader);
  await createTopic(seat(front) as never, [0, 1]);
});
afterEach(() => world.close());

const seat = ({ seats }: SeatedBroker, journal = 0): JournalSeat => seats.get(journal)!;
const own = ({ brokerId, brokerEpoch }: SeatedBroker, laneId = 0) => lane(brokerEpoch, laneId, brokerId);
const turn = () => new Promise((resolve) => setImmediate(resolve));
const request = (number: number) => inlineAppend({ lane: own(front), number }, [{ batches: [{ count: 2 }] }], 'f');
const append = async (number: number): Promise<string> => brief((await seat(front).append(request(number))).answers);

describe('an append of a broker that does not lead', () => {
  test('is ordered by the one that does, with its body, and answered to the byte', async () => {
    const answer = await seat(front).append(request(0));
    expect(brief(answer.answers)).toBe('@0');
    const [extent] = [...seat(leader).state.partition(TOPIC, 0)!.extents];
    expect(extent).toMatchObject({ endOffset: 2, source: { seq: answer.seq, entryId: answer.entryId } });
    expect(await seat(front).readInline(extent!)).toEqual(Buffer.alloc(100, 'f'));
    expect(await seat(leader).readInline(extent!)).toEqual(Buffer.alloc(100, 'f'));
  });

  test('may be one of many on their way: they are ordered as they were sent', async () => {
    const appends = Array.from({ length: 50 }, (_, number) => append(number));
    expect(await Promise.all(appends)).toEqual(Array.from({ length: 50 }, (_, number) => `@${2 * number}`));
  });

  test('is copied before it returns: the buffers of its body may be used again', async () => {
    const body = Buffer.alloc(100, 'f');
    const appended = seat(front).append({ ...request(0), source: { type: 'inline', parts: [body], bytes: 100 } });
    body.fill('x');
    await appended;
    const [extent] = [...seat(leader).state.partition(TOPIC, 0)!.extents];
    expect(await seat(leader).readInline(extent!)).toEqual(Buffer.alloc(100, 'f'));
  });

  test('whose answer was lost gets the first answer when it is sent again', async () => {
    world.network.cut.set(1, 'after');
    await expect(append(0)).rejects.toMatchObject({
      error: 'NOT_LEADER_OR_FOLLOWER',
      sent: true,
      noSideEffects: false,
    });
    world.network.cut.clear();
    expect(await append(0)).toBe('@0');
    expect(seat(leader).state.partition(TOPIC, 0)?.nextOffset).toBe(2);
  });

  test('ahead of its turn is sent back, and nothing of it remains', async () => {
    await expect(append(1)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(await append(0)).toBe('@0');
    expect(await append(1)).toBe('@2');
  });

  test('on another broker’s lane is refused, whether older, newer or of another id', async () => {
    const peers = world.network.peers({ brokerId: 2, brokerEpoch: 1 });
    for (const forged of [lane(1, 0, 3), lane(0, 0, 2), lane(2, 0, 2), own(leader)]) {
      const asked = { journal: 0, request: segmentAppend({ lane: forged, number: 0 }, [{ batches: [{}] }]) };
      await expect(peers.call(1, JOURNAL_APPEND, asked, { timeoutMs: 1_000 })).rejects.toMatchObject({
        error: 'CLUSTER_AUTHORIZATION_FAILED',
      });
    }
    expect(seat(leader).state.partition(TOPIC, 0)?.nextOffset).toBe(0);
  });

  test('of a former life is superseded once the new one has appended', async () => {
    const reborn = world.broker(2, { brokerEpoch: 2 });
    await seat(reborn).append(inlineAppend({ lane: own(reborn), number: 0 }, [{ batches: [{}] }]));
    await expect(append(0)).rejects.toMatchObject({ error: 'STALE_BROKER_EPOCH' });
  });

  test('goes on with the next leader, from where the last one stopped', async () => {
    expect(await append(0)).toBe('@0');
    const third = world.broker(3);
    await world.lead(third);
    expect(await append(1)).toBe('@2');
    expect(await append(0)).toBe('@0');
    await world.lead(front);
    expect(await append(2)).toBe('@4');
  });

  test('that waits for a leader which has a successor waits no longer', async () => {
    leader.faults.script({ operation: 'put', fault: 'hang' });
    const waiting = append(0);
    const outcome = expect(waiting).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', sent: true });
    await turn();
    world.leaders.set(0, { brokerId: 3, epoch: -1 });
    await outcome;
  });
});

describe('a broker that does not lead', () => {
  test('passes nothing on: who asked has to look again', async () => {
    const third = world.broker(3);
    world.leaders.set(0, { brokerId: 3, epoch: 1 });
    await expect(append(0)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(seat(third).role).toBe('following');
  });

  test('says so when nobody is known to lead', async () => {
    const one = inlineAppend({ lane: own(front), number: 0 }, [{ batches: [{}] }]);
    await expect(seat(front, 1).append(one)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    await expect(seat(front, 1).propose({ type: 'forget', segmentIds: [] })).rejects.toThrow(/nobody/);
    seat(front, 1).requestSnapshot();
  });

  test('skips numbers of its lanes', async () => {
    await seat(front).skip(own(front), 0);
    await seat(front).skip(own(front), 0);
    expect(await append(1)).toBe('@0');
    await expect(seat(front).skip(own(leader), 0)).rejects.toMatchObject({ error: 'CLUSTER_AUTHORIZATION_FAILED' });
  });

  test('proposes changes and is told what came of them', async () => {
    await append(0);
    const change = { type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 1 } as const;
    expect(await seat(front).propose(change)).toEqual({ type: 'logStart', logStartOffset: 1 });
    expect(await seat(front).propose({ ...change, logStartOffset: 9 })).toMatchObject({
      type: 'refused',
      error: 'OFFSET_OUT_OF_RANGE',
    });
    expect(await seat(front).propose({ type: 'allocateProducerIds', count: 7 })).toEqual({
      type: 'producerIds',
      first: 0,
      count: 7,
    });
  });

  test('asks for snapshots', async () => {
    seat(front).requestSnapshot();
    await expect.poll(() => world.stores.metadata.items().find(({ sortKey }) => sortKey === 'pointer')).toBeDefined();
  });

  test('reads inline data in the table when the leader is away, and none that was trimmed', async () => {
    const { seq, entryId } = await seat(front).append(request(0));
    const [extent] = [...seat(leader).state.partition(TOPIC, 0)!.extents];
    world.network.cut.set(1, 'before');
    expect(await seat(front).readInline(extent!)).toEqual(Buffer.alloc(100, 'f'));
    const source = { type: 'inline' as const, seq, entryId: 'ab'.repeat(16) };
    expect(await seat(front).readInline({ source, position: 0, length: 1 })).toBeNull();
    world.network.cut.clear();
    expect(await seat(front).readInline({ source, position: 0, length: 1 })).toBeNull();
    expect(
      await seat(front).readInline({ source: { ...source, seq: seq + 9, entryId }, position: 0, length: 1 }),
    ).toBeNull();
  });
});

describe('what could never be an entry is refused, and the journal is led on', () => {
  const merge = { type: 'merge', segments: [], swaps: [{ topicId: TOPIC, partition: 0, remove: [null], add: [] }] };
  test.each([
    { type: 'become' },
    { type: 'createPartitions', topicId: TOPIC, partitions: ['x'] },
    { type: 'createPartitions', topicId: TOPIC, partitions: [-1] },
    { type: 'deletePartitions', topicId: TOPIC, partitions: 3 },
    { type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 'x' },
    { type: 'condemn', segmentIds: [7] },
    { type: 'expire', before: null, keysBefore: 0 },
    { type: 'allocateProducerIds', count: '9' },
    merge,
    null,
  ])('a change that is %j', async (change) => {
    await expect(seat(front).propose(change as never)).rejects.toThrow();
    expect(seat(leader).role).toBe('leading');
    expect(await append(0)).toBe('@0');
  });

  const one = { partitionIndex: 0, batchIndex: 0 };
  test.each<[string, Partial<AppendRequest>]>([
    ['a condition on a batch that is not there', { conditions: [{ ...one, batchIndex: 1, expectedOffset: 0 }] }],
    [
      'a condition on a partition that is not there',
      { conditions: [{ ...one, partitionIndex: 1, expectedOffset: 0 }] },
    ],
    [
      'a key of a batch that is not there',
      { idempotency: [{ key: 'k', fingerprint: 1, batches: [one, { ...one, batchIndex: 7 }] }] },
    ],
    ['a body that is shorter than its batches', { source: { type: 'inline', parts: [Buffer.alloc(50)], bytes: 50 } }],
  ])('an append with %s', async (_, more) => {
    await expect(seat(front).append({ ...request(0), ...more })).rejects.toThrow();
    expect(seat(leader).role).toBe('leading');
    expect(await append(0)).toBe('@0');
  });

  test('an append of a batch without records', async () => {
    const none = inlineAppend({ lane: own(front), number: 0 }, [{ batches: [{ count: 0 }] }], 'f');
    await expect(seat(front).append(none)).rejects.toThrow();
    expect(await append(0)).toBe('@0');
  });
});

test('an append that is malformed is refused before anything is done', () => {
  const bytes = Buffer.concat(JOURNAL_APPEND.encodeRequest({ journal: 0, request: request(0) }));
  for (let length = 0; length < bytes.length; length++) {
    expect(() => JOURNAL_APPEND.decodeRequest(bytes.subarray(0, length))).toThrow();
  }
});
