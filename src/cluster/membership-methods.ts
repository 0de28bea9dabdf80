/** What membership asks of other brokers. All of it may be asked twice; none of it is needed for safety. */
import { z } from 'zod';
import { JOURNALS_MAX } from '../limits.ts';
import { jsonMethod } from '../rpc/method.ts';
import { count, listOf } from '../schema.ts';
import {
  type BrokerDescription,
  CONTROLLER_ITEM,
  type ControllerItem,
  DESCRIPTION,
  IMAGE_KINDS,
  type ImageKind,
} from './cluster-items.ts';

const journal = count.max(JOURNALS_MAX - 1);

/** What a broker tells of itself, whole. */
export interface PeerState {
  readonly description: BrokerDescription;
  /** Grows with each change of anything here, within a broker epoch. */
  readonly stateVersion: number;
  /** Journals that it leads, with the epochs in which it does. */
  readonly led: readonly (readonly [journal: number, epoch: number])[];
  /** False: it cannot write to the table, and should lead nothing. */
  readonly fit: boolean;
  /** Brokers that it is connected to. */
  readonly sees: readonly number[];
}

/** A later minor may have more places. */
const led = z.custom<PeerState['led'][number]>(
  (value) => Array.isArray(value) && journal.safeParse(value[0]).success && count.safeParse(value[1]).success,
  'Invalid input: expected a journal and its epoch',
);

const PEER_STATE = z.object({
  description: DESCRIPTION,
  stateVersion: count,
  led: listOf(led, JOURNALS_MAX),
  fit: z.boolean(),
  sees: listOf(count),
});

/** Each tells the other. */
export const EXCHANGE_STATES = jsonMethod<PeerState, PeerState>(1, 'cluster.exchangeStates', {
  request: PEER_STATE,
  response: PEER_STATE,
});

/** The controller tells what it decided. Answers the version that the asked broker knows now. */
export const TELL_ASSIGNMENTS = jsonMethod<ControllerItem, { readonly version: number }>(2, 'cluster.tellAssignments', {
  request: CONTROLLER_ITEM,
});

export interface RelinquishRequest {
  readonly journal: number;
  /** Of the assignments that say so. */
  readonly version: number;
}

/** To who leads a journal: let go of it, now. Answers false when that broker knows better. */
export const RELINQUISH = jsonMethod<RelinquishRequest, { readonly released: boolean }>(3, 'cluster.relinquish', {
  request: z.object({ journal, version: count }),
});

export interface ImageChange {
  readonly kind: ImageKind;
  /** Versions before and after: who was not at the first one reads more than the names. */
  readonly before: number;
  readonly version: number;
  readonly names: readonly string[];
}

/** Answers once the asked broker shows the change. */
export const IMAGE_CHANGED = jsonMethod<ImageChange, null>(4, 'cluster.imageChanged', {
  request: z.object({ kind: z.enum(IMAGE_KINDS), before: count, version: count, names: listOf(z.string()) }),
});

export type ControllerRequest =
  | { readonly type: 'move'; readonly journal: number; readonly brokerId: number }
  | { readonly type: 'drain' | 'undrain'; readonly brokerId: number }
  /** There are this many journals now. */
  | { readonly type: 'grow'; readonly journals: number };

/** To the controller. Answers the version of the assignments that carry it out. */
export const ASK_CONTROLLER = jsonMethod<ControllerRequest, { readonly version: number }>(5, 'cluster.askController', {
  request: z.discriminatedUnion('type', [
    z.object({ type: z.literal('move'), journal, brokerId: count }),
    z.object({ type: z.enum(['drain', 'undrain']), brokerId: count }),
    z.object({ type: z.literal('grow'), journals: count.min(1).max(JOURNALS_MAX) }),
  ]),
});
