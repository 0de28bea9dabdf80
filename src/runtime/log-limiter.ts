import type { Clock } from './clock.ts';
import type { LogFields, Logger } from './logger.ts';

const INTERVAL_MS = 1_000;

/** At most one warning of a kind per interval, so that a broken client cannot fill a disk. Kinds are few and fixed. */
export class LogLimiter {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #kinds = new Map<string, { nextAt: number; suppressed: number }>();

  constructor(logger: Logger, clock: Clock, intervalMs: number = INTERVAL_MS) {
    this.#logger = logger;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** `kind` is the message as well. */
  warn(kind: string, fields: LogFields): void {
    const now = this.#clock.monotonic();
    const known = this.#kinds.get(kind);
    if (known !== undefined && now < known.nextAt) {
      known.suppressed++;
      return;
    }
    const suppressed = known?.suppressed ?? 0;
    this.#kinds.set(kind, { nextAt: now + this.#intervalMs, suppressed: 0 });
    this.#logger.warn(suppressed > 0 ? { ...fields, suppressed } : fields, kind);
  }
}
