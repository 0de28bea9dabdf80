/** What brokers ask of each other for transactions. */
import { z } from 'zod';
import { PARTITIONS_PER_TOPIC_MAX } from '../../limits.ts';
import { jsonMethod } from '../../rpc/method.ts';
import { count, listOf, recordOf } from '../../schema.ts';
import type { ForcedMarker } from './forced-marker.ts';
import type { Ended, Guarded, Participants, Place } from './participants.ts';
import type { Partitions, ProducerIdentity } from './transaction-state.ts';

/** Guards for participants of one journal. */
export interface GuardWish {
  readonly journal: number;
  readonly guarded: Guarded;
  /** One group at most. */
  readonly participants: Participants;
  /** Whose share of all groups a group is that comes to be. */
  readonly client: string;
}

/** Markers for participants of one journal. */
export interface MarkWish {
  readonly journal: number;
  readonly ended: Ended;
  /** One group at most. */
  readonly participants: Participants;
  readonly coordinatorEpoch: number;
  /** The group's guard may still be on its way, and must find that the transaction has ended. */
  readonly guardMayCome: boolean;
}

const participants = z.object({
  partitions: recordOf(listOf(count.max(PARTITIONS_PER_TOPIC_MAX - 1))),
  groups: listOf(z.string()),
});
const guarded = z.object({ producerId: count, producerEpoch: count, transaction: count });

/** Both are durable when they are answered, may be repeated, and go to who leads the journal. */
export const TRANSACTIONS_GUARD = jsonMethod<GuardWish, null>(60, 'transactions.guard', {
  request: z.object({ journal: count, guarded, participants, client: z.string() }),
});
export const TRANSACTIONS_MARK = jsonMethod<MarkWish, null>(61, 'transactions.mark', {
  request: z.object({
    journal: count,
    ended: guarded.extend({ committed: z.boolean() }),
    participants,
    coordinatorEpoch: count,
    guardMayCome: z.boolean(),
  }),
});

export interface JoinWish {
  readonly transactionalId: string;
  readonly producer: ProducerIdentity;
  readonly partitions: Partitions;
}

/** As `Transactions.addPartitions`; answers the number of the transaction. */
export const TRANSACTIONS_ADD_PARTITIONS = jsonMethod<JoinWish, number>(62, 'transactions.addPartitions');

export interface JoinGroupWish {
  readonly transactionalId: string;
  readonly producer: ProducerIdentity;
  readonly groupId: string;
  readonly client: string;
}

/** As `Transactions.addGroup`. */
export const TRANSACTIONS_ADD_GROUP = jsonMethod<JoinGroupWish, null>(63, 'transactions.addGroup');

export interface ForceMarkerWish {
  readonly journal: number;
  readonly place: Place;
  readonly marker: ForcedMarker;
}

/** As `forceMarker`. */
export const TRANSACTIONS_FORCE_MARKER = jsonMethod<ForceMarkerWish, null>(64, 'transactions.forceMarker');

export interface PlaceGroupWish {
  readonly journal: number;
  readonly groupId: string;
  readonly client: string;
}

/** As `Groups.place`, for a group that is about to join a transaction. Refused where the journal is not the group's. */
export const TRANSACTIONS_PLACE_GROUP = jsonMethod<PlaceGroupWish, null>(65, 'transactions.placeGroup');
