import { Client, partitionOf } from '../connection.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { listOffset } from './reading.ts';

/** DeleteRecords: up to an offset in the middle, or everything. */
export async function recordDeleter(world: World, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.deleteRecordsEveryMs));
    const name = world.topics.pickPartition(random);
    if (!name) continue;
    const latest = await listOffset(world, client, name, { type: 'latest', isolation: 'read_uncommitted' });
    if (latest.type !== 'answered') continue;
    const beforeOffset = random.chance(0.2) ? -1 : random.integer(0, latest.value.offset + 1);
    await client.call({
      to: partitionOf(name),
      what: `deleteRecords ${beforeOffset}`,
      at: (core) => {
        world.history.add({ type: 'deleteRecordsAsked', ...name, beforeOffset });
        return core.log.deleteRecords(name, beforeOffset);
      },
      onAnswer: (logStartOffset) =>
        world.history.add({ type: 'recordsDeleted', ...name, beforeOffset, logStartOffset }),
    });
  }
}
