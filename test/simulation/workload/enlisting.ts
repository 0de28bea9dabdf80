/**
 * Produce as it is since v12 (KIP-890): a batch brings its partition into the transaction. Goes through the handler of the
 * broker's door, which holds batches, lets them go ahead, and explains why they were refused.
 */
import { ClientView } from '../../../src/broker/client-view.ts';
import type { Call } from '../../../src/broker/handler.ts';
import { produce } from '../../../src/broker/handlers/produce.ts';
import { lookForTopics } from '../../../src/broker/topic-lookup.ts';
import { ERRORS, type ErrorName } from '../../../src/errors.ts';
import type { ProduceOutcome } from '../../../src/log/log.ts';
import type { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/produce.ts';
import type { Core } from '../../../src/server.ts';
import { type Client, partitionOf } from '../connection.ts';
import type { World } from '../world.ts';
import type { Outgoing } from './sending.ts';

/** Topics by id, so that those that come anew under an old name are told apart. */
const VERSION = 13;
const TIMEOUT_MS = 20_000;
/** No client deserves these: what is sent is whole. */
const NEVER: ReadonlySet<ErrorName> = new Set(['CORRUPT_MESSAGE', 'INVALID_RECORD', 'UNKNOWN_SERVER_ERROR']);

const NAME_OF = new Map<number, ErrorName>(Object.entries(ERRORS).map(([name, { code }]) => [code, name as ErrorName]));

type Partition = ProduceResponse['topics'][number]['partitions'][number];

/** The error that it is answered with; null when there is no answer. */
export async function sendEnlisting(
  world: World,
  client: Client,
  transactionalId: string,
  { batch, bytes }: Outgoing,
): Promise<ErrorName | null> {
  const { history } = world;
  const { topicId, partition } = batch;
  let process = '';
  const reply = await client.call<ProduceOutcome>({
    to: partitionOf(batch),
    what: `produce of batch ${batch.batchId} of ${transactionalId}`,
    at: async (core, name, enter) => {
      process = name;
      const records = Buffer.from(bytes);
      const topics = [{ name: '', topicId, partitions: [{ index: partition, records }] }];
      const request: ProduceRequest = { transactionalId, acks: -1, timeoutMs: TIMEOUT_MS, topics };
      const looking = lookForTopics('Produce', request, core.topics);
      if (looking !== null) await looking;
      history.add({ type: 'sent', batch, process });
      const answer = produce.handle(request, callAt(world, core, enter));
      // The frame is used again as soon as the handler waits.
      records.fill(0xee);
      return outcomeOf((await answer)!.topics[0]!.partitions[0]!);
    },
    onAnswer: (outcome) => {
      history.add({ type: 'answered', batch, process, outcome });
      if (!NEVER.has(outcome.error)) return;
      const what = `batch ${batch.batchId} is answered with ${outcome.error}: ${'message' in outcome && outcome.message}`;
      history.add({ type: 'internalError', process, what });
    },
  });
  if (reply.type === 'failed') return reply.error.error;
  if (reply.type !== 'answered') return null;
  if (reply.value.error === 'NOT_LEADER_OR_FOLLOWER') client.reconnect();
  return reply.value.error;
}

/** As far as Produce looks at it. */
function callAt({ time }: World, core: Core, enter: (callback: () => void) => void): Call {
  const { log, topics, coordinators, configs, cluster } = core;
  const { members, leaders, brokerId } = cluster;
  const after = (delayMs: number, callback: () => void) => time.after(delayMs, () => enter(callback));
  const broker = { runtime: { timers: { after } }, log, topics, coordinators, configs, members, leaders, brokerId };
  const viewedBy = { clientZone: '', listenerZone: '', advertised: members.self.kafka };
  return {
    broker,
    apiVersion: VERSION,
    code: (error: ErrorName) => ERRORS[error].code,
    get view() {
      return new ClientView(broker as unknown as Call['broker'], viewedBy);
    },
  } as unknown as Call;
}

function outcomeOf({
  errorCode,
  errorMessage,
  baseOffset,
  logAppendTimeMs,
  logStartOffset,
}: Partition): ProduceOutcome {
  const error = NAME_OF.get(errorCode) ?? 'UNKNOWN_SERVER_ERROR';
  const common = { logStartOffset: Number(logStartOffset) };
  if (error !== 'NONE') {
    return { ...common, error, message: errorMessage ?? '', nextOffset: -1, noSideEffects: false };
  }
  // Whether it was there before is not told: nothing is said of who took it in.
  return {
    ...common,
    error,
    baseOffset: Number(baseOffset),
    logAppendTimeMs: Number(logAppendTimeMs),
    duplicate: true,
  };
}
