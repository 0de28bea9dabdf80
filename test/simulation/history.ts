/**
 * What happened in a run, as checkers see it: effects on the stores at the moment they happen, what the journals' entries
 * mean, and what clients asked and were told. Checkers never look into the broker.
 */
import type { ControllerItem } from '../../src/cluster/cluster-items.ts';
import type { ErrorName } from '../../src/errors.ts';
import type { Command, Entry } from '../../src/journal/entry.ts';
import type { RecordChange } from '../../src/journal/journal.ts';
import type { OffsetAt, ProduceOutcome } from '../../src/log/log.ts';
import type { SeenRecord } from './payload.ts';

export interface PartitionName {
  readonly topicId: string;
  readonly partition: number;
}

export const nameOf = ({ topicId, partition }: PartitionName): string => `${topicId}-${partition}`;

/** One batch that a client sent, with all attempts to send it. */
export interface SentBatch extends PartitionName {
  readonly batchId: number;
  readonly writer: string;
  readonly recordCount: number;
  readonly bytes: number;
  /** Of the first record, the next ones a millisecond later each; -1: none. */
  readonly timestamp: number;
  /** What the writer counts on. */
  readonly kind: 'plain' | 'idempotent' | 'keyed' | 'reused' | 'conditional' | 'transactional';
  /** Which of its writer's transactions it belongs to; unique in the run. */
  readonly transaction?: number;
  readonly producer?: { readonly id: number; readonly epoch: number; readonly baseSequence: number };
  readonly expectedOffset?: number;
}

/** One batch that a journal entry appended. */
export interface LedgerBatch extends PartitionName {
  readonly batchId: number;
  readonly baseOffset: number;
  readonly count: number;
  readonly bytes: number;
  readonly maxTimestamp: number;
  readonly journal: number;
  readonly seq: number;
  readonly epoch: number;
  /** Which process wrote the entry. */
  readonly process: string;
  /** Of the broker that took the batch in and sent it to the leader. */
  readonly ingest: { readonly brokerId: number; readonly brokerEpoch: number };
  /** By the true clock. */
  readonly appendedAt: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** All records have `maxTimestamp`. */
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
}

/** A marker that ended a transaction on a partition: it takes one offset. */
export interface LedgerMarker extends LedgerBatch {
  readonly committed: boolean;
  /** As its coordinator counts. */
  readonly number: number;
}

/** Stands for the batch id of a marker. */
export const MARKER_ID = -1;

/** What one partition of a fetch was answered. */
export interface FetchSeen extends PartitionName {
  readonly process: string;
  readonly fetchOffset: number;
  readonly error: ErrorName;
  readonly isolation: 'read_uncommitted' | 'read_committed';
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** For read_committed: whose records from which offset on are to be skipped, until the marker. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[] | null;
  readonly records: readonly SeenRecord[];
  /** Why the bytes of the answer cannot be read; empty when they can. */
  readonly damage: string;
  /** What the journals said when the request arrived. */
  readonly before: Watermarks & {
    /** The high watermark that the process had to know by then. */
    readonly visible: number;
  };
}

export interface Watermarks {
  readonly logStartOffset: number;
  readonly nextOffset: number;
}

export interface OffsetSeen extends PartitionName {
  readonly process: string;
  readonly at: OffsetAt;
  readonly offset: number;
  readonly timestamp: number;
  readonly before: Watermarks;
}

/** KIP-320: the newest epoch not newer than the one asked for, and where it ended. */
export interface EpochEndSeen extends PartitionName {
  readonly process: string;
  readonly asked: number;
  readonly epoch: number;
  readonly endOffset: number;
  /** The high watermark that the process had to know by then. */
  readonly visible: number;
}

export interface OffsetTold extends PartitionName {
  readonly process: string;
  readonly groupId: string;
  /** -1: none. */
  readonly offset: number;
  /** How often this offset had changed when the request arrived. */
  readonly changesBefore: number;
  /** Others may have been committed in the same entry: only the last of them shows there. */
  readonly together: boolean;
}

export interface MemberSeen {
  readonly process: string;
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
}

export interface ShareMemberSeen extends Omit<MemberSeen, 'instanceId'> {
  /** Who gave records out, or was told: a process while it leads the group's journal. Empty: another one, not known which. */
  readonly coordinator: string;
}

export interface ShareRange {
  /** The name of a partition. */
  readonly place: string;
  readonly first: number;
  readonly last: number;
}

export interface ShareAcknowledgement extends ShareMemberSeen, ShareRange {
  /** Unique in the run. */
  readonly id: number;
  readonly kind: 'accept' | 'release' | 'reject';
}

export interface StoredTopic {
  readonly topicId: string;
  readonly name: string;
  readonly phase: string;
  readonly partitions: number;
}

export interface KnownTopic {
  readonly topicId: string;
  readonly name: string;
  readonly partitions: number;
  /** Infinity when records are kept for ever. */
  readonly retentionMs: number;
}

export interface LeadershipSeen {
  /** By journal: whom the controller assigned it to; -1: nobody. */
  readonly assigned: readonly number[];
  /** Journals that an administrator moved. */
  readonly pinned: readonly number[];
  /** Brokers that an administrator drained, and nobody since gave their share again: what asked for it was lost. */
  readonly drained: readonly number[];
  /** How many journals the cluster has. */
  readonly journals: number;
  /** Brokers that run, with the journals that each says to lead. */
  readonly brokers: readonly {
    readonly process: string;
    readonly brokerId: number;
    readonly leads: readonly number[];
    /** How many journals it has heard of. */
    readonly knows: number;
  }[];
}

export type HistoryEvent =
  // Effects on the stores, each with the process that asked for it. Nobody may have been told of them yet.
  | { readonly type: 'entryPut'; readonly journal: number; readonly entry: Entry; readonly process: string }
  /**
   * A slot was written that was written, and trimmed, before: a request that was under way for long. Only trimmed slots can
   * be empty again, and nobody reads those; the next leader sweeps them.
   */
  | { readonly type: 'strayEntryPut'; readonly journal: number; readonly entry: Entry; readonly process: string }
  | { readonly type: 'entryDeleted'; readonly journal: number; readonly seq: number; readonly process: string }
  | {
      readonly type: 'pointerPut';
      readonly journal: number;
      readonly version: number;
      readonly snapshotSeq: number;
      readonly floor: number;
      readonly snapshotKey: string;
      readonly process: string;
    }
  /** How many journals the cluster has from now on. */
  | { readonly type: 'journalsCounted'; readonly count: number; readonly process: string }
  /** Who is the controller, and what it decided. */
  | { readonly type: 'controllerPut'; readonly item: ControllerItem; readonly process: string }
  | { readonly type: 'objectCreated'; readonly key: string; readonly body: Buffer; readonly process: string }
  | { readonly type: 'objectDeleted'; readonly key: string; readonly process: string }
  // What the entries mean, in their order.
  | ({ readonly type: 'partitionCreated' } & PartitionName)
  | ({ readonly type: 'partitionDeleted' } & PartitionName)
  | { readonly type: 'batchAppended'; readonly batch: LedgerBatch }
  | ({
      readonly type: 'transactionGuarded';
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly number: number;
    } & PartitionName)
  | { readonly type: 'markerAppended'; readonly marker: LedgerMarker }
  /** A marker came before its guard: that must never open anything. */
  | ({ readonly type: 'markerRemembered'; readonly producerId: number; readonly number: number } & PartitionName)
  | { readonly type: 'recordsChanged'; readonly owner: string; readonly changes: readonly RecordChange[] }
  | ({
      readonly type: 'logStartAdvanced';
      readonly logStartOffset: number;
      readonly dropped: readonly LedgerBatch[];
      readonly bytesLeft: number;
      readonly now: number;
    } & PartitionName)
  // Clients. `sent` and `answered` are seen at the process: an answer may still get lost on its way.
  | { readonly type: 'sent'; readonly batch: SentBatch; readonly process: string }
  | {
      readonly type: 'answered';
      readonly batch: SentBatch;
      readonly process: string;
      readonly outcome: ProduceOutcome;
    }
  /** What a group was told of one of its offsets, or told to keep. */
  | ({ readonly type: 'offsetCommitted' } & OffsetTold)
  | ({ readonly type: 'offsetFetched' } & OffsetTold)
  // Members of groups. What they ask is seen when it arrives at the process, what they are told when it leaves.
  | ({ readonly type: 'memberJoined'; readonly generation: number } & MemberSeen)
  /** By the leader of a generation: base64 by member id. */
  | ({
      readonly type: 'assignmentsSent';
      readonly generation: number;
      readonly assignments: ReadonlyMap<string, string>;
    } & MemberSeen)
  | ({ readonly type: 'memberAssigned'; readonly generation: number; readonly assignment: string } & MemberSeen)
  | ({ readonly type: 'memberLeft' } & MemberSeen)
  /** `generation` is an epoch in consumer groups. The commit carries its name as metadata. */
  | ({ readonly type: 'commitSent'; readonly generation: number; readonly commitId: string } & MemberSeen)
  /** A member of a consumer group was told where it stands. */
  | ({
      readonly type: 'memberTold';
      readonly epoch: number;
      /** Names of partitions; null: as before. */
      readonly assigned: readonly string[] | null;
      /** How often the journals had changed the member when its request arrived. */
      readonly changesBefore: number;
    } & MemberSeen)
  /** What a member of a consumer group reads from now on, as it sees it itself. */
  | {
      readonly type: 'memberHolds';
      readonly groupId: string;
      readonly memberId: string;
      readonly partitions: readonly string[];
    }
  // Members of share groups. Times are those of the true monotonic clock.
  | ({ readonly type: 'shareFetchAsked' } & ShareMemberSeen)
  | ({
      readonly type: 'shareFetched';
      readonly askedAt: number;
      readonly acquired: readonly (ShareRange & { readonly deliveryCount: number })[];
    } & ShareMemberSeen)
  | ({ readonly type: 'shareAcknowledgeAsked' } & ShareAcknowledgement)
  /** It was told that it counts. */
  | ({ readonly type: 'shareAcknowledged' } & ShareAcknowledgement)
  /** What the member held is there for others. */
  | ({ readonly type: 'shareSessionEnded' } & ShareMemberSeen)
  /** All is well, and the members of a group do not come to share its partitions. */
  | { readonly type: 'unsettled'; readonly groupId: string; readonly what: string; readonly waitedMs: number }
  /** A client was told that its transaction has ended so. */
  | { readonly type: 'transactionEnded'; readonly transaction: number; readonly committed: boolean }
  | { readonly type: 'producerIdGiven'; readonly id: number }
  /** A batch was refused as out of order although its writer knows of nothing before it that is not there. */
  | { readonly type: 'sequenceLost'; readonly batch: SentBatch }
  | ({ readonly type: 'fetched' } & FetchSeen)
  | ({ readonly type: 'offsetListed' } & OffsetSeen)
  | ({ readonly type: 'epochEndTold' } & EpochEndSeen)
  | ({ readonly type: 'deleteRecordsAsked'; readonly beforeOffset: number } & PartitionName)
  | ({
      readonly type: 'recordsDeleted';
      readonly beforeOffset: number;
      readonly logStartOffset: number;
    } & PartitionName)
  /** An administrator was told that there are so many now. */
  | { readonly type: 'journalsAdded'; readonly count: number; readonly process: string }
  | { readonly type: 'topicDeleteAsked'; readonly topicId: string }
  | { readonly type: 'topicDeleted'; readonly topicId: string }
  /** Effective from now on; the loosest of all that were ever asked for counts. */
  | {
      readonly type: 'retentionAsked';
      readonly topicId: string;
      readonly retentionMs: number;
      readonly retentionBytes: number;
    }
  | { readonly type: 'processStarted'; readonly process: string }
  /** Answers clients from now on. */
  | {
      readonly type: 'processServes';
      readonly process: string;
      readonly brokerId: number;
      readonly brokerEpoch: number;
    }
  | { readonly type: 'processEnded'; readonly process: string }
  /** A request was answered with something that no client can be told, or a process complained of a broken assumption. */
  | { readonly type: 'internalError'; readonly process: string; readonly what: string }
  /** Tried for long while all was well. */
  | ({ readonly type: 'unreadable'; readonly offset: number; readonly what: string } & PartitionName)
  /** A request got no answer although all was well for that long. */
  | { readonly type: 'stuck'; readonly what: string; readonly waitedMs: number }
  /** Who leads what a while after all went well. */
  | ({ readonly type: 'leadershipAtRest'; readonly waitedMs: number } & LeadershipSeen)
  /** What the store and a broker that just started say of topics when all is quiet. */
  | { readonly type: 'topicsAtRest'; readonly stored: readonly StoredTopic[]; readonly known: readonly KnownTopic[] }
  /** Faults ended, the workload ended, all background work had its time. */
  | { readonly type: 'quiet' };

export type { Command };

/** What a checker found. The run ends with it. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(`${checker}: ${message}`);
    this.checker = checker;
  }
}

export interface Checker {
  readonly name: string;
  /** Throws Violation. */
  observe(event: HistoryEvent): void;
}

/** Tells every checker of every event, and keeps the first violation. */
export class History {
  readonly #checkers: readonly Checker[];
  readonly #onViolation: (violation: unknown) => void;

  constructor(checkers: readonly Checker[], onViolation: (violation: unknown) => void) {
    this.#checkers = checkers;
    this.#onViolation = onViolation;
  }

  /** Never throws: events come from the middle of the broker's own promises. */
  add(event: HistoryEvent): void {
    try {
      for (const checker of this.#checkers) checker.observe(event);
    } catch (violation) {
      this.#onViolation(violation);
    }
  }
}
