import type { Client } from '../connection.ts';
import { nameOf } from '../history.ts';
import type { World } from '../world.ts';
import { fetch } from './reading.ts';

const ATTEMPTS_MAX = 200;

/** Reads every partition that the journals have from its first to its last record, and tells the history when it is done. */
export async function finalReader(world: World, client: Client): Promise<void> {
  const random = world.random.fork('final reader');
  for (const { topicId, partition } of [...world.ledger.partitions()]) {
    const name = { topicId, partition };
    let offset = world.ledger.partition(name)?.logStartOffset ?? 0;
    for (let attempt = 0; ; ) {
      const ledger = world.ledger.partition(name);
      if (!ledger || offset >= ledger.nextOffset) break;
      const limits = { minBytes: 0, maxBytes: 1_000_000, maxWaitMs: 0 };
      const answers = await fetch(world, client, random, [{ ...name, fetchOffset: offset, maxBytes: 300_000 }], limits);
      const last = answers?.[0]?.records.at(-1);
      if (last) {
        offset = last.offset + 1;
        continue;
      }
      offset = Math.max(offset, ledger.logStartOffset);
      if (attempt++ === ATTEMPTS_MAX) {
        const what = `record ${offset} of ${nameOf(name)} (${ledger.logStartOffset}..${ledger.nextOffset})`;
        world.history.add({ type: 'unreadable', ...name, offset, what: `${what}: ${answers?.[0]?.error}` });
        break;
      }
      await world.time.sleep(random.between(20, 300));
    }
  }
}
