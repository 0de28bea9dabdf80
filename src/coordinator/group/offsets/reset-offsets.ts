/**
 * Where offsets shall go when somebody resets them, held against what the log has: nothing below the first readable offset,
 * nothing beyond the end.
 */
import { KafkaError } from '../../../errors.ts';
import type { Log } from '../../../log/log.ts';
import type { OffsetPlace } from './offset-records.ts';

export type ResetTo =
  | { readonly type: 'earliest' }
  | { readonly type: 'latest' }
  /** The first record of that time or later; the end when there is none. */
  | { readonly type: 'timestamp'; readonly timestamp: number }
  | { readonly type: 'offset'; readonly offset: number }
  /** From what is committed, forward or back. */
  | { readonly type: 'shift'; readonly by: number };

export interface PlannedOffset extends OffsetPlace {
  /** Null: nothing is committed. */
  readonly before: number | null;
  readonly offset: number;
}

/** Throws INVALID_REQUEST for a shift from nothing, and what the log says of the partition. Leadership is confirmed. */
export async function planReset(
  log: Pick<Log, 'listOffset'>,
  place: OffsetPlace,
  before: number | null,
  to: ResetTo,
): Promise<PlannedOffset> {
  return { ...place, before, offset: await target(log, place, before, to) };
}

async function target(
  log: Pick<Log, 'listOffset'>,
  place: OffsetPlace,
  before: number | null,
  to: ResetTo,
): Promise<number> {
  const earliest = async () => (await log.listOffset(place, { type: 'earliest' })).offset;
  const latest = async () => (await log.listOffset(place, { type: 'latest', isolation: 'read_uncommitted' })).offset;
  const clamped = async (offset: number) => Math.max(await earliest(), Math.min(await latest(), offset));
  switch (to.type) {
    case 'earliest':
      return earliest();
    case 'latest':
      return latest();
    case 'timestamp': {
      const found = await log.listOffset(place, { type: 'timestamp', timestamp: to.timestamp });
      return found.offset === -1 ? latest() : found.offset;
    }
    case 'offset':
      return clamped(to.offset);
    case 'shift':
      if (before === null) {
        throw new KafkaError('INVALID_REQUEST', `partition ${place.partition} has no committed offset to shift from`);
      }
      return clamped(before + to.by);
  }
}

/** Throws OFFSET_OUT_OF_RANGE for an offset beyond the end: whoever read that far read something else. */
export async function requireReached(log: Pick<Log, 'listOffset'>, place: OffsetPlace, offset: number): Promise<void> {
  const { offset: end } = await log.listOffset(place, { type: 'latest', isolation: 'read_uncommitted' });
  if (offset <= end) return;
  throw new KafkaError('OFFSET_OUT_OF_RANGE', `partition ${place.partition} ends at ${end}, before ${offset}`);
}
