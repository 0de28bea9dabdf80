import { Client } from '../connection.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { buildBatch, type Outgoing, send } from './sending.ts';

const IN_FLIGHT_MAX = 6;
const PARTITIONS_PER_REQUEST_MAX = 3;

/**
 * A producer that is not idempotent: several requests in flight, for one or more partitions each, none ever repeated. So
 * each of its batches may be there once at most, and those that reach one process stand in the order of their arrival.
 */
export async function plainWriter(world: World, name: string, random: SeededRandom): Promise<void> {
  const client = new Client(world, random.fork('client'));
  const inFlight = new Set<Promise<void>>();
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs));
    if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
    const outgoing = request(world, name, random);
    if (outgoing.length === 0) continue;
    const sending = sendOnce(world, client, outgoing, random).finally(() => inFlight.delete(sending));
    inFlight.add(sending);
  }
  await Promise.all(inFlight);
}

function request(world: World, writer: string, random: SeededRandom): Outgoing[] {
  const count = random.chance(0.7) ? 1 : random.integer(2, PARTITIONS_PER_REQUEST_MAX + 1);
  const outgoing: Outgoing[] = [];
  for (let index = 0; index < count; index++) {
    const target = world.topics.pickPartition(random);
    if (target) outgoing.push(buildBatch(world, random, { ...target, writer, kind: 'plain' }));
  }
  return outgoing;
}

async function sendOnce(world: World, client: Client, outgoing: readonly Outgoing[], random: SeededRandom) {
  const reply = await send(world, client, outgoing, { origin: 'kafka' });
  const troubled = reply.type !== 'answered' || reply.value.some(({ error }) => error !== 'NONE');
  if (troubled) await world.time.sleep(random.between(10, 200));
}
