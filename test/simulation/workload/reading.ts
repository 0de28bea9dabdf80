/** Fetches and questions for offsets, with every answer told to the history. */
import type { FetchAnswer, FoundOffset, OffsetAt } from '../../../src/log/log.ts';
import { type Client, partitionOf, type Reply } from '../connection.ts';
import type { FetchSeen, PartitionName, Watermarks } from '../history.ts';
import { readPayload, type SeenRecord } from '../payload.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { describeError } from '../simulated-runtime.ts';
import type { World } from '../world.ts';

export interface FetchWanted extends PartitionName {
  readonly fetchOffset: number;
  readonly maxBytes: number;
}

export interface FetchLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** By chance when absent. */
  readonly isolation?: FetchSeen['isolation'];
}

/** Clients that read an answer late: its buffers must stay as they are until it is released. */
const SLOW_CLIENT_CHANCE = 0.1;
const SLOW_CLIENT_MS = 300;
/** Clients that go away while they wait. */
const ABORT_CHANCE = 0.03;

const NOWHERE: Watermarks = { logStartOffset: 0, nextOffset: 0 };

/** What each partition was answered, in the order of the request; null when there was no answer. */
export async function fetch(
  world: World,
  client: Client,
  random: SeededRandom,
  partitions: readonly FetchWanted[],
  limits: FetchLimits,
): Promise<readonly FetchSeen[] | null> {
  const { history, time } = world;
  const controller = new AbortController();
  const abortAfterMs = random.chance(ABORT_CHANCE) ? random.between(0, 50) : null;
  const isolation = limits.isolation ?? random.pick(['read_uncommitted', 'read_committed'] as const);
  const slowMs = random.chance(SLOW_CLIENT_CHANCE) ? random.between(0, SLOW_CLIENT_MS) : null;
  const reply = await client.call<readonly FetchSeen[]>({
    ...(partitions[0] && { to: partitionOf(partitions[0]) }),
    what: `fetch of ${partitions.map(({ partition, fetchOffset }) => `${partition}@${fetchOffset}`).join(', ')}`,
    at: async (core, process, enter) => {
      const before = partitions.map((name) => ({
        ...watermarksOf(world, name),
        visible: world.acknowledgements.visibleAt(process, name),
      }));
      if (abortAfterMs !== null) time.after(abortAfterMs, () => enter(() => controller.abort(new Error('went away'))));
      const wanted = partitions.map((each) => ({ ...each, currentLeaderEpoch: -1 }));
      const request = { partitions: wanted, ...limits, isolation };
      let answer: FetchAnswer;
      try {
        answer = await core.log.fetch(request, controller.signal);
      } catch (cause) {
        if (controller.signal.aborted) return [];
        throw cause;
      }
      if (slowMs !== null) await new Promise<void>((resolve) => time.after(slowMs, () => enter(resolve)));
      const seen = await look(answer, partitions, before, process, isolation);
      answer.release();
      return seen;
    },
    onAnswer: (seen) => {
      for (const each of seen) history.add({ type: 'fetched', ...each });
    },
  });
  if (reply.type !== 'answered' || reply.value.length === 0) return null;
  if (reply.value.some(({ error }) => error === 'NOT_LEADER_OR_FOLLOWER')) client.reconnect();
  return reply.value;
}

async function look(
  { partitions }: FetchAnswer,
  wanted: readonly FetchWanted[],
  before: readonly FetchSeen['before'][],
  process: string,
  isolation: FetchSeen['isolation'],
): Promise<FetchSeen[]> {
  const seen: FetchSeen[] = [];
  for (const [index, answered] of partitions.entries()) {
    const { error, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, records } = answered;
    const { topicId, partition, fetchOffset } = wanted[index]!;
    let found: readonly SeenRecord[] = [];
    let damage = '';
    try {
      if (records.length > 0) found = await readPayload(records);
    } catch (cause) {
      damage = describeError(cause);
    }
    seen.push({
      topicId,
      partition,
      process,
      fetchOffset,
      error,
      isolation,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      aborted: abortedTransactions,
      records: found,
      damage,
      before: before[index]!,
    });
  }
  return seen;
}

export async function listOffset(
  world: World,
  client: Client,
  name: PartitionName,
  at: OffsetAt,
): Promise<Reply<FoundOffset>> {
  let process = '';
  let before = NOWHERE;
  return client.call<FoundOffset>({
    to: partitionOf(name),
    what: `listOffset ${at.type}`,
    at: (core, processName) => {
      process = processName;
      before = watermarksOf(world, name);
      return core.log.listOffset(name, at);
    },
    onAnswer: ({ offset, timestamp }) =>
      world.history.add({ type: 'offsetListed', ...name, process, at, offset, timestamp, before }),
  });
}

/** KIP-320, as a consumer asks after a change of leaders. */
export async function askEpochEnd(world: World, client: Client, name: PartitionName, asked: number): Promise<void> {
  let process = '';
  let visible = 0;
  await client.call({
    to: partitionOf(name),
    what: 'offsetForLeaderEpoch',
    at: async (core, processName) => {
      process = processName;
      visible = world.acknowledgements.visibleAt(process, name);
      return core.log.offsetForLeaderEpoch(name, asked);
    },
    onAnswer: ({ epoch, endOffset }) =>
      world.history.add({ type: 'epochEndTold', ...name, process, asked, epoch, endOffset, visible }),
  });
}

/** What the journals say at this moment. */
const watermarksOf = (world: World, name: PartitionName): Watermarks =>
  world.ledger.partition(name)?.watermarks ?? NOWHERE;
