/**
 * Records between the start offset of a share partition and the newest that was given to a consumer, as runs of neighbours
 * that stand alike. Runs are sorted and leave nothing out, so that offsets need no lookup beside the list.
 */

/** Kafka's names. */
export type RecordState = 'Available' | 'Acquired' | 'Acknowledged' | 'Archived';
export type SettledState = Exclude<RecordState, 'Acquired'>;

export interface InFlight extends Span {
  readonly state: RecordState;
  /** How often it was given to a consumer. An archived one with 0 never was: there is nothing at its offset. */
  readonly deliveryCount: number;
  /** Who has acquired it, until when by the monotonic clock; empty and 0 in other states. */
  readonly memberId: string;
  readonly lockedUntilMs: number;
  /** An acquired one that is being written: what it becomes once that write, `round`, is durable. */
  readonly becomes: SettledState | null;
  readonly round: number;
}

/** Offsets `first` to `last`, both included, as the protocol has them. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

const SETTLED = { memberId: '', lockedUntilMs: 0, becomes: null, round: 0 } as const;

export const settledRun = (first: number, last: number, state: SettledState, deliveryCount: number): InFlight => ({
  first,
  last,
  state,
  deliveryCount,
  ...SETTLED,
});

export const gapRun = (first: number, last: number): InFlight => settledRun(first, last, 'Archived', 0);

export const lengthOf = ({ first, last }: Span): number => last - first + 1;
export const isGap = ({ state, deliveryCount }: InFlight): boolean => state === 'Archived' && deliveryCount === 0;
export const isTerminal = ({ state }: InFlight): boolean => state === 'Acknowledged' || state === 'Archived';

/** Adds a run at the end, to the last one when they stand alike. */
export function append(runs: InFlight[], run: InFlight): void {
  const before = runs.at(-1);
  if (before !== undefined && standAlike(before, run)) runs[runs.length - 1] = { ...before, last: run.last };
  else runs.push(run);
}

/** How often a record was delivered says nothing once it is acknowledged, or archived after a delivery. */
function standAlike(a: InFlight, b: InFlight): boolean {
  if (a.state !== b.state) return false;
  if (a.state === 'Acknowledged') return true;
  if (a.state === 'Archived') return isGap(a) === isGap(b);
  return (
    a.deliveryCount === b.deliveryCount &&
    a.memberId === b.memberId &&
    a.lockedUntilMs === b.lockedUntilMs &&
    a.becomes === b.becomes &&
    a.round === b.round
  );
}

/** The part of a run within a span; they must overlap. */
export const clip = (run: InFlight, { first, last }: Span): InFlight =>
  run.first >= first && run.last <= last
    ? run
    : { ...run, first: Math.max(run.first, first), last: Math.min(run.last, last) };

/** Parts of runs that spans cover, in order, each with its span. Spans are sorted and do not overlap. */
export function* covered<S extends Span>(runs: readonly InFlight[], spans: readonly S[]): Iterable<[InFlight, S]> {
  let at = 0;
  for (const span of spans) {
    while (at < runs.length && runs[at]!.last < span.first) at++;
    for (let next = at; next < runs.length && runs[next]!.first <= span.last; next++) {
      yield [clip(runs[next]!, span), span];
    }
  }
}

/** The runs with every part that a span covers changed. */
export function change<S extends Span>(
  runs: readonly InFlight[],
  spans: readonly S[],
  to: (part: InFlight, span: S) => InFlight,
): InFlight[] {
  const changed: InFlight[] = [];
  let next = 0;
  for (const run of runs) {
    let from = run.first;
    while (next < spans.length && spans[next]!.first <= run.last) {
      const span = spans[next]!;
      if (span.first > from) append(changed, clip(run, { first: from, last: span.first - 1 }));
      if (span.last >= from) {
        const part = clip(run, { first: Math.max(from, span.first), last: span.last });
        append(changed, to(part, span));
        from = part.last + 1;
      }
      if (span.last > run.last) break;
      next++;
    }
    if (from <= run.last) append(changed, clip(run, { first: from, last: run.last }));
  }
  return changed;
}
