/**
 * A consumer that manages its partitions itself: commits offsets that grow, often several requests at once, asks what is
 * committed, and sometimes goes back on purpose.
 */
import type { FoundOffset } from '../../../src/coordinator/group/offsets/offsets.ts';
import { Client, coordinatorOf } from '../connection.ts';
import type { PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';

const AHEAD_MAX = 50;
const BACK_CHANCE = 0.05;
const SAME_CHANCE = 0.2;
const TOGETHER_MAX = 3;
const LOST_MS = 120_000;

const NO_MEMBER = { memberId: '', groupInstanceId: null, generationIdOrMemberEpoch: -1, transactional: false };

export async function committer(world: World, name: string, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  // Two of them share a group now and then.
  const groupId = `group-${random.integer(0, 2)}-${name}`;
  let position = 0;
  /** Until then a request whose answer was lost may still arrive. */
  let lostUntil = 0;
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs * 2));
    const target = world.topics.pickPartition(random);
    if (!target) continue;
    if (random.chance(0.4)) {
      await fetchOffset(world, client, groupId, target);
      continue;
    }
    const count = random.integer(1, TOGETHER_MAX + 1);
    const together = count > 1 || world.time.monotonic() < lostUntil;
    const commits = Array.from({ length: count }, () => {
      if (random.chance(BACK_CHANCE)) position = random.integer(0, position + 1);
      else if (!random.chance(SAME_CHANCE)) position += random.integer(1, AHEAD_MAX);
      return commitOffset(world, client, groupId, target, position, together);
    });
    const answered = await Promise.all(commits);
    if (answered.includes(false)) lostUntil = world.time.monotonic() + LOST_MS;
  }
  for (const { topicId, partitions } of world.topics.all()) {
    for (let partition = 0; partition < partitions; partition++) {
      await fetchOffset(world, client, groupId, { topicId, partition });
    }
  }
}

/** False when nobody knows whether it was done. */
async function commitOffset(
  world: World,
  client: Client,
  groupId: string,
  { topicId, partition }: PartitionName,
  offset: number,
  together: boolean,
): Promise<boolean> {
  let process = '';
  let changesBefore = 0;
  const reply = await client.call({
    to: coordinatorOf(groupId),
    what: `commit of offset ${offset} for ${groupId}`,
    at: (core, processName) => {
      process = processName;
      changesBefore = world.committedOffsets.changes(groupId, { topicId, partition });
      const commit = { topicId, partition, offset, leaderEpoch: -1, metadata: '' };
      return core.coordinators.offsets.commit({ groupId, client: 'sim' }, { ...NO_MEMBER, apiVersion: 8 }, [commit]);
    },
    onAnswer: ([refusal]) => {
      if (refusal !== null) return;
      world.history.add({
        type: 'offsetCommitted',
        topicId,
        partition,
        process,
        groupId,
        offset,
        changesBefore,
        together,
      });
    },
  });
  return reply.type !== 'lost';
}

async function fetchOffset(
  world: World,
  client: Client,
  groupId: string,
  { topicId, partition }: PartitionName,
): Promise<void> {
  let process = '';
  let changesBefore = 0;
  await client.call<readonly FoundOffset[]>({
    to: coordinatorOf(groupId),
    what: `fetch of the offsets of ${groupId}`,
    at: (core, processName) => {
      process = processName;
      changesBefore = world.committedOffsets.changes(groupId, { topicId, partition });
      const places = [{ topicId, partition }];
      return core.coordinators.offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places });
    },
    onAnswer: ([found]) => {
      const offset = found?.committed?.offset ?? -1;
      world.history.add({
        type: 'offsetFetched',
        topicId,
        partition,
        process,
        groupId,
        offset,
        changesBefore,
        together: false,
      });
    },
  });
}
