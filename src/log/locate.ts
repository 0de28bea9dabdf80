/**
 * Locate: what the durable state of a partition says to a request, all from one version of the state. Pure but for the
 * look at the journals; reading the bytes comes after (`fetch.ts`).
 */
import type { Topics } from '../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { Extent, PartitionState } from '../journal/partition-state.ts';
import type { FetchPartition, Isolation, PartitionId } from './log.ts';

/** A partition that this broker leads. */
export interface Led {
  readonly journal: Journal;
  readonly state: PartitionState;
}

export interface LocatedError {
  readonly type: 'error';
  readonly error: ErrorName;
  readonly message: string;
  /** Watermarks to show with the error, where there are any. */
  readonly led?: Led;
}

export type Located =
  | (Led & { readonly type: 'found' })
  | LocatedError
  /** The offset is outside of what this broker knows. It may know less than there is: confirm leadership first. */
  | (Led & { readonly type: 'outside' });

export class Locator {
  readonly #topics: Topics;
  readonly #journals: Journals;

  constructor(topics: Topics, journals: Journals) {
    this.#topics = topics;
    this.#journals = journals;
  }

  /** The partition, if it exists and this broker leads it. */
  lead({ topicId, partition }: PartitionId): Led | LocatedError {
    const placement = this.#topics.byId(topicId)?.partitions[partition];
    if (placement === undefined) return unknownPartition({ topicId, partition });
    const journal = this.#journals.get(placement.journal);
    if (journal === undefined || journal.role !== 'leading') {
      return error('NOT_LEADER_OR_FOLLOWER', `this broker does not lead journal ${placement.journal}`);
    }
    const state = journal.state.partition(topicId, partition);
    return state === undefined ? unknownPartition({ topicId, partition }) : { journal, state };
  }

  /** As `lead`, and throws what a client is told. */
  mustLead(id: PartitionId): Led {
    const led = this.lead(id);
    if ('state' in led) return led;
    throw new KafkaError(led.error, led.message);
  }

  forFetch(wanted: FetchPartition): Located {
    const led = this.lead(wanted);
    if (!('state' in led)) return led;
    const { currentLeaderEpoch, fetchOffset } = wanted;
    const { journal, state } = led;
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== journal.epoch) {
      const older = currentLeaderEpoch < journal.epoch;
      const name = older ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
      return { ...error(name, `leader epoch ${currentLeaderEpoch}, this broker leads in ${journal.epoch}`), led };
    }
    const outside = fetchOffset < state.logStartOffset || fetchOffset > state.nextOffset;
    return { type: outside ? 'outside' : 'found', journal, state };
  }
}

export const outOfRange = (led: Led, offset: number): LocatedError => ({
  ...error(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} is not within ${led.state.logStartOffset} to ${led.state.nextOffset}`,
  ),
  led,
});

export const notConfirmed = (led: Led): LocatedError =>
  error('NOT_LEADER_OR_FOLLOWER', `this broker could not confirm that it leads journal ${led.journal.id}`);

function error(name: ErrorName, message: string): LocatedError {
  return { type: 'error', error: name, message };
}

export const unknownPartition = ({ topicId, partition }: PartitionId): LocatedError =>
  error('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${partition} of topic ${topicId}`);

/** Where reading ends: the high watermark, or the last stable offset. */
export const readableEnd = (state: PartitionState, isolation: Isolation): number =>
  isolation === 'read_committed' ? state.lastStableOffset : state.nextOffset;

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
