import { Client } from '../connection.ts';
import type { PartitionName } from '../history.ts';
import { nameOf } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { fetch, listOffset } from './reading.ts';

/** A consumer of all partitions: begins at the earliest offset, follows the end with long polls, several in one fetch. */
export async function tailReader(world: World, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  const positions = new Map<string, PartitionName & { offset: number }>();
  while (!world.draining) {
    for (const { topicId, partitions } of world.topics.all()) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = { topicId, partition };
        if (!positions.has(nameOf(name))) await place(world, client, positions, name);
      }
    }
    for (const [key, { topicId }] of positions) if (!world.topics.knows(topicId)) positions.delete(key);
    await poll(world, client, random, positions);
    await world.time.sleep(random.exponential(20));
  }
}

async function place(
  world: World,
  client: Client,
  positions: Map<string, PartitionName & { offset: number }>,
  name: PartitionName,
): Promise<void> {
  const reply = await listOffset(world, client, name, { type: 'earliest' });
  if (reply.type === 'answered') positions.set(nameOf(name), { ...name, offset: reply.value.offset });
}

async function poll(
  world: World,
  client: Client,
  random: SeededRandom,
  positions: Map<string, PartitionName & { offset: number }>,
): Promise<void> {
  const limits = {
    minBytes: random.pick([1, 1, 500, 20_000]),
    maxBytes: random.pick([1, 3_000, 50_000, 1_000_000]),
    maxWaitMs: random.pick([0, 50, 500, 2_000]),
  };
  const wanted = [...positions.values()].map(({ topicId, partition, offset }) => ({
    topicId,
    partition,
    fetchOffset: offset,
    maxBytes: random.pick([500, 10_000, 1_000_000]),
  }));
  if (wanted.length === 0) return;
  const answers = await fetch(world, client, random, wanted, limits);
  for (const { topicId, partition, error, records } of answers ?? []) {
    const key = nameOf({ topicId, partition });
    const position = positions.get(key);
    const last = records.at(-1);
    if (position && last) position.offset = last.offset + 1;
    if (error === 'OFFSET_OUT_OF_RANGE') positions.delete(key);
  }
  if (answers === null) await world.time.sleep(random.between(5, 100));
}
