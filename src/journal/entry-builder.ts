/**
 * Decides the waiting proposals one after the other on one draft and puts all that comes of it into one entry. Nothing of
 * it may be answered before that entry is durable; then `settle` answers, in order.
 */
import { KafkaError } from '../errors.ts';
import { ENTRY_BYTES_MAX, OPEN_TRANSACTIONS_PER_JOURNAL_MAX } from '../limits.ts';
import { buildControlBatch, CONTROL_BATCH_BYTES } from '../record/control-batch.ts';
import { unreachable } from '../runtime/assert.ts';
import { decideAppend, decideSkip } from './decide-append.ts';
import { type ChangeContext, decideChange } from './decide-change.ts';
import type { EntryHeader, StateDraft } from './draft.ts';
import { type AppendedSource, type Command, segmentsNamedBy } from './entry.ts';
import { EntryEncoder } from './entry-codec.ts';
import { applyCommand, NO_FOOTERS } from './fold.ts';
import { applyGuard, applyMarker, guardVerdict, markerVerdict } from './guards.ts';
import type { CoordinatorCommand, Decided } from './journal.ts';
import { unpackAnswer } from './lanes.ts';
import {
  type AppendProposal,
  type DecisionProposal,
  decisionBytes,
  type Proposal,
  type ProposalQueue,
} from './proposals.ts';

export interface BuiltEntry {
  readonly header: EntryHeader;
  readonly commands: readonly Command[];
  /** Null when nothing has to be written: all proposals are answered from the durable state. */
  readonly bytes: Buffer | null;
  /** How many of them, at the end, are inline bodies. */
  readonly bodyBytes: number;
  /** Gives every proposal its answer. */
  settle(): void;
  /** Rejects every proposal. */
  fail(cause: KafkaError): void;
}

export class EntryBuilder {
  readonly #encoder: EntryEncoder;
  readonly #draft: StateDraft;
  readonly #context: ChangeContext;
  /** Segments that the entry being built names. */
  readonly #named = new Set<string>();

  constructor(journal: number, draft: StateDraft, context: ChangeContext) {
    this.#encoder = new EntryEncoder(journal);
    this.#draft = draft;
    this.#context = { isNamed: (segmentId) => this.#named.has(segmentId) || context.isNamed(segmentId) };
  }

  /** Takes proposals from the front of the queue until the entry is full. */
  build(header: EntryHeader, queue: ProposalQueue): BuiltEntry {
    const encoder = this.#encoder;
    this.#draft.begin(header);
    encoder.begin(header);
    this.#named.clear();
    const commands: Command[] = [];
    const taken: Proposal[] = [];
    const answers: (() => void)[] = [];
    const fail = (cause: KafkaError) => {
      for (const proposal of taken) proposal.reject(cause);
    };
    for (let next = queue.peek(); next; next = queue.peek()) {
      if (encoder.commandCount > 0 && encoder.bytes + next.bytesMax > ENTRY_BYTES_MAX) break;
      let answer: (() => void) | null;
      try {
        answer = this.#decide(next, commands);
      } catch (cause) {
        fail(notLeader('the entry could not be built')); // A bug, which ends the journal: nobody else answers these.
        throw cause;
      }
      if (answer === null) break;
      answers.push(answer);
      taken.push(queue.shift());
    }
    return {
      header,
      commands,
      bytes: commands.length > 0 ? encoder.finish() : null,
      bodyBytes: encoder.bodyBytes,
      settle: () => {
        for (const answer of answers) answer();
      },
      fail,
    };
  }

  #decide(proposal: Proposal, commands: Command[]): (() => void) | null {
    switch (proposal.type) {
      case 'append':
        return this.#decideAppend(proposal, commands);
      case 'skip': {
        const { lane, number, resolve, reject } = proposal;
        const decision = decideSkip(this.#draft, lane, number);
        if (decision.type === 'reject') return () => reject(decision.error);
        if (decision.type === 'skip') this.#add({ type: 'laneSkipped', lane, number }, commands);
        return () => resolve();
      }
      case 'change': {
        const { command, outcome } = decideChange(this.#draft, proposal.change, this.#context);
        if (command) this.#add(command, commands);
        return () => proposal.resolve(outcome);
      }
      case 'decision':
        return this.#decideForCoordinator(proposal, commands);
      default:
        return unreachable(proposal);
    }
  }

  /** Null when what it wants to write does not fit into this entry any more: it is made again for the next. */
  #decideForCoordinator({ decide, resolve, reject }: DecisionProposal, commands: Command[]): (() => void) | null {
    let decided: Decided<unknown>;
    try {
      decided = decide(this.#draft);
    } catch (cause) {
      return () => reject(cause); // Nothing was applied: the draft is as it was.
    }
    const bytes = decisionBytes(decided);
    if (bytes > ENTRY_BYTES_MAX) {
      const message = `a change of ${bytes} bytes does not fit an entry of ${ENTRY_BYTES_MAX}`;
      return () => reject(new KafkaError('INVALID_REQUEST', message));
    }
    if (commands.length > 0 && this.#encoder.bytes + bytes > ENTRY_BYTES_MAX) return null;
    const refusal = this.#refuseGuards(decided.commands);
    if (refusal) return () => reject(refusal);
    for (const command of decided.commands) this.#addOfCoordinator(command, commands);
    return () => resolve(decided.answer);
  }

  /** What would go wrong is known before anything is applied. */
  #refuseGuards(commands: readonly CoordinatorCommand[]): KafkaError | null {
    let opening = 0;
    for (const command of commands) {
      if (command.type !== 'transactionGuarded') continue;
      const verdict = guardVerdict(this.#draft, command);
      if (verdict === 'busy') {
        const place = `partition ${command.partition} of topic ${command.topicId}`;
        const message = `an earlier transaction of producer ${command.producerId} is open on ${place}`;
        return new KafkaError('CONCURRENT_TRANSACTIONS', message);
      }
      if (verdict === 'opens') opening++;
    }
    if (opening === 0 || this.#draft.openTransactions + opening <= OPEN_TRANSACTIONS_PER_JOURNAL_MAX) return null;
    const open = `${this.#draft.openTransactions} transactions are open in the journal, counted once per partition`;
    const limit = `at most ${OPEN_TRANSACTIONS_PER_JOURNAL_MAX} may be`;
    return new KafkaError('CONCURRENT_TRANSACTIONS', `${open}, ${limit}: try again when some have ended`);
  }

  /** Guards and markers that are stale stay out of the entry. */
  #addOfCoordinator(command: CoordinatorCommand, commands: Command[]): void {
    switch (command.type) {
      case 'recordsChanged':
        applyCommand(this.#draft, command, NO_FOOTERS);
        this.#add(command, commands);
        return;
      case 'transactionGuarded':
        if (applyGuard(this.#draft, command)) this.#add(command, commands);
        return;
      case 'transactionMarked': {
        const verdict = markerVerdict(this.#draft, command);
        if (verdict === 'stale') return;
        const marked = { ...command, position: verdict === 'ends' ? this.#encoder.bodyBytes : -1 };
        applyMarker(this.#draft, marked);
        this.#add(marked, commands);
        if (verdict !== 'ends') return;
        this.#encoder.addBody([buildControlBatch(marked, this.#draft.header.timestamp)], CONTROL_BATCH_BYTES);
        return;
      }
      default:
        unreachable(command);
    }
  }

  #decideAppend(proposal: AppendProposal, commands: Command[]): () => void {
    const { request, body, resolve, reject } = proposal;
    const source: AppendedSource =
      request.source.type === 'segment'
        ? request.source
        : { type: 'inline', position: this.#encoder.bodyBytes, length: body.length };
    const decision = decideAppend(this.#draft, request, source);
    if (decision.type === 'reject') return () => reject(decision.error);
    if (decision.type === 'tooLate') {
      this.#add({ type: 'laneSkipped', lane: request.lane, number: request.number }, commands);
    } else if (decision.type === 'append') {
      this.#add(decision.command, commands);
      if (body.length > 0) this.#encoder.addBody([body], body.length);
    }
    return () => resolve(unpackAnswer(decision.answer));
  }

  #add(command: Command, commands: Command[]): void {
    commands.push(this.#encoder.add(command));
    for (const segmentId of segmentsNamedBy(command)) this.#named.add(segmentId);
  }
}

export const notLeader = (message: string): KafkaError =>
  new KafkaError('NOT_LEADER_OR_FOLLOWER', message, { noSideEffects: false });
