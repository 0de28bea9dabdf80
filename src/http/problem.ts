/** Failures as `application/problem+json` (RFC 9457) with Kafka's name of the error. */
import { STATUS_CODES } from 'node:http';
import { ERRORS, type ErrorName, KafkaError, type KafkaErrorOptions, toKafkaError } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { type Reply, replyWith } from './reply.ts';

export interface HttpErrorOptions extends KafkaErrorOptions {
  /** Where HTTP says it more exactly than the table in `errors.ts`: 405, 415, 422. */
  readonly status?: number;
  /** Further members of the problem, for programs. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A KafkaError with what only HTTP can say. */
export class HttpError extends KafkaError {
  readonly options: HttpErrorOptions;

  constructor(error: ErrorName, message: string, options: HttpErrorOptions = {}) {
    super(error, message, options);
    this.options = options;
  }
}

/** Statuses that promise that waiting helps. */
export const RETRY_AFTER: ReadonlySet<number> = new Set([429, 503]);
const RETRY_AFTER_SECONDS = '1';
/** Details quote what the client sent, which may be megabytes. */
const DETAIL_CHARS_MAX = 1_000;

/** The answer to a failure. One that is a bug of ours is logged in full and told in general. */
export function problemReply(cause: unknown, logger: Logger): Reply {
  const error = toKafkaError(cause);
  if (error === null) {
    logger.error({ err: cause }, 'HTTP request failed');
    return problem('UNKNOWN_SERVER_ERROR', 'internal error, see the log of the broker', { noSideEffects: false });
  }
  const options = error instanceof HttpError ? error.options : {};
  return problem(error.error, error.message, { ...options, noSideEffects: error.noSideEffects });
}

function problem(error: ErrorName, detail: string, options: HttpErrorOptions): Reply {
  const status = options.status ?? ERRORS[error].status;
  const { retriable } = ERRORS[error];
  const body = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: error,
    detail: detail.length > DETAIL_CHARS_MAX ? `${detail.slice(0, DETAIL_CHARS_MAX)}…` : detail,
    retriable,
    no_side_effects: options.noSideEffects ?? true,
    ...options.members,
  };
  return replyWith(status, 'application/problem+json', JSON.stringify(body), {
    ...(retriable && RETRY_AFTER.has(status) && { 'Retry-After': RETRY_AFTER_SECONDS }),
    ...options.headers,
  });
}
