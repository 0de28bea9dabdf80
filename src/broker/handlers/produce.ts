/**
 * Produce (0), v3-13; advertised from 0 (KAFKA-18659).
 *
 * All batches of a request go to the log in one call, in the order of the request, before the handler first waits: so the
 * requests of a connection reach the log in order. acks -1 and 1 are the same: answered when durable. acks 0 is not
 * answered; as in Kafka, an error closes the connection then, so that the producer notices. Topics by id since v13.
 *
 * A batch is refused as a whole; where single records are at fault, as those without a key on a compacted topic, they are
 * told (v8, KIP-467). Records that are not durable after `timeoutMs`, but at least a second, are REQUEST_TIMED_OUT: they
 * may become so later.
 *
 * NOT_LEADER_OR_FOLLOWER names the broker to send to (v10, KIP-951).
 *
 * Transactional batches pass under an open transaction of their producer on the partition only, whatever the version and
 * whatever the request's transactional id: else INVALID_TXN_STATE, since v11 TRANSACTION_ABORTABLE (KIP-890). Since v12 the
 * partition joins the transaction by itself: its batches, and later ones of the same transactional id, are held until it has.
 */
import type { Topic } from '../../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../../errors.ts';
import type { ProduceBatch, ProduceOutcome } from '../../log/log.ts';
import type { ProduceRequest, ProduceResponse } from '../../protocol/messages/produce.ts';
import type { Timers } from '../../runtime/clock.ts';
import type { Call, Handler } from '../handler.ts';
import { LeaderHints } from '../leader-hints.ts';
import { findPartition, findTopic, type TopicReference } from '../partitions.ts';
import { enlist } from '../transactional-batches.ts';

const LEADER_SINCE = 10;
const BY_ID_SINCE = 13;
const ABORTABLE_SINCE = 11;
const ENLISTS_SINCE = 12;
/** Where records go to an object store, less would make every request time out. */
const TIMEOUT_MS_MIN = 1_000;
const NO_RECORDS = Buffer.alloc(0);

type PartitionResponse = ProduceResponse['topics'][number]['partitions'][number];
/** Per partition of the request in order: why it did not reach the log, or null. */
type Refusals = readonly (KafkaError | null)[];

export const produce: Handler<'Produce'> = {
  turn: 'produce',
  handle(request, call) {
    const { batches, refusals } = sort(request, call);
    const { transactionalId } = request;
    const enlisted =
      transactionalId !== null && call.apiVersion >= ENLISTS_SINCE ? enlist(transactionalId, batches, call) : null;
    if (enlisted === null) return append(request, call, refusals, batches);
    if (enlisted.type === 'joining') return append(request, call, refusals, enlisted.batches, enlisted.failure);
    return enlisted.until.then((held) =>
      held instanceof KafkaError ? refuseAll(request, call, refusals, held) : append(request, call, refusals, held),
    );
  },
  refuse(request, error, call) {
    const refusals = request.topics.flatMap(({ partitions }) => partitions.map(() => error));
    if (request.acks === 0) return call.closeConnection(`${error.error} for a producer that waits for no answer`);
    return respond(request, call, refusals, []);
  },
};

/** `failure` tells why batches were refused whose partitions did not join their transaction. */
async function append(
  request: ProduceRequest,
  call: Call,
  refusals: Refusals,
  batches: readonly ProduceBatch[],
  failure: Promise<KafkaError | null> | null = null,
): Promise<ProduceResponse | null> {
  if (batches.length === 0) return answer(request, call, refusals, []);
  const timeoutMs = Math.max(request.timeoutMs, TIMEOUT_MS_MIN);
  const produced = call.broker.log.produce(batches, { origin: 'kafka', clientWaitsMs: timeoutMs });
  const settled = failure === null ? produced : explained(produced, failure);
  const { timers } = call.broker.runtime;
  const outcomes = request.acks === 0 ? await settled : await within(timers, timeoutMs, settled);
  if (outcomes !== null && !(outcomes instanceof KafkaError)) {
    const { transactionalId } = request;
    if (transactionalId !== null && outcomes.some(({ error }) => error === 'INVALID_TXN_STATE')) {
      call.broker.coordinators.transactions.mistrust(transactionalId);
    }
    return answer(request, call, refusals, outcomes);
  }
  const why =
    outcomes ?? new KafkaError('REQUEST_TIMED_OUT', `not durable after ${timeoutMs} ms; it may become so later`);
  return refuseAll(request, call, refusals, why);
}

/** What is appended is appended; else the failure is the reason. */
async function explained(
  produced: Promise<readonly ProduceOutcome[]>,
  failure: Promise<KafkaError | null>,
): Promise<readonly ProduceOutcome[] | KafkaError> {
  const [outcomes, failed] = await Promise.all([produced, failure]);
  return failed === null || outcomes.every(isAppended) ? outcomes : failed;
}

/** Null when it takes longer. */
function within<T>(timers: Timers, timeoutMs: number, promise: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(timeoutMs, () => resolve(null));
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        timer.cancel();
        settle(value);
      };
    promise.then(settling(resolve), settling(reject));
  });
}

function refuseAll(request: ProduceRequest, call: Call, refusals: Refusals, why: KafkaError): ProduceResponse | null {
  const all = refusals.map((refusal) => refusal ?? why);
  return answer(request, call, all, []);
}

/** Null for a producer that waits for none. */
function answer(
  request: ProduceRequest,
  call: Call,
  refusals: Refusals,
  outcomes: readonly ProduceOutcome[],
): ProduceResponse | null {
  if (request.acks !== 0) return respond(request, call, refusals, outcomes);
  const failed =
    refusals.find((refusal) => refusal !== null)?.error ?? outcomes.find((outcome) => !isAppended(outcome))?.error;
  if (failed === undefined) return null;
  call.code(failed);
  return call.closeConnection(`${failed} for a producer that waits for no answer`);
}

type Appended = Extract<ProduceOutcome, { readonly baseOffset: number }>;
type Failed = Exclude<ProduceOutcome, Appended>;

const isAppended = (outcome: ProduceOutcome): outcome is Appended => outcome.error === 'NONE';

function sort(request: ProduceRequest, call: Call): { batches: ProduceBatch[]; refusals: Refusals } {
  const batches: ProduceBatch[] = [];
  const refusals: (KafkaError | null)[] = [];
  const refused = refusedAsAWhole(request);
  for (const reference of request.topics) {
    const topic = refused ?? findTopic(call.broker, reference, call.apiVersion >= BY_ID_SINCE);
    for (const { index, records } of reference.partitions) {
      const place = placeOf(topic, index);
      if (place instanceof KafkaError) {
        refusals.push(place);
      } else {
        refusals.push(null);
        batches.push({ topicId: place.topicId, partition: index, records: records ?? NO_RECORDS });
      }
    }
  }
  return { batches, refusals };
}

const placeOf = (topic: Topic | KafkaError, index: number) =>
  topic instanceof KafkaError ? topic : findPartition(topic, index);

function refusedAsAWhole({ acks }: ProduceRequest): KafkaError | null {
  if (acks !== -1 && acks !== 1 && acks !== 0) {
    return new KafkaError('INVALID_REQUIRED_ACKS', `acks is ${acks}: give -1, 0 or 1`);
  }
  return null;
}

function respond(
  request: ProduceRequest,
  call: Call,
  refusals: Refusals,
  outcomes: readonly ProduceOutcome[],
): ProduceResponse {
  const hints = new LeaderHints(call, LEADER_SINCE);
  let nextRefusal = 0;
  let nextOutcome = 0;
  const topics = request.topics.map((reference) => ({
    name: reference.name,
    topicId: reference.topicId,
    partitions: reference.partitions.map(({ index }): PartitionResponse => {
      const refusal = refusals[nextRefusal++]!;
      const outcome = refusal === null ? outcomes[nextOutcome++]! : null;
      if (outcome !== null && isAppended(outcome)) return success(index, outcome);
      const currentLeader = hints.after((refusal ?? outcome!).error, partitionOf(reference, index, call));
      if (outcome === null) return { ...failure(call, index, refusal!.error, refusal!.message), currentLeader };
      const error = errorFor(outcome.error, request, call);
      return { ...failure(call, index, error, outcome.message, outcome), currentLeader };
    }),
  }));
  return { topics, nodeEndpoints: hints.nodes };
}

/** Undefined when it does not exist. */
function partitionOf(reference: TopicReference, index: number, { broker, apiVersion }: Call) {
  const topic = findTopic(broker, reference, apiVersion >= BY_ID_SINCE);
  return topic instanceof KafkaError ? undefined : topic.partitions[index];
}

function errorFor(error: ErrorName, { transactionalId }: ProduceRequest, { apiVersion }: Call): ErrorName {
  if (error !== 'INVALID_TXN_STATE' || transactionalId === null || apiVersion < ABORTABLE_SINCE) return error;
  return 'TRANSACTION_ABORTABLE';
}

function success(index: number, outcome: Appended): PartitionResponse {
  const { baseOffset, logAppendTimeMs, logStartOffset } = outcome;
  return { index, errorCode: 0, baseOffset, logAppendTimeMs, logStartOffset, recordErrors: [], errorMessage: null };
}

const failure = (
  call: Call,
  index: number,
  error: KafkaError['error'],
  errorMessage: string,
  { logStartOffset = -1, recordErrors = [] }: Partial<Failed> = {},
): PartitionResponse => ({
  index,
  errorCode: call.code(error),
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset,
  recordErrors: recordErrors.map(({ index: batchIndex, message }) => ({ batchIndex, message })),
  errorMessage,
});
