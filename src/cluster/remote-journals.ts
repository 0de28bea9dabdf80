/** Journals that another broker leads, asked by calls between brokers, and the other end of these calls. */
import { KafkaError } from '../errors.ts';
import type { AppendAnswer, AppendRequest, Change, ChangeOutcome, Journal, Lane } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { ExtentPlace } from '../journal/partition-state.ts';
import type { PeerIdentity, RpcMethod, RpcRegistry } from '../rpc/method.ts';
import {
  JOURNAL_APPEND,
  JOURNAL_PROPOSE,
  JOURNAL_READ_INLINE,
  JOURNAL_REQUEST_SNAPSHOT,
  JOURNAL_SKIP,
} from './journal-methods.ts';
import { LeaderCalls, type LeaderCallsOptions } from './leader-calls.ts';

/** A leader whose store is slow takes seconds. Beyond that the lane asks again. */
const WRITE_TIMEOUT_MS = 10_000;
const READ_TIMEOUT_MS = 3_000;

export class RemoteJournals {
  readonly #calls: LeaderCalls;

  constructor(options: LeaderCallsOptions) {
    this.#calls = new LeaderCalls(options);
  }

  close(): void {
    this.#calls.close();
  }

  /** As far as this broker was told; -1 when it was not. */
  epochOf(journal: number): number {
    return this.#calls.leaderOf(journal)?.epoch ?? -1;
  }

  /** Appends leave in the order of these calls. */
  append(journal: number, request: AppendRequest): Promise<AppendAnswer> {
    return this.ask(journal, JOURNAL_APPEND, { journal, request }, WRITE_TIMEOUT_MS);
  }

  async skip(journal: number, lane: Lane, number: number): Promise<void> {
    await this.ask(journal, JOURNAL_SKIP, { journal, lane, number }, WRITE_TIMEOUT_MS);
  }

  propose(journal: number, change: Change): Promise<ChangeOutcome> {
    return this.ask(journal, JOURNAL_PROPOSE, { journal, change }, WRITE_TIMEOUT_MS);
  }

  async readInline(journal: number, { source, position, length }: ExtentPlace): Promise<Buffer | null> {
    if (source.type !== 'inline') return null;
    const { seq, entryId } = source;
    return this.ask(journal, JOURNAL_READ_INLINE, { journal, seq, entryId, position, length });
  }

  requestSnapshot(journal: number): void {
    // A hint: who asks does so again.
    this.ask(journal, JOURNAL_REQUEST_SNAPSHOT, { journal }).catch(() => {});
  }

  /** Anything that the leader of a journal answers. */
  ask<Request, Response>(
    journal: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    timeoutMs = READ_TIMEOUT_MS,
  ): Promise<Response> {
    return this.#calls.ask(journal, method, request, { timeoutMs });
  }
}

/** Answers what other brokers ask of the journals that are led here. Nothing is asked on: the caller looks again. */
export function answerJournalCalls(registry: RpcRegistry, journals: Journals): void {
  const led = (id: number): Journal => {
    const journal = journals.get(id);
    if (journal?.role === 'leading') return journal;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `journal ${id} is not led by this broker`);
  };
  registry.handle(JOURNAL_APPEND, ({ journal, request }, { from }) => {
    refuseForged(request.lane, from);
    return led(journal).append(request); // In this turn: the order of arrival is the order of the lane.
  });
  registry.handle(JOURNAL_SKIP, async ({ journal, lane, number }, { from }) => {
    refuseForged(lane, from);
    await led(journal).skip(lane, number);
    return null;
  });
  registry.handle(JOURNAL_PROPOSE, ({ journal, change }) => led(journal).propose(change));
  registry.handle(JOURNAL_READ_INLINE, ({ journal, seq, entryId, position, length }) =>
    led(journal).readInline({ source: { type: 'inline', seq, entryId }, position, length }),
  );
  registry.handle(JOURNAL_REQUEST_SNAPSHOT, ({ journal }) => {
    led(journal).requestSnapshot();
    return null;
  });
}

/** A broker numbers its own appends only. */
function refuseForged({ brokerId, brokerEpoch }: Lane, from: PeerIdentity): void {
  if (brokerId === from.brokerId && brokerEpoch === from.brokerEpoch) return;
  const message = `broker ${from.brokerId} (epoch ${from.brokerEpoch}) used a lane of broker ${brokerId} (epoch ${brokerEpoch})`;
  throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED', message);
}
