/** Documented in `millrace --help`; scripts rely on the numbers. */
import { ClientError } from '../client/client-error.ts';
import { DeliveryError } from '../client/producer.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  unauthorized: 4,
  timeout: 5,
  /** Some of it was done, some not. */
  partial: 6,
  /** Stopped by Ctrl-C: 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;

export const EXIT_HELP =
  'Exit status: 0 success, 1 error, 2 wrong usage, 3 not found, 4 not allowed,\n5 timed out, 6 partly failed.';

/** What the user typed cannot be done: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What the user sent in, or asked to look at, is not what it should be. `partial` when some of it was done before. */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly partial: boolean;

  constructor(message: string, partial = false) {
    super(message);
    this.partial = partial;
  }
}

/** A file or an object that is not there: exit status 3. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof NotFoundError) return EXIT.notFound;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof InputError) return error.partial ? EXIT.partial : EXIT.error;
  if (error instanceof DeliveryError) return exitCodeOf(error.cause);
  if (!(error instanceof ClientError)) return EXIT.error;
  if (error.code === 'REQUEST_TIMED_OUT') return EXIT.timeout;
  switch (error.status) {
    case 401:
    case 403:
      return EXIT.unauthorized;
    case 404:
      return EXIT.notFound;
    default:
      return EXIT.error;
  }
}
