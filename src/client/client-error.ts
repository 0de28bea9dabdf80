/**
 * Why a call of the client failed. `code` is Kafka's name of the error as the broker sent it, or one of two of our own
 * when no answer came: NETWORK_EXCEPTION, REQUEST_TIMED_OUT (status 0 both).
 */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Whether the same request may succeed later. */
  readonly retriable: boolean;
  /** Certain that the request changed nothing. */
  readonly noSideEffects: boolean;
  /** For reads: where the partition starts, and where to go on behind records that cannot be answered. */
  readonly logStartOffset: number | null;
  readonly next: number | null;
  /** OFFSET_MISMATCH of committed offsets: all that differ. */
  readonly mismatches: readonly OffsetMismatch[];

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail, options);
    this.code = problem.code;
    this.status = problem.status;
    this.retriable = problem.retriable;
    this.noSideEffects = problem.noSideEffects;
    this.logStartOffset = problem.logStartOffset ?? null;
    this.next = problem.next ?? null;
    this.mismatches = problem.mismatches ?? [];
  }
}

export interface Problem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly retriable: boolean;
  readonly noSideEffects: boolean;
  readonly logStartOffset?: number | null;
  readonly next?: number | null;
  readonly mismatches?: readonly OffsetMismatch[];
}

export interface OffsetMismatch {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing. */
  readonly expected: number | null;
  readonly actual: number | null;
}

/** The error that an answer other than 2xx stands for, whoever wrote it: a broker, or a proxy on the way. */
export function errorOfAnswer(status: number, body: string): ClientError {
  const problem = parseObject(body);
  const code = problem?.['code'];
  if (problem && typeof code === 'string') return new ClientError(problemOf(status, code, problem));
  const proxyMayRecover = status === 429 || status === 502 || status === 503 || status === 504;
  return new ClientError({
    code: proxyMayRecover ? 'NETWORK_EXCEPTION' : 'INVALID_REQUEST',
    status,
    detail: `answer ${status} that is not a broker's: ${body.slice(0, 200).trim() || 'empty'}`,
    retriable: proxyMayRecover,
    noSideEffects: false,
  });
}

/** The error of one record in the results of a produce request. */
export const errorOfResult = (status: number, error: Readonly<Record<string, unknown>>): ClientError =>
  new ClientError(problemOf(status, String(error['code']), error));

const problemOf = (status: number, code: string, problem: Readonly<Record<string, unknown>>): Problem => ({
  code,
  status,
  detail: typeof problem['detail'] === 'string' ? problem['detail'] : code,
  retriable: problem['retriable'] === true,
  noSideEffects: problem['no_side_effects'] === true,
  logStartOffset: typeof problem['log_start_offset'] === 'number' ? problem['log_start_offset'] : null,
  next: typeof problem['next'] === 'number' ? problem['next'] : null,
  mismatches: Array.isArray(problem['mismatches']) ? problem['mismatches'] : [],
});

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
