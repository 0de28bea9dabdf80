/**
 * Locate: what the durable state of a partition says to a request, all from one version of the state. Pure but for the
 * look at the journals; reading the bytes comes after (`fetch.ts`).
 */
import type { Leaders } from '../cluster/members.ts';
import type { Topics } from '../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { Extent, PartitionState } from '../journal/partition-state.ts';
import type { SegmentReference } from '../segment/footer.ts';
import type { FetchPartition, Isolation, PartitionId } from './log.ts';

/** A partition as its leader has it: this broker, or another one that told it. */
export interface Led {
  readonly journal: Journal;
  readonly state: PartitionState;
  /** Null when this broker leads it; else `state` holds the part that was asked for, and does not grow. */
  readonly told: Told | null;
}

/** What else the leader told. */
export interface Told {
  readonly epoch: number;
  /** Extents and aborted transactions are told up to here; infinite when all were. */
  readonly toldEnd: number;
  /** Of the segments whose footers a reader needs. */
  readonly references: ReadonlyMap<string, SegmentReference>;
}

export interface LocatedError {
  readonly type: 'error';
  readonly error: ErrorName;
  readonly message: string;
  /** Watermarks to show with the error, where there are any. */
  readonly led?: Led;
  /** It is led here and does not know the partition. A successor may have made it: confirm leadership first. */
  readonly missingIn?: Journal;
}

/** Another broker leads it, or nobody. */
export interface Elsewhere {
  readonly type: 'elsewhere';
  readonly journal: Journal;
}

export type Located =
  | (Led & { readonly type: 'found' })
  | LocatedError
  /** The offset is outside of what this broker knows. It may know less than there is: confirm leadership first. */
  | (Led & { readonly type: 'outside' })
  | Elsewhere;

/** `journal` is given by brokers that ask its leader, which need not know the topic yet. */
export interface WantedPartition extends FetchPartition {
  readonly journal?: number;
}

export class Locator {
  readonly #topics: Topics;
  readonly #journals: Journals;
  readonly #leaders: Leaders | null;

  /** `leaders` is null for a broker alone. */
  constructor(topics: Topics, journals: Journals, leaders: Leaders | null) {
    this.#topics = topics;
    this.#journals = journals;
    this.#leaders = leaders;
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION. */
  journalOf(id: PartitionId): number {
    const placement = this.#topics.byId(id.topicId)?.partitions[id.partition];
    if (placement !== undefined) return placement.journal;
    const { error: name, message } = unknownPartition(id);
    throw new KafkaError(name, message);
  }

  /** The partition, if it exists, where this broker leads it. */
  lead(id: PartitionId & { readonly journal?: number }): Led | LocatedError | Elsewhere {
    const { topicId, partition } = id;
    const journalId = id.journal ?? this.#topics.byId(topicId)?.partitions[partition]?.journal;
    if (journalId === undefined) return unknownPartition(id);
    const journal = this.#journals.get(journalId);
    if (journal === undefined) return notLed(journalId);
    if (journal.role !== 'leading' || this.isSucceeded(journal)) return { type: 'elsewhere', journal };
    const state = journal.state.partition(topicId, partition);
    return state === undefined ? { ...unknownPartition(id), missingIn: journal } : { journal, state, told: null };
  }

  /** A leader that was told of its successor, and will find out at its next entry, is known to be old. */
  isSucceeded(journal: Journal): boolean {
    const leader = this.#leaders?.of(journal.id);
    return leader != null && leader.epoch > journal.epoch;
  }

  /** As `lead`, and throws what a client is told, NOT_LEADER_OR_FOLLOWER unless this broker leads it. */
  mustLead(id: PartitionId & { readonly journal?: number }): Led {
    const led = this.lead(id);
    if ('state' in led) return led;
    const { error, message } = led.type === 'error' ? led : notLed(led.journal.id);
    throw new KafkaError(error, message);
  }

  /** As `mustLead`, and no sooner than this broker is known to lead: a successor may know more. */
  async confirmed(id: PartitionId & { readonly journal?: number }): Promise<Led> {
    const led = this.lead(id);
    const journal = unconfirmed(led);
    if (journal === undefined || (await journal.confirmLeadership())) return this.mustLead(id);
    const { error, message } = notConfirmed(journal);
    throw new KafkaError(error, message);
  }

  forFetch(wanted: WantedPartition): Located {
    const led = this.lead(wanted);
    if (!('state' in led)) return led;
    const { currentLeaderEpoch, fetchOffset } = wanted;
    const { journal, state } = led;
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== journal.epoch) {
      const older = currentLeaderEpoch < journal.epoch;
      const name = older ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
      return { ...error(name, `leader epoch ${currentLeaderEpoch}, it is led in ${journal.epoch}`), led };
    }
    const outside = fetchOffset < state.logStartOffset || fetchOffset > state.nextOffset;
    return { type: outside ? 'outside' : 'found', journal, state, told: null };
  }
}

export const outOfRange = (led: Led, offset: number): LocatedError => ({
  ...error(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} is not within ${led.state.logStartOffset} to ${led.state.nextOffset}`,
  ),
  led,
});

export const notConfirmed = ({ id }: Journal): LocatedError =>
  error('NOT_LEADER_OR_FOLLOWER', `this broker could not confirm that it leads journal ${id}`);

/** The journal whose state the answer rests on, where this broker leads it. */
const unconfirmed = (led: Led | LocatedError | Elsewhere): Journal | undefined =>
  'state' in led ? led.journal : led.type === 'error' ? led.missingIn : undefined;

export const notLed = (journal: number): LocatedError =>
  error('NOT_LEADER_OR_FOLLOWER', `no leader of journal ${journal} answers`);

function error(name: ErrorName, message: string): LocatedError {
  return { type: 'error', error: name, message };
}

export const unknownPartition = ({ topicId, partition }: PartitionId): LocatedError =>
  error('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${partition} of topic ${topicId}`);

export const epochOf = ({ journal, told }: Led): number => told?.epoch ?? journal.epoch;

/** The partition as it is now, as far as this broker can tell; undefined when it was deleted. */
export function currentState({ journal, state, told }: Led): PartitionState | undefined {
  if (told !== null || journal.role !== 'leading') return state;
  return journal.state.partition(state.topicId, state.partition);
}

/** Undefined when nothing points into the segment any more. */
export function referenceOf({ journal, told }: Led, segmentId: string): SegmentReference | undefined {
  return told === null ? journal.state.segment(segmentId) : told.references.get(segmentId);
}

/** The high watermark, or the last stable offset. */
export const readableEnd = (state: PartitionState, isolation: Isolation): number =>
  isolation === 'read_committed' ? state.lastStableOffset : state.nextOffset;

/** Where reading ends. */
export const readEnd = ({ state, told }: Led, isolation: Isolation): number =>
  Math.min(readableEnd(state, isolation), told?.toldEnd ?? Number.POSITIVE_INFINITY);

/** Bytes from `offset` to `end`, `bytesMax` at most; whole extents, so a little more than there is. */
export function availableBytes(state: PartitionState, offset: number, end: number, bytesMax: number): number {
  if (offset >= end) return 0;
  let bytes = 0;
  for (let index = state.extents.indexOf(offset); bytes < bytesMax; index++) {
    const extent: Extent | undefined = state.extents.at(index);
    if (extent === undefined || extent.baseOffset >= end) break;
    bytes += extent.length;
  }
  return Math.min(bytes, bytesMax);
}

/** What one partition may bring to a fetch. */
export function availableIn({ fetchOffset, maxBytes }: FetchPartition, found: Located, isolation: Isolation): number {
  if (found.type !== 'found') return 0;
  return availableBytes(found.state, fetchOffset, readEnd(found, isolation), Math.max(1, maxBytes));
}
