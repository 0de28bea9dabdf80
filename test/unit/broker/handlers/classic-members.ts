/** A broker in stepped time, and members of classic groups that join it. */
import { afterEach, beforeEach } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { type SteppedRuntime, steppedRuntime } from '../../coordinator/stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../../coordinator/world.ts';

/** What a consumer of topic `orders` sends. */
export const METADATA = Buffer.from('00030000000100066f726465727300000000', 'hex');

export const joinOf = (groupId: string, memberId: string) => ({
  groupId,
  memberId,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: METADATA }],
});

export class ClassicMembers {
  runtime!: SteppedRuntime;
  world!: CoordinatorWorld;

  /** Joined, with both steps where the version has two. */
  async join(version = 9, groupId = 'g') {
    const first = this.world.ask('JoinGroup', version, joinOf(groupId, ''));
    await this.runtime.advance(0);
    const answer = await first;
    if (answer.errorCode !== ERRORS.MEMBER_ID_REQUIRED.code) return answer;
    const second = this.world.ask('JoinGroup', version, joinOf(groupId, answer.memberId));
    await this.runtime.advance(0);
    return second;
  }

  /** A member that leads, alone, in a stable group. */
  async work(groupId = 'g') {
    const { memberId, generationId } = await this.join(9, groupId);
    const assignments = [{ memberId, assignment: Buffer.from('all') }];
    await this.world.ask('SyncGroup', 5, { groupId, generationId, memberId, assignments });
    return { memberId, generationId };
  }

  async leave(groupId: string, memberId: string) {
    await this.world.ask('LeaveGroup', 5, { groupId, members: [{ memberId }] });
    await this.runtime.settle();
  }
}

/** A new broker for each test. */
export function classicMembers(): ClassicMembers {
  const members = new ClassicMembers();
  beforeEach(async () => {
    members.runtime = steppedRuntime();
    members.world = await openCoordinatorWorld(members.runtime);
  });
  afterEach(() => members.world.close());
  return members;
}
