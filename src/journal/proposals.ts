/** What waits for the next entry: a queue bounded by count and bytes. */
import { KafkaError } from '../errors.ts';
import { CONTROL_BATCH_BYTES } from '../record/control-batch.ts';
import { unreachable } from '../runtime/assert.ts';
import type {
  AppendAnswer,
  AppendRequest,
  Change,
  ChangeOutcome,
  CoordinatorCommand,
  Decided,
  Decision,
  Lane,
  RecordChange,
} from './journal.ts';

export type Proposal = AppendProposal | SkipProposal | ChangeProposal | DecisionProposal;

interface Waiting<T> {
  /** What it adds to an entry at most, exceptions aside. */
  readonly bytesMax: number;
  resolve(value: T): void;
  reject(cause: unknown): void;
}

export interface AppendProposal extends Waiting<AppendAnswer> {
  readonly type: 'append';
  readonly request: AppendRequest;
  /** The inline body, copied; empty for segments. */
  readonly body: Uint8Array;
}

export interface SkipProposal extends Waiting<void> {
  readonly type: 'skip';
  readonly lane: Lane;
  readonly number: number;
}

export interface ChangeProposal extends Waiting<ChangeOutcome> {
  readonly type: 'change';
  readonly change: Change;
}

export interface DecisionProposal extends Waiting<unknown> {
  readonly type: 'decision';
  readonly decide: Decision<unknown>;
}

/** Several seconds of the fastest ingest; each holds a promise and a description. */
export const QUEUE_COUNT_MAX = 20_000;
export const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** After so many were taken from the front the rest moves up. */
const TAKEN_MAX = 256;

export class ProposalQueue {
  /** Null where it was taken from. */
  #proposals: (Proposal | null)[] = [];
  #head = 0;
  #bytes = 0;
  /** How many waiting proposals name a segment. */
  readonly #named = new Map<string, number>();

  get length(): number {
    return this.#proposals.length - this.#head;
  }

  /** Throws when the queue is full: nothing was done, and the sender may try again. */
  push(proposal: Proposal): void {
    if (this.length >= QUEUE_COUNT_MAX || this.#bytes + proposal.bytesMax > QUEUE_BYTES_MAX) {
      const waiting = `${this.length} changes with ${this.#bytes} bytes wait for the metadata store`;
      const limits = `at most ${QUEUE_COUNT_MAX} and ${QUEUE_BYTES_MAX} may`;
      throw new KafkaError('KAFKA_STORAGE_ERROR', `${waiting}, ${limits}: send it again in a moment`);
    }
    this.#proposals.push(proposal);
    this.#bytes += proposal.bytesMax;
    this.#countNames(proposal, 1);
  }

  peek(): Proposal | undefined {
    return this.#proposals[this.#head] ?? undefined;
  }

  shift(): Proposal {
    const proposal = this.#proposals[this.#head]!;
    // It must not stay in memory while others keep the queue from ever being empty.
    this.#proposals[this.#head++] = null;
    this.#bytes -= proposal.bytesMax;
    this.#countNames(proposal, -1);
    if (this.#head === this.#proposals.length || this.#head >= TAKEN_MAX) {
      this.#proposals = this.#proposals.slice(this.#head);
      this.#head = 0;
    }
    return proposal;
  }

  /** Takes everything out. */
  drain(): Proposal[] {
    const waiting = this.#proposals.slice(this.#head) as Proposal[];
    this.#proposals = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#named.clear();
    return waiting;
  }

  names(segmentId: string): boolean {
    return this.#named.has(segmentId);
  }

  #countNames(proposal: Proposal, by: 1 | -1): void {
    for (const segmentId of segmentsNamedBy(proposal)) {
      const count = (this.#named.get(segmentId) ?? 0) + by;
      if (count > 0) this.#named.set(segmentId, count);
      else this.#named.delete(segmentId);
    }
  }
}

function segmentsNamedBy(proposal: Proposal): readonly string[] {
  if (proposal.type === 'append') {
    const { source } = proposal.request;
    return source.type === 'segment' ? [source.segment.id] : [];
  }
  if (proposal.type === 'change' && proposal.change.type === 'merge') {
    return proposal.change.segments.map(({ id }) => id);
  }
  return [];
}

/** A lane, a number, a source and room to spare. */
const APPEND_BYTES = 256;
const PARTITION_BYTES = 24;
const BATCH_BYTES = 48;
const GROUP_BYTES = 32;
const CHANGE_BYTES = 64;
const EXTENT_BYTES = 64;
/** A varint of a partition number. */
const PARTITION_NUMBER_BYTES = 3;

/** A batch of a segment may be described in the footer only; one of an inline body is always described in the entry. */
export function appendBytesMax({ source, partitions, idempotency = [] }: AppendRequest): number {
  let bytes = APPEND_BYTES;
  for (const { key, batches } of idempotency) bytes += GROUP_BYTES + key.length * 3 + batches.length * 3;
  if (source.type === 'segment') return bytes + source.segment.id.length;
  for (const { batches } of partitions) bytes += PARTITION_BYTES + batches.length * BATCH_BYTES;
  return bytes + source.bytes;
}

export function changeBytesMax(change: Change): number {
  switch (change.type) {
    case 'createPartitions':
    case 'deletePartitions':
      return CHANGE_BYTES + change.partitions.length * PARTITION_NUMBER_BYTES;
    case 'merge': {
      let bytes = CHANGE_BYTES;
      for (const { id } of change.segments) bytes += CHANGE_BYTES + id.length;
      for (const { add } of change.swaps) bytes += CHANGE_BYTES + add.length * EXTENT_BYTES;
      return bytes;
    }
    case 'condemn':
    case 'forget':
      return change.segmentIds.reduce((sum, id) => sum + id.length + 4, CHANGE_BYTES);
    default:
      return CHANGE_BYTES;
  }
}

/** What a decision adds to an entry, a little more than exactly. */
export const decisionBytes = ({ commands }: Decided<unknown>): number =>
  commands.reduce((sum, command) => sum + commandBytes(command), 0);

function commandBytes(command: CoordinatorCommand): number {
  switch (command.type) {
    case 'recordsChanged':
      return recordsBytes(command.owner, command.changes);
    case 'transactionGuarded':
      return TRANSACTION_BYTES;
    case 'transactionMarked':
      return TRANSACTION_BYTES + CONTROL_BATCH_BYTES;
    default:
      return unreachable(command);
  }
}

function recordsBytes(owner: string, changes: readonly RecordChange[]): number {
  let bytes = RECORDS_BYTES + Buffer.byteLength(owner);
  for (const { key, value } of changes) {
    bytes += RECORD_BYTES + Buffer.byteLength(key) + (value === null ? 0 : Buffer.byteLength(value));
  }
  return bytes;
}

const RECORDS_BYTES = 16;
const RECORD_BYTES = 8;
const TRANSACTION_BYTES = 56;
