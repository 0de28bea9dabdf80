/** The answer to a produce request: a result per record in their order, written by hand because it is per record. */
import { ERRORS, type ErrorName } from '../errors.ts';
import type { ProduceOutcome } from '../log/log.ts';
import type { ProducePlan } from './plan-produce.ts';
import { HttpError } from './problem.ts';
import type { ParsedRecord } from './record-parser.ts';
import { type Reply, replyWith } from './reply.ts';

interface Failure {
  readonly partition: number;
  readonly error: ErrorName;
  readonly detail: string;
  readonly noSideEffects: boolean;
  /** For OFFSET_MISMATCH; else -1. */
  readonly nextOffset: number;
}

/** Set when every batch was there already: the request is a repeat, and these are the results of the first one. */
const DUPLICATE = { Duplicate: 'true' };

/**
 * 200 when all records were appended, 207 when some were. Throws HttpError when none was. `originalTimestamps` are those
 * of batches that were there already, by index of the batch; empty when they can no longer be read.
 */
export function produceReply(
  records: readonly ParsedRecord[],
  plan: ProducePlan,
  outcomes: readonly ProduceOutcome[],
  originalTimestamps: ReadonlyMap<number, readonly number[]>,
): Reply {
  const refused = plan.refusals.map((refusal) => ({ ...refusal, noSideEffects: true, nextOffset: -1 }));
  const failed = outcomes.map((outcome, index) => failureOf(outcome, plan.batches[index]!.partition));
  const refusedTexts = refused.map(resultOfFailure);
  const failedTexts = failed.map((failure) => failure && resultOfFailure(failure));
  /** Per batch, how many of its records have their result. */
  const told = new Int32Array(outcomes.length);
  let failures = 0;
  let results = '';
  for (let index = 0; index < records.length; index++) {
    const place = plan.places[index]!;
    const failure = place < 0 ? refusedTexts[~place]! : failedTexts[place];
    if (index > 0) results += ',';
    if (failure !== null && failure !== undefined) {
      failures++;
      results += failure;
      continue;
    }
    const nth = told[place]!++;
    const originals = originalTimestamps.get(place);
    const timestamp = originals === undefined ? records[index]!.timestamp : originals[nth];
    results += resultOfRecord(plan.batches[place]!.partition, outcomes[place]!, nth, timestamp);
  }
  if (failures === records.length) {
    throw wholeFailure([...refused, ...failed.filter((failure) => failure !== null)], results);
  }
  const repeat = outcomes.every((outcome) => 'baseOffset' in outcome && outcome.duplicate);
  return replyWith(failures > 0 ? 207 : 200, 'application/json', `{"results":[${results}]}`, repeat ? DUPLICATE : {});
}

function resultOfRecord(partition: number, outcome: ProduceOutcome, nth: number, timestamp: number | undefined) {
  if (!('baseOffset' in outcome)) return '';
  const time = outcome.logAppendTimeMs >= 0 ? outcome.logAppendTimeMs : timestamp;
  const end = time === undefined ? '}' : `,"timestamp":${time}}`;
  return `{"partition":${partition},"offset":${outcome.baseOffset + nth}${end}`;
}

function failureOf(outcome: ProduceOutcome, partition: number): Failure | null {
  if ('baseOffset' in outcome) return null;
  const { error, message, noSideEffects, nextOffset } = outcome;
  return { partition, error, detail: message, noSideEffects, nextOffset };
}

const resultOfFailure = ({ partition, error, detail, noSideEffects }: Failure): string =>
  JSON.stringify({
    partition,
    error: { code: error, detail, retriable: ERRORS[error].retriable, no_side_effects: noSideEffects },
  });

/** Worded as the first failure; each record's own is added where they differ. */
function wholeFailure(failures: readonly Failure[], results: string): HttpError {
  const { error, detail, nextOffset } = failures[0]!;
  const mixed = failures.some((failure) => failure.error !== error);
  const found = nextOffset >= 0 ? `the next offset is ${nextOffset}, not the one of If-Match-Offset` : detail;
  return new HttpError(error, found, {
    noSideEffects: failures.every((failure) => failure.noSideEffects),
    members: {
      ...(nextOffset >= 0 && { next_offset: nextOffset }),
      ...(mixed && { results: JSON.parse(`[${results}]`) as unknown }),
    },
  });
}
