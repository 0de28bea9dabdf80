/**
 * What clients of a cluster did and were told, as Jepsen records it: an operation is invoked and ends `ok` (it happened),
 * `fail` (it certainly did not and never will) or `info` (nobody knows). One JSON object a line.
 *
 * `at` is CLOCK_MONOTONIC in microseconds, which all processes of a machine share: an `invoke` is stamped before the call,
 * an end after the answer. So an end before an invoke is a fact, whatever the order in which lines arrive here.
 *
 * Values are numbers, each sent once: the number of a client times 2^24, and a counter. A client is one producer or
 * consumer object; one that is made anew after an error is another client.
 */

/** `topic/partition`. */
export type PartitionName = string;
export type Outcome = 'ok' | 'fail' | 'info';

export const VALUES_PER_CLIENT = 2 ** 24;
export const CLIENTS_MAX = 2 ** 16;

export const clientOf = (value: number): number => Math.floor(value / VALUES_PER_CLIENT);
export const counterOf = (value: number): number => value % VALUES_PER_CLIENT;

interface Stamped {
  readonly at: number;
  readonly client: number;
}

/** Comes before everything else of a client. */
export interface ClientEvent extends Stamped {
  readonly f: 'client';
  readonly name: string;
  /** What it reads; absent of pure producers. */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
  /** Its sends to a partition are promised to be in the order of its counters. */
  readonly ordered?: boolean;
  /** It sends again without any means to recognise that, so its values may be there twice. */
  readonly mayRepeat?: boolean;
}

/** The invocation names partition and transaction; an end only its value. */
export interface SendEvent extends Stamped {
  readonly f: 'send';
  readonly type: 'invoke' | Outcome;
  readonly value: number;
  readonly partition?: PartitionName;
  /** Counts the transactions of this client. */
  readonly txn?: number;
  /** With `ok`, where the answer said. */
  readonly offset?: number;
}

/** What a consumer was given: the epoch is that of the leader who appended it, where the client tells. */
export type PolledRecord = readonly [offset: number, value: number, leaderEpoch?: number];

/** What one poll returned, in its order. */
export interface PollEvent extends Stamped {
  readonly f: 'poll';
  readonly records: Readonly<Record<PartitionName, readonly PolledRecord[]>>;
  /** The transaction that it was part of. */
  readonly txn?: number;
}

/** The positions of these partitions, or of all, start anew: assignments, seeks. */
export interface AssignEvent extends Stamped {
  readonly f: 'assign';
  readonly partitions?: readonly PartitionName[];
}

/** The end of a transaction. */
export interface EndEvent extends Stamped {
  readonly f: 'end';
  readonly type: 'invoke' | Outcome;
  readonly txn: number;
  readonly commit: boolean;
}

/** Offsets that a group committed, or was told; `op` joins invocation and end. */
export interface OffsetsEvent extends Stamped {
  readonly f: 'commit' | 'committed';
  readonly type: 'invoke' | Outcome;
  readonly op: number;
  readonly group: string;
  /** With the invocation of a commit and the answer of a look; -1: none. */
  readonly offsets?: Readonly<Record<PartitionName, number>>;
}

/** Values of the topic `txn` that committed records of the topic `out` were made from. */
export interface ProcessedEvent extends Stamped {
  readonly f: 'processed';
  readonly inputs: readonly number[];
}

/** What may not happen to a client at all. */
export interface TroubleEvent extends Stamped {
  readonly f: 'trouble';
  readonly what: string;
}

export type HistoryEvent =
  | ClientEvent
  | SendEvent
  | PollEvent
  | AssignEvent
  | EndEvent
  | OffsetsEvent
  | ProcessedEvent
  | TroubleEvent;

/** Microseconds of CLOCK_MONOTONIC. */
export const monotonicMicros = (): number => Number(process.hrtime.bigint() / 1_000n);
