/**
 * The leader's verdict on an append, batch by batch, against the draft of the entry being built (design §4, rules 5, 7,
 * 8 and 11). What it accepts is applied to the draft in the same pass.
 */
import { KafkaError } from '../errors.ts';
import { OFFSET_MAX } from '../limits.ts';
import { CONTROL_FLAG } from '../record/batch.ts';
import type { BatchDescription } from '../segment/footer.ts';
import { applyAppend, type BatchPlace, type Verdict } from './append.ts';
import type { StateDraft } from './draft.ts';
import type { AppendException, Appended, AppendedGroup, AppendedSource, Refusal } from './entry.ts';
import { answerAgain, repeatAnswer } from './idempotency.ts';
import type { AppendCondition, AppendRequest, IdempotentGroup, Lane } from './journal.ts';
import { type AppendedAnswer, checkLane, type LaneAnswer, laneKey } from './lanes.ts';
import { checkProducer } from './producers.ts';
import { partitionKey } from './state.ts';
import { belongsToTransaction } from './transactions.ts';

export type AppendDecision =
  | { readonly type: 'append'; readonly command: Appended; readonly answer: AppendedAnswer }
  /** Appended before: the first answer. */
  | { readonly type: 'repeat'; readonly answer: AppendedAnswer }
  /** The segment was given up: everything is refused, and the entry only settles the lane's number. */
  | { readonly type: 'tooLate'; readonly answer: AppendedAnswer }
  | { readonly type: 'reject'; readonly error: KafkaError };

export type SkipDecision =
  | { readonly type: 'skip' }
  | { readonly type: 'repeat' }
  | { readonly type: 'reject'; readonly error: KafkaError };

/** `source` says where the bytes will be: inline ones within the body of this entry. */
export function decideAppend(draft: StateDraft, request: AppendRequest, source: AppendedSource): AppendDecision {
  const { lane, number, partitions } = request;
  const found = findInLane(draft, lane, number);
  if (found.type === 'reject') return found;
  if (found.type === 'repeat') {
    if (found.answer?.type === 'appended') return { type: 'repeat', answer: found.answer };
    // Its segment had been given up when it came first, and that answer was lost; or its sender has given it up since.
    if (found.answer) return { type: 'repeat', answer: refuseAll(draft, request) };
    return { type: 'reject', error: misuse(`append ${number} of ${describe(lane)} was answered long ago`) };
  }
  if (source.type === 'segment' && draft.isGivenUp(source.segment.id)) {
    // Its object is deleted or about to be: a recovery of an entry that named it might look for its footer in vain.
    draft.setLaneAnswer(lane, { type: 'skipped', number });
    return { type: 'tooLate', answer: refuseAll(draft, request) };
  }
  const decider = new AppendDecider(draft, request);
  const append = { lane, number, source, partitions };
  const { answer, groups } = applyAppend(draft, append, decider.verdict, (given) => decider.groupsToRemember(given));
  const command: Appended = {
    type: 'appended',
    lane,
    number,
    source,
    batches: { type: 'described', partitions },
    exceptions: answer.exceptions,
    groups,
  };
  return { type: 'append', command, answer };
}

function refuseAll(draft: StateDraft, { number, partitions }: AppendRequest): AppendedAnswer {
  const logStartOffsets: number[] = [];
  const baseOffsets: number[] = [];
  const exceptions: AppendException[] = [];
  for (const { topicId, partition, batches } of partitions) {
    const state = draft.partitions.get(partitionKey(topicId, partition));
    const error = state ? 'KAFKA_STORAGE_ERROR' : 'UNKNOWN_TOPIC_OR_PARTITION';
    const nextOffset = state ? state.nextOffset : -1;
    logStartOffsets.push(state ? state.logStartOffset : -1);
    for (let count = 0; count < batches.length; count++) {
      exceptions.push({ type: 'refused', index: baseOffsets.length, error, nextOffset });
      baseOffsets.push(nextOffset);
    }
  }
  const { seq, id: entryId } = draft.header;
  const batchCounts = partitions.map(({ batches }) => batches.length);
  const kept = { type: 'appended', number, seq, entryId, inlinePosition: 0, leaderEpoch: draft.epoch } as const;
  return { ...kept, batchCounts, logStartOffsets, baseOffsets, exceptions };
}

/**
 * A number that is settled needs no skip, whatever became of it: a sender whose append was rejected, and who does not
 * know whether it arrived all the same, skips it to find the lane in order again.
 */
export function decideSkip(draft: StateDraft, lane: Lane, number: number): SkipDecision {
  const found = findInLane(draft, lane, number);
  if (found.type === 'reject' || found.type === 'repeat') return found;
  draft.setLaneAnswer(lane, { type: 'skipped', number });
  return { type: 'skip' };
}

type LaneFinding =
  | { readonly type: 'next' }
  /** Undefined: settled so long ago that the answer is not kept. */
  | { readonly type: 'repeat'; readonly answer: LaneAnswer | undefined }
  | { readonly type: 'reject'; readonly error: KafkaError };

function findInLane(draft: StateDraft, lane: Lane, number: number): LaneFinding {
  const known = draft.lanes.get(laneKey(lane.brokerId, lane.lane));
  const verdict = checkLane(known, draft.sessions.get(lane.brokerId), lane, number);
  switch (verdict.type) {
    case 'next':
    case 'repeat':
      return verdict;
    case 'gap': {
      const message = `append ${number} of ${describe(lane)} came before ${verdict.expected}`;
      return { type: 'reject', error: new KafkaError('NOT_LEADER_OR_FOLLOWER', message) };
    }
    case 'superseded':
      return { type: 'reject', error: new KafkaError('STALE_BROKER_EPOCH', `${describe(lane)} was superseded`) };
  }
}

const describe = (lane: Lane): string => `lane ${lane.lane} of broker ${lane.brokerId} (epoch ${lane.brokerEpoch})`;
const misuse = (message: string): KafkaError =>
  new KafkaError('UNKNOWN_SERVER_ERROR', message, { noSideEffects: false });

/** A batch's place in an idempotent request. */
interface GroupPlace {
  readonly group: IdempotentGroup;
  /** Place of the batch within the group. */
  readonly place: number;
  /** The first group of this append with the same key; itself unless the key occurs twice. */
  readonly first: readonly number[];
  readonly firstFingerprint: number;
}

class AppendDecider {
  readonly #draft: StateDraft;
  readonly #conditions: ReadonlyMap<number, AppendCondition> | null;
  readonly #groups: readonly IdempotentGroup[];
  readonly #groupPlaces: ReadonlyMap<number, GroupPlace> | null;
  /** Flat indexes of each group's batches, parallel to `#groups`. */
  readonly #groupIndexes: readonly (readonly number[])[];
  /** What was decided so far; kept only when a later batch may be a repeat of an earlier one. */
  readonly #decided: {
    readonly exception: AppendException | null;
    readonly place: BatchPlace;
    readonly batch: BatchDescription;
  }[] = [];

  constructor(draft: StateDraft, request: AppendRequest) {
    this.#draft = draft;
    this.#groups = request.idempotency ?? [];
    const needsIndexes = this.#groups.length > 0 || (request.conditions?.length ?? 0) > 0;
    const firstIndexes = needsIndexes ? firstIndexOfPartitions(request) : [];
    const indexOf = (at: { partitionIndex: number; batchIndex: number }) =>
      firstIndexes[at.partitionIndex]! + at.batchIndex;
    this.#conditions = request.conditions
      ? new Map(request.conditions.map((condition) => [indexOf(condition), condition]))
      : null;
    this.#groupIndexes = this.#groups.map(({ batches }) => batches.map(indexOf));
    this.#groupPlaces = this.#groups.length > 0 ? placeGroups(this.#groups, this.#groupIndexes) : null;
  }

  readonly verdict: Verdict = (batch, place) => {
    const exception = this.#decide(batch, place);
    if (this.#groupPlaces) this.#decided.push({ exception, place, batch });
    return exception;
  };

  /** Keys of requests that are new here and of which at least one batch was appended. */
  groupsToRemember(answer: AppendedAnswer): readonly AppendedGroup[] {
    if (this.#groups.length === 0) return [];
    const excepted = new Set(answer.exceptions.map(({ index }) => index));
    const remembered: AppendedGroup[] = [];
    const seen = new Set<string>();
    for (const [at, { key, fingerprint }] of this.#groups.entries()) {
      const batches = this.#groupIndexes[at]!;
      const isNew = !seen.has(key) && !this.#draft.idempotencyKeys.has(key);
      seen.add(key);
      if (isNew && batches.some((index) => !excepted.has(index))) remembered.push({ key, fingerprint, batches });
    }
    return remembered;
  }

  #decide(batch: BatchDescription, place: BatchPlace): AppendException | null {
    if (!place.partition) return refuse(place, 'UNKNOWN_TOPIC_OR_PARTITION');
    const repeated = this.#groupPlaces && this.#repeatOf(place);
    if (repeated) return repeated;
    if (batch.attributes & CONTROL_FLAG) return refuse(place, 'INVALID_RECORD');
    if (batch.offsetCount > OFFSET_MAX - place.nextOffset) return refuse(place, 'INVALID_RECORD');
    const exception = batch.producerId >= 0 ? this.#checkProducer(batch, place) : null;
    if (exception) return exception;
    const expected = this.#conditions?.get(place.index)?.expectedOffset;
    return expected !== undefined && expected !== place.nextOffset ? refuse(place, 'OFFSET_MISMATCH') : null;
  }

  #checkProducer(batch: BatchDescription, place: BatchPlace): AppendException | null {
    const known = this.#draft.producers.get(place.producerKey);
    const verdict = checkProducer(known, batch);
    if (verdict.type === 'duplicate') {
      const { baseOffset, maxTimestamp } = verdict.batch;
      return { type: 'duplicate', index: place.index, baseOffset, maxTimestamp };
    }
    if (verdict.type === 'refuse' && verdict.error === 'INVALID_PRODUCER_EPOCH') return refuse(place, verdict.error);
    // A sequence means nothing outside of its transaction.
    const transaction = this.#conditions?.get(place.index)?.transaction;
    if (!belongsToTransaction(known, batch, transaction)) return refuse(place, 'INVALID_TXN_STATE');
    return verdict.type === 'refuse' ? refuse(place, verdict.error) : null;
  }

  #repeatOf(batchPlace: BatchPlace): AppendException | null {
    const found = this.#groupPlaces!.get(batchPlace.index);
    if (!found) return null;
    const { group, place, first, firstFingerprint } = found;
    const { index, nextOffset } = batchPlace;
    const record = this.#draft.idempotencyKeys.get(group.key);
    if (record) return repeatAnswer(record, group.fingerprint, group.batches.length, place, index, nextOffset);

    const original = first[place];
    if (original === index) return null; // The first of its key.
    if (firstFingerprint !== group.fingerprint || first.length !== group.batches.length) {
      return refuse(batchPlace, 'IDEMPOTENCY_KEY_REUSED');
    }
    const decided = original === undefined ? undefined : this.#decided[original];
    if (!decided) return refuse(batchPlace, 'INVALID_REQUEST');
    const { exception } = decided;
    if (!exception) {
      const { maxTimestamp } = decided.batch;
      return answerAgain({ type: 'appended', baseOffset: decided.place.nextOffset, maxTimestamp }, index);
    }
    return { ...exception, index };
  }
}

const refuse = ({ index, nextOffset }: BatchPlace, error: Refusal): AppendException => ({
  type: 'refused',
  index,
  error,
  nextOffset,
});

function firstIndexOfPartitions({ partitions }: AppendRequest): readonly number[] {
  let index = 0;
  return partitions.map(({ batches }) => {
    const first = index;
    index += batches.length;
    return first;
  });
}

function placeGroups(
  groups: readonly IdempotentGroup[],
  indexes: readonly (readonly number[])[],
): ReadonlyMap<number, GroupPlace> {
  const places = new Map<number, GroupPlace>();
  const firstByKey = new Map<string, number>();
  for (const [at, group] of groups.entries()) {
    const first = firstByKey.get(group.key) ?? at;
    firstByKey.set(group.key, first);
    for (const [place, index] of indexes[at]!.entries()) {
      places.set(index, { group, place, first: indexes[first]!, firstFingerprint: groups[first]!.fingerprint });
    }
  }
  return places;
}
