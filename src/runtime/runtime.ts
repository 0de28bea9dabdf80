import { type Clock, systemClock, systemTimers, type Timers } from './clock.ts';
import type { Logger } from './logger.ts';
import { type Metrics, PrometheusMetrics } from './metrics.ts';
import { type Random, systemRandom } from './random.ts';

/** Time, chance and output of one broker, passed down from the composition root. */
export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function systemRuntime(logger: Logger): Runtime {
  return { clock: systemClock, timers: systemTimers, random: systemRandom, logger, metrics: new PrometheusMetrics() };
}
