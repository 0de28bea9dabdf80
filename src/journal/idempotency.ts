/**
 * HTTP Idempotency-Keys: what the batches of a request were answered, remembered in the state and committed with the
 * append itself. Oldest out first. Pure.
 */
import type { AppendException } from './entry.ts';

export interface IdempotencyRecord {
  readonly key: string;
  readonly fingerprint: number;
  /** When it was remembered, by the leader's clock. */
  readonly rememberedAt: number;
  /** One answer per batch, in the order of the request. */
  readonly answers: readonly RememberedAnswer[];
}

/** `index` of a refusal is not kept: it counts within the append of its time. */
export type RememberedAnswer =
  | { readonly type: 'appended'; readonly baseOffset: number; readonly maxTimestamp: number }
  | {
      readonly type: 'refused';
      readonly error: Extract<AppendException, { type: 'refused' }>['error'];
      readonly nextOffset: number;
    };

/** What a batch of a repeated request gets. A request that differs in fingerprint or in batches is another request. */
export function repeatAnswer(
  record: IdempotencyRecord,
  fingerprint: number,
  batchCount: number,
  place: number,
  index: number,
  nextOffset: number,
): AppendException {
  if (record.fingerprint !== fingerprint || record.answers.length !== batchCount) {
    return { type: 'refused', index, error: 'IDEMPOTENCY_KEY_REUSED', nextOffset };
  }
  return answerAgain(record.answers[place]!, index);
}

export function answerAgain(answer: RememberedAnswer, index: number): AppendException {
  if (answer.type === 'refused') {
    return { type: 'refused', index, error: answer.error, nextOffset: answer.nextOffset };
  }
  return { type: 'duplicate', index, baseOffset: answer.baseOffset, maxTimestamp: answer.maxTimestamp };
}
