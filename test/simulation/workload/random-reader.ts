import { Client } from '../connection.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { askEpochEnd, fetch, listOffset } from './reading.ts';

/** Reads from anywhere: the middle of batches, before the start, beyond the end, from a moment in time, the whole log. */
export async function randomReader(world: World, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs));
    const name = world.topics.pickPartition(random);
    if (!name) continue;
    const earliest = await listOffset(world, client, name, { type: 'earliest' });
    const latest = await listOffset(world, client, name, { type: 'latest', isolation: 'read_uncommitted' });
    if (earliest.type !== 'answered' || latest.type !== 'answered') continue;
    const from = earliest.value.offset;
    const end = latest.value.offset;
    let offset = random.integer(from, end + 1);
    if (random.chance(0.1)) offset = random.pick([Math.max(0, from - 1), end, end + 1]);
    if (random.chance(0.3)) {
      const timestamp = world.time.now() - random.integer(-1_000, 40_000);
      const found = await listOffset(world, client, name, { type: 'timestamp', timestamp });
      if (found.type === 'answered' && found.value.offset >= 0) offset = found.value.offset;
    }
    if (random.chance(0.1)) await listOffset(world, client, name, { type: 'maxTimestamp' });
    if (random.chance(0.2)) await askEpochEnd(world, client, name, random.integer(0, world.supervisor.count + 1));
    await scan(world, client, random, name, offset, random.chance(0.2) ? end : offset + random.integer(1, 30));
  }
}

async function scan(
  world: World,
  client: Client,
  random: SeededRandom,
  name: { readonly topicId: string; readonly partition: number },
  from: number,
  end: number,
): Promise<void> {
  let offset = from;
  while (offset < end) {
    const maxBytes = random.pick([1, 2_000, 100_000]);
    const limits = { minBytes: 0, maxBytes: random.pick([1, 10_000, 1_000_000]), maxWaitMs: 0 };
    const answers = await fetch(world, client, random, [{ ...name, fetchOffset: offset, maxBytes }], limits);
    const last = answers?.[0]?.records.at(-1);
    if (!last) return;
    offset = last.offset + 1;
  }
}
