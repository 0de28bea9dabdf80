/**
 * What the journal keeps of a share partition, under `s/<topic id>/<partition>` of its group: JSON
 *
 *   { v: 1, stateEpoch, leaderEpoch, startOffset, runs: [length, state, deliveryCount, …] }
 *
 * Runs follow one another from the start offset; behind the last nothing was ever given out. That a record is acquired is
 * not kept: it is available again with a new coordinator, delivered as often as was written. A state epoch is drawn anew
 * whenever the record is made or altered from outside, so that who holds an older one writes no more.
 */
import { StorageCorruptError } from '../../errors.ts';
import { assert } from '../../runtime/assert.ts';
import { partitionPart } from '../owner.ts';
import { append, type InFlight, isTerminal, lengthOf, type SettledState, settledRun } from './in-flight.ts';
import { emptyWindow, type ShareWindow, trim } from './share-partition-state.ts';

export interface ShareRecord {
  readonly stateEpoch: number;
  /** Of the partition, when this was written. */
  readonly leaderEpoch: number;
  readonly window: ShareWindow;
}

/** Kafka's ids. Persisted: never renumber. */
const STATE_IDS = { Available: 0, Acknowledged: 2, Archived: 4 } as const satisfies Record<SettledState, number>;
const STATES = new Map<number, SettledState>(
  Object.entries(STATE_IDS).map(([state, id]) => [id, state as SettledState]),
);

const PREFIX = 's/';
const NUMBERS_PER_RUN = 3;

export const shareKey = (topicId: string, partition: number): string => PREFIX + partitionPart(topicId, partition);

/** Null for records of other kinds. */
export function sharePlaceOf(key: string): { readonly topicId: string; readonly partition: number } | null {
  if (!key.startsWith(PREFIX)) return null;
  const slash = key.lastIndexOf('/');
  return { topicId: key.slice(PREFIX.length, slash), partition: Number(key.slice(slash + 1)) };
}

/** As it will stand once everything that was decided is durable. */
export function encodeShareRecord({ stateEpoch, leaderEpoch, window }: ShareRecord): string {
  const runs: InFlight[] = [];
  for (const run of window.runs) append(runs, durableRun(run));
  const { startOffset, runs: left } = trim({ ...window, runs });
  const numbers: number[] = [];
  for (const run of left.slice(0, left.findLastIndex(isWorthKeeping) + 1)) {
    assert(run.state !== 'Acquired', 'a durable run is never acquired');
    // Of what is done with, it only matters whether it was delivered at all.
    const deliveryCount = isTerminal(run) ? Math.min(run.deliveryCount, 1) : run.deliveryCount;
    numbers.push(lengthOf(run), STATE_IDS[run.state], deliveryCount);
  }
  return JSON.stringify({ v: 1, stateEpoch, leaderEpoch, startOffset, runs: numbers });
}

/** The delivery under way is not counted: nobody knows whether it takes place. */
function durableRun(run: InFlight): InFlight {
  if (run.state !== 'Acquired') return run;
  if (run.becomes !== null) return settledRun(run.first, run.last, run.becomes, run.deliveryCount);
  return settledRun(run.first, run.last, 'Available', run.deliveryCount - 1);
}

const isWorthKeeping = (run: InFlight): boolean => isTerminal(run) || run.deliveryCount > 0;

/** Without reading the rest. */
export function stateEpochOf(text: string): number {
  const [, stateEpoch] = /^\{"v":1,"stateEpoch":(\d+),/.exec(text) ?? [];
  return stateEpoch === undefined ? decodeShareRecord(text).stateEpoch : Number(stateEpoch);
}

/** Throws StorageCorruptError. */
export function decodeShareRecord(text: string): ShareRecord {
  const corrupt = (why: string) => new StorageCorruptError(`a share partition: ${why}: ${text.slice(0, 100)}`);
  const parsed = parse(text, corrupt);
  const { stateEpoch, leaderEpoch, startOffset } = parsed;
  const runs: InFlight[] = [];
  let first = startOffset;
  for (let at = 0; at < parsed.runs.length; at += NUMBERS_PER_RUN) {
    const [length, id, deliveryCount] = parsed.runs.slice(at, at + NUMBERS_PER_RUN);
    const state = STATES.get(id!);
    if (state === undefined || !(length! > 0) || deliveryCount === undefined) throw corrupt(`a damaged run at ${at}`);
    runs.push(settledRun(first, first + length! - 1, state, deliveryCount));
    first += length!;
  }
  return { stateEpoch, leaderEpoch, window: { ...emptyWindow(startOffset), endOffset: first, runs } };
}

interface Parsed {
  readonly stateEpoch: number;
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly runs: readonly number[];
}

function parse(text: string, corrupt: (why: string) => Error): Parsed {
  let parsed: Parsed & { readonly v: unknown };
  try {
    parsed = JSON.parse(text);
  } catch {
    throw corrupt('not JSON');
  }
  if (parsed?.v !== 1) throw corrupt(`version ${parsed?.v}, expected 1`);
  return parsed;
}
