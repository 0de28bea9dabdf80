import { Client, partitionOf } from '../connection.ts';
import type { PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { buildBatch, isAcked, send } from './sending.ts';

/**
 * An HTTP client with If-Match-Offset: appends only when its records get exactly the offset it expects, which it learns
 * from its last answer, from a refusal, or by asking. Sometimes it expects too much or too little on purpose.
 */
export async function conditionalWriter(world: World, name: string, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  while (!world.draining) {
    const target = world.topics.pickPartition(random);
    if (target) await writeSome(world, name, random, client, target);
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs));
  }
}

async function writeSome(
  world: World,
  writer: string,
  random: SeededRandom,
  client: Client,
  target: PartitionName,
): Promise<void> {
  let expectedOffset = await latest(client, target);
  for (let left = random.integer(1, 8); left > 0 && expectedOffset >= 0; left--) {
    if (random.chance(0.1)) expectedOffset = Math.max(0, expectedOffset + random.integer(-3, 4));
    const outgoing = buildBatch(world, random, { ...target, writer, kind: 'conditional', expectedOffset });
    const reply = await send(world, client, [outgoing], { origin: 'http' });
    const outcome = reply.type === 'answered' ? reply.value[0]! : null;
    if (outcome === null || !world.topics.knows(target.topicId)) return;
    if (isAcked(outcome)) expectedOffset = outcome.baseOffset + outgoing.batch.recordCount;
    else if (outcome.error === 'OFFSET_MISMATCH') expectedOffset = outcome.nextOffset;
    else return;
  }
}

/** -1 when nobody tells. */
async function latest(client: Client, target: PartitionName): Promise<number> {
  const reply = await client.call({
    to: partitionOf(target),
    what: 'listOffset latest',
    at: (core) => core.log.listOffset(target, { type: 'latest', isolation: 'read_uncommitted' }),
  });
  return reply.type === 'answered' ? reply.value.offset : -1;
}
