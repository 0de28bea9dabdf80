/**
 * A coordinator that had not heard of its successor refused by what it remembered: members that had come, or gone on, at the
 * successor were told that they were unknown or fenced, and threw away what they had; administrators that a group still had
 * members, or that one of them was out.
 */
import { describe, expect, test } from 'vitest';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import {
  type Asked,
  askToJoin,
  type ClassicMember,
  consumerHeartbeat,
  GROUP,
  join,
  joinAlone,
  offsetCommit,
  openSuccession,
  shareHeartbeat,
  sync,
  to,
} from '../unit/coordinator/succession.ts';
import type { CoordinatorWorld } from '../unit/coordinator/world.ts';

/** The error that a broker answers. */
type Request = (asked: Asked) => Promise<string>;

const error = ({ errorCode }: { readonly errorCode: number }): string => errorName(errorCode);

/** `before` comes to the first coordinator, `after` to its successor, and then `request` to both. */
async function refuses<T>(
  before: (asked: Asked) => Promise<T>,
  after: (asked: Asked, known: T, world: CoordinatorWorld) => Promise<Request>,
): Promise<void> {
  const { world } = await openSuccession(2);
  const known = await before(world.ask);
  const succeeded = await world.takeOver();
  const request = await after(world.ask, known, world);
  expect(await request(to(succeeded))).toBe('NOT_COORDINATOR');
  expect(await request(world.ask)).toBe('NONE');
  await world.close();
}

const REQUESTS: Record<string, (member: ClassicMember) => Request> = {
  JoinGroup: (member) => async (asked) => error(await askToJoin(asked, member.memberId, member.groupInstanceId)),
  SyncGroup: (member) => (asked) => sync(asked, member),
  Heartbeat: (member) => async (asked) => error(await asked('Heartbeat', 3, { groupId: GROUP, ...member })),
  OffsetCommit: (member) => async (asked) => {
    const body = offsetCommit(member.memberId, member.generationId, member.groupInstanceId);
    return error((await asked('OffsetCommit', 8, body)).topics[0]!.partitions[0]!);
  },
  LeaveGroup: (member) => async (asked) => leave(asked, member),
};

async function leave(asked: Asked, member: ClassicMember): Promise<string> {
  const answer = await asked('LeaveGroup', 3, { groupId: GROUP, members: [member] });
  return error(answer.members[0] ?? answer);
}

const joinConsumers = async (asked: Asked, memberId: string, memberEpoch = 0) =>
  (await asked('ConsumerGroupHeartbeat', 1, consumerHeartbeat(memberId, memberEpoch))).memberEpoch;

const joinSharers = async (asked: Asked, memberId: string) =>
  (await asked('ShareGroupHeartbeat', 1, shareHeartbeat(memberId, 0))).memberEpoch;

describe.each(Object.entries(REQUESTS))('%s of a classic group', (name, request) => {
  test('a member that came later', () =>
    refuses(joinAlone, async (asked, gone) => {
      await leave(asked, gone);
      return request(await joinAlone(asked));
    }));

  // JoinGroup names no generation.
  if (name !== 'JoinGroup') {
    test('a member of the next generation', () =>
      refuses(joinAlone, async (asked, known) => request(await joinAlone(asked, known))));
  }

  test('a static member that took the place of another', () =>
    refuses(
      (asked) => joinAlone(asked, { groupInstanceId: 'i' }),
      async (asked) => {
        const replacing = await join(asked, { groupInstanceId: 'i' });
        return request(replacing);
      },
    ));

  test('a member with the classic protocol in a consumer group', () =>
    refuses(
      (asked) => joinConsumers(asked, 'm1'),
      async (asked) => {
        const member = await join(asked);
        await sync(asked, member);
        return request(member);
      },
    ));
});

describe('a consumer group', () => {
  const heartbeat =
    (memberId: string, memberEpoch: number, more = {}): Request =>
    async (asked) =>
      error(await asked('ConsumerGroupHeartbeat', 1, consumerHeartbeat(memberId, memberEpoch, more)));
  const commit =
    (memberId: string, memberEpoch: number): Request =>
    async (asked) =>
      error((await asked('OffsetCommit', 9, offsetCommit(memberId, memberEpoch, null))).topics[0]!.partitions[0]!);

  test.each(Object.entries({ heartbeat, commit }))('a member that came later: %s', (_, request) =>
    refuses(
      (asked) => joinConsumers(asked, 'm1'),
      async (asked) => request('m2', await joinConsumers(asked, 'm2')),
    ));

  test.each(Object.entries({ heartbeat, commit }))('a member of a later epoch: %s', (_, request) =>
    refuses(
      (asked) => joinConsumers(asked, 'm1'),
      async (asked, epoch) => {
        await joinConsumers(asked, 'm2');
        return request('m1', await joinConsumers(asked, 'm1', epoch));
      },
    ));

  test('an instance that was released', () =>
    refuses(
      (asked) => heartbeat('m1', 0, { instanceId: 'i' })(asked),
      async (asked) => {
        await heartbeat('m1', -2, { instanceId: 'i' })(asked);
        return heartbeat('m2', 0, { instanceId: 'i' });
      },
    ));

  test('that nobody is a member of any more can be deleted', () =>
    refuses(
      (asked) => joinConsumers(asked, 'm1'),
      async (asked) => {
        await heartbeat('m1', -1)(asked);
        return async (to) => error((await to('DeleteGroups', 2, { groupsNames: [GROUP] })).results[0]!);
      },
    ));
});

describe('a share group', () => {
  test.each(['heartbeat', 'leave'])('a member that came later: %s', (what) =>
    refuses(
      (asked) => joinSharers(asked, 'm1'),
      async (asked) => {
        const memberEpoch = await joinSharers(asked, 'm2');
        const body = shareHeartbeat('m2', what === 'leave' ? -1 : memberEpoch);
        return async (to) => error(await to('ShareGroupHeartbeat', 1, body));
      },
    ));

  test('that was deleted leaves its name to others', () =>
    refuses(
      (asked) => joinSharers(asked, 'm1'),
      async (asked) => {
        await asked('ShareGroupHeartbeat', 1, shareHeartbeat('m1', -1));
        await asked('DeleteGroups', 2, { groupsNames: [GROUP] });
        return async (to) => error(await askToJoin(to, '', 'i'));
      },
    ));

  test('that nobody is a member of any more has its offsets altered', () =>
    refuses(
      (asked) => joinSharers(asked, 'm1'),
      async (asked) => {
        await asked('ShareGroupHeartbeat', 1, shareHeartbeat('m1', -1));
        const topics = [{ name: 'orders', partitions: [{ index: 0, startOffset: 0 }] }];
        return async (to) => error(await to('AlterShareGroupOffsets', 0, { groupId: GROUP, topics }));
      },
    ));
});

describe('offsets', () => {
  test('of a group whose members are gone are deleted', () =>
    refuses(
      (asked) => joinAlone(asked, { type: 'connect' }),
      async (asked, member) => {
        await leave(asked, member);
        const topics = [{ name: 'orders', partitions: [{ index: 0 }] }];
        return async (to) => error(await to('OffsetDelete', 0, { groupId: GROUP, topics }));
      },
    ));

  test('of a transaction that the group joined later', () =>
    refuses(
      (asked) => asked('OffsetCommit', 8, offsetCommit('', -1, null)),
      async (asked) => {
        const transactionalId = 't';
        const begin = { transactionalId, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
        const { producerId, producerEpoch } = await asked('InitProducerId', 4, begin);
        await asked('AddOffsetsToTxn', 3, { transactionalId, producerId, producerEpoch, groupId: GROUP });
        const { topics } = offsetCommit('', -1, null);
        const none = { generationId: -1, memberId: '', groupInstanceId: null };
        const body = { transactionalId, groupId: GROUP, producerId, producerEpoch, ...none, topics };
        return async (to) => error((await to('TxnOffsetCommit', 3, body)).topics[0]!.partitions[0]!);
      },
    ));

  test('that are set without a member', async () => {
    const { world, topicId } = await openSuccession();
    const member = await joinAlone(world.ask);
    const { offsets } = (await world.takeOver()).coordinators;
    await leave(world.ask, member);
    const client = { groupId: GROUP, client: 'c' };
    const write = { topicId, partition: 0, offset: 0, leaderEpoch: -1, metadata: '' };
    await expect(offsets.write(client, [write])).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
    expect(await world.core.coordinators.offsets.write(client, [write])).toEqual([]);
    await world.close();
  });
});
