/** Building batches and sending them, with every attempt told to the history. */
import type { ProduceOptions, ProduceOutcome } from '../../../src/log/log.ts';
import { type Client, partitionOf, type Reply } from '../connection.ts';
import type { PartitionName, SentBatch } from '../history.ts';
import { buildPayload } from '../payload.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';

/** A batch on its way, with the bytes that each attempt sends. */
export interface Outgoing {
  readonly batch: SentBatch;
  readonly bytes: Buffer;
}

export type Acked = Extract<ProduceOutcome, { error: 'NONE' }>;
export const isAcked = (outcome: ProduceOutcome): outcome is Acked => outcome.error === 'NONE';

/** Records without a timestamp. */
const NO_TIMESTAMP_CHANCE = 0.02;
/** Batches that are too large to travel inline. */
const LARGE_CHANCE = 0.08;

export interface Wanted extends PartitionName {
  readonly writer: string;
  readonly kind: SentBatch['kind'];
  readonly producer?: NonNullable<SentBatch['producer']>;
  readonly expectedOffset?: number;
  readonly transaction?: number;
  /** By chance when absent. */
  readonly valueBytes?: number;
}

export function buildBatch(world: World, random: SeededRandom, wanted: Wanted): Outgoing {
  const { topicId, partition, writer, kind, producer, expectedOffset, transaction } = wanted;
  const batchId = world.nextId();
  const recordCount = random.integer(1, 6);
  const drawnBytes = random.chance(LARGE_CHANCE) ? random.integer(8_000, 30_000) : random.integer(20, 1_500);
  const { valueBytes = drawnBytes } = wanted;
  const timestamp = random.chance(NO_TIMESTAMP_CHANCE) ? -1 : world.time.now() - random.integer(0, 2_000);
  const transactional = transaction !== undefined;
  const payload = { batchId, writer, recordCount, valueBytes, timestamp, transactional };
  const bytes = buildPayload({ ...payload, ...(producer && { producer }) });
  const batch: SentBatch = {
    batchId,
    topicId,
    partition,
    writer,
    kind,
    recordCount,
    bytes: bytes.length,
    timestamp,
    ...(producer && { producer }),
    ...(expectedOffset !== undefined && { expectedOffset }),
    ...(transaction !== undefined && { transaction }),
  };
  return { batch, bytes };
}

/** One produce request; the outcomes come in the order of `outgoing`. */
export async function send(
  { history }: World,
  client: Pick<Client, 'call' | 'reconnect'>,
  outgoing: readonly Outgoing[],
  options: ProduceOptions,
): Promise<Reply<readonly ProduceOutcome[]>> {
  let process = '';
  const [first] = outgoing;
  // Those who count on the order of their batches send all of a partition to one broker, as all clients do.
  const isPinned = first?.batch.producer !== undefined;
  const reply = await client.call<readonly ProduceOutcome[]>({
    ...(isPinned && { to: partitionOf(first!.batch) }),
    what: `produce of batch ${outgoing.map(({ batch }) => batch.batchId).join(', ')}`,
    at: (core, name) => {
      process = name;
      for (const { batch } of outgoing) history.add({ type: 'sent', batch, process });
      const requests = outgoing.map(({ batch: { topicId, partition, expectedOffset }, bytes }) => ({
        topicId,
        partition,
        records: Buffer.from(bytes),
        ...(expectedOffset !== undefined && { expectedOffset }),
      }));
      const answer = core.log.produce(requests, options);
      // The caller may reuse its buffers at once: this one does.
      for (const { records } of requests) records.fill(0xee);
      return answer;
    },
    onAnswer: (outcomes) => {
      for (const [index, outcome] of outcomes.entries()) {
        history.add({ type: 'answered', batch: outgoing[index]!.batch, process, outcome });
      }
    },
  });
  const elsewhere = reply.type === 'answered' && reply.value.some(({ error }) => error === 'NOT_LEADER_OR_FOLLOWER');
  if (elsewhere) client.reconnect();
  return reply;
}
