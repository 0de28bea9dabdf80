import { Client } from '../connection.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { buildBatch, isAcked, type Outgoing, send } from './sending.ts';

/** Well within `http.idempotency.window.ms`. */
const GIVE_UP_AFTER_MS = 60_000;
const REPEAT_AFTER_SUCCESS_CHANCE = 0.2;
/** Requests that are sent twice at once, as by two senders of one event. */
const TWICE_CHANCE = 0.1;
/** Keys that are used once more for something else, which must be refused. */
const REUSE_CHANCE = 0.1;

/**
 * An HTTP client that sends each request under an Idempotency-Key and repeats it until it is answered, and now and then
 * once more: every batch of it may be there once at most, at the offset of the first answer.
 */
export async function keyedWriter(world: World, name: string, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs));
    const outgoing = request(world, name, random);
    if (outgoing.length === 0) continue;
    const key = `key-${world.nextId()}`;
    const known = await sendUntilKnown(world, client, outgoing, key, random);
    if (known && random.chance(REUSE_CHANCE)) await reuse(world, name, client, outgoing, key, random);
  }
}

/** Batches for some partitions of one topic, each partition once. */
function request(world: World, writer: string, random: SeededRandom): Outgoing[] {
  const topic = world.topics.pickTopic(random);
  if (!topic) return [];
  const outgoing: Outgoing[] = [];
  for (let partition = 0; partition < topic.partitions; partition++) {
    if (outgoing.length > 0 && random.chance(0.6)) continue;
    outgoing.push(buildBatch(world, random, { topicId: topic.topicId, partition, writer, kind: 'keyed' }));
  }
  return outgoing;
}

/** True when every batch was acknowledged. */
async function sendUntilKnown(
  world: World,
  client: Client,
  outgoing: readonly Outgoing[],
  key: string,
  random: SeededRandom,
): Promise<boolean> {
  const idempotency = { key, fingerprint: outgoing[0]!.batch.batchId };
  const began = world.time.monotonic();
  let repeats = random.chance(REPEAT_AFTER_SUCCESS_CHANCE) ? 1 : 0;
  while (world.topics.knows(outgoing[0]!.batch.topicId) && world.time.monotonic() - began < GIVE_UP_AFTER_MS) {
    if (random.chance(TWICE_CHANCE)) void send(world, client, outgoing, { origin: 'http', idempotency });
    const reply = await send(world, client, outgoing, { origin: 'http', idempotency });
    if (reply.type === 'answered' && reply.value.every(isAcked) && repeats-- === 0) return true;
    await world.time.sleep(random.between(5, 300));
  }
  return false;
}

/** Other records for the same partitions under a key that was used. */
async function reuse(
  world: World,
  writer: string,
  client: Client,
  outgoing: readonly Outgoing[],
  key: string,
  random: SeededRandom,
): Promise<void> {
  const others = outgoing.map(({ batch: { topicId, partition } }) =>
    buildBatch(world, random, { topicId, partition, writer, kind: 'reused' }),
  );
  const idempotency = { key, fingerprint: others[0]!.batch.batchId };
  await send(world, client, others, { origin: 'http', idempotency });
}
