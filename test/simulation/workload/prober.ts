import { type Client, Connection } from '../connection.ts';
import type { PartitionName } from '../history.ts';
import type { World } from '../world.ts';
import { buildBatch, isAcked, send } from './sending.ts';

/** Of one value: inline, and in a segment whatever requests cost. */
const VALUE_BYTES = [100, 100_000] as const;
const PAUSE_MS = 250;
/** Longer than any append is waited for. */
const PATIENCE_MS = 60_000;

/**
 * All is well again: every broker must take records in for every journal, small ones and large ones. Whoever asks for leaders, lanes
 * or room in vain since something went wrong would show nothing else: its clients turn to other brokers.
 */
export async function prober(world: World): Promise<void> {
  for (const slot of world.supervisor.slots) {
    for (const journal of journalsOf(world)) {
      for (const valueBytes of VALUE_BYTES) await probe(world, () => slot.newest, journal, valueBytes);
    }
  }
}

type Newest = World['supervisor']['slots'][number]['newest'];

async function probe(world: World, newest: () => Newest, journal: number, valueBytes: number): Promise<void> {
  const random = world.random.fork('prober');
  const startedAt = world.time.monotonic();
  for (;;) {
    const target = partitionOf(world, journal);
    if (target === undefined) return; // Its topics went meanwhile.
    const process = newest();
    if (process?.serves) {
      const connection = new Connection(world, process, random);
      const client: Pick<Client, 'call' | 'reconnect'> = { call: (call) => connection.call(call), reconnect: () => {} };
      const outgoing = buildBatch(world, random, { ...target, writer: 'prober', kind: 'plain', valueBytes });
      const reply = await send(world, client, [outgoing], { origin: 'kafka' });
      if (reply.type === 'answered' && reply.value.every(isAcked)) return;
    }
    const waitedMs = world.time.monotonic() - startedAt;
    if (waitedMs > PATIENCE_MS) {
      const what = `a producer of ${valueBytes} bytes for journal ${journal} at ${process?.name ?? 'a broker that is away'}`;
      world.history.add({ type: 'stuck', what, waitedMs });
      return;
    }
    await world.time.sleep(PAUSE_MS);
  }
}

const journalsOf = (world: World): ReadonlySet<number> =>
  new Set([...world.ledger.partitions()].map(({ journal }) => journal));

function partitionOf(world: World, wanted: number): PartitionName | undefined {
  return [...world.ledger.partitions()].find(
    ({ journal, topicId }) => journal === wanted && world.topics.knows(topicId),
  );
}
