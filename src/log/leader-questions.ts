/**
 * What is asked of the leader of one partition: watermarks, offsets by time and by epoch, producers, deletions. Here when this
 * broker leads it, else by a call; for a moment patiently, so that a change of leaders is not seen.
 */
import { z } from 'zod';
import type { LeaderCalls } from '../cluster/leader-calls.ts';
import { KafkaError } from '../errors.ts';
import type { ProducerState } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { jsonMethod, type RpcMethod, type RpcRegistry } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import { assert } from '../runtime/assert.ts';
import { count } from '../schema.ts';
import type { LeaderWaits } from './leader-waits.ts';
import type { Locator } from './locate.ts';
import { watermarksOf } from './locate-service.ts';
import type { FoundOffset, OffsetAt, PartitionId, Watermarks } from './log.ts';
import { LEADER_CALL_TIMEOUT_MS, type Place, WATERMARKS } from './log-methods.ts';
import { type EpochEnd, epochEnd, type Offsets } from './offsets.ts';

interface OffsetQuestion extends Place {
  readonly at: OffsetAt;
}

interface EpochQuestion extends Place {
  readonly leaderEpoch: number;
}

interface Deletion extends Place {
  readonly beforeOffset: number;
}

const LIST_OFFSET = jsonMethod<OffsetQuestion, FoundOffset>(42, 'log.listOffset');
const OFFSET_FOR_LEADER_EPOCH = jsonMethod<EpochQuestion, EpochEnd>(43, 'log.offsetForLeaderEpoch');
const PRODUCERS = jsonMethod<Place, readonly ProducerState[]>(45, 'log.producers');
const DELETE_RECORDS = jsonMethod<Deletion, number>(46, 'log.deleteRecords', {
  request: z.object({ topicId: z.string(), partition: count, journal: count, beforeOffset: z.number() }),
});

/** A hand-over is over sooner; who waits for longer is told to look for the leader. */
const PATIENCE_MS = 3_000;
/** Looking for a time may take several reads. */
const ANSWER_MS_MAX = 15_000;

export interface LeaderQuestionsOptions {
  readonly journals: Journals;
  readonly locator: Locator;
  readonly offsets: Offsets;
  readonly calls: LeaderCalls;
  readonly waits: LeaderWaits;
  readonly peers: Peers;
}

interface WatermarksWish {
  readonly place: Place;
  readonly resolve: (watermarks: Watermarks) => void;
  readonly reject: (cause: unknown) => void;
}

export class LeaderQuestions {
  readonly #options: LeaderQuestionsOptions;
  /** Of this turn, by the broker that is to be asked. */
  readonly #wishes = new Map<number, WatermarksWish[]>();

  constructor(options: LeaderQuestionsOptions) {
    this.#options = options;
  }

  answerTo(registry: RpcRegistry): void {
    const { offsets } = this.#options;
    registry.handle(LIST_OFFSET, (question) => offsets.list(question, question.at));
    registry.handle(OFFSET_FOR_LEADER_EPOCH, (question) => this.#epochEnd(question));
    registry.handle(PRODUCERS, (place) => this.#producers(place));
    registry.handle(DELETE_RECORDS, (question) => this.#delete(question));
    registry.handle(WATERMARKS, (places) => places.map((place) => this.#watermarksHere(place)));
  }

  listOffset(id: PartitionId, at: OffsetAt): Promise<FoundOffset> {
    return this.#ask(LIST_OFFSET, { ...this.#place(id), at }, (asked) => this.#options.offsets.list(asked, at));
  }

  offsetForLeaderEpoch(id: PartitionId, leaderEpoch: number): Promise<EpochEnd> {
    const question = { ...this.#place(id), leaderEpoch };
    return this.#ask(OFFSET_FOR_LEADER_EPOCH, question, (asked) => this.#epochEnd(asked));
  }

  producers(id: PartitionId): Promise<readonly ProducerState[]> {
    return this.#ask(PRODUCERS, this.#place(id), (place) => this.#producers(place));
  }

  deleteRecords(id: PartitionId, beforeOffset: number): Promise<number> {
    return this.#ask(DELETE_RECORDS, { ...this.#place(id), beforeOffset }, (asked) => this.#delete(asked));
  }

  watermarks(id: PartitionId): Promise<Watermarks> {
    const place = this.#place(id);
    const { calls, waits } = this.#options;
    return waits.patiently(place.journal, PATIENCE_MS, async () => {
      if (this.#isLed(place)) return watermarksOf(this.#options.locator.mustLead(place));
      return this.#wish(calls.otherLeaderOf(place.journal), place);
    });
  }

  async #ask<Question extends Place, Answer>(
    method: RpcMethod<Question, Answer>,
    question: Question,
    here: (question: Question) => Answer | Promise<Answer>,
  ): Promise<Answer> {
    const { calls, waits } = this.#options;
    const { journal } = question;
    return waits.patiently(journal, PATIENCE_MS, async () => {
      if (this.#isLed(question)) return here(question);
      return calls.ask(journal, method, question, { timeoutMs: ANSWER_MS_MAX });
    });
  }

  /** Or there is nothing that could be led. */
  #isLed(place: Place): boolean {
    const led = this.#options.locator.lead(place);
    return 'state' in led || led.type !== 'elsewhere';
  }

  #place({ topicId, partition }: PartitionId): Place {
    return { topicId, partition, journal: this.#options.locator.journalOf({ topicId, partition }) };
  }

  /** All wishes of a turn for one leader go in one call: descriptions of topics ask for thousands. */
  #wish(brokerId: number, place: Place): Promise<Watermarks> {
    return new Promise((resolve, reject) => {
      const wishes = this.#wishes.get(brokerId);
      const wish = { place, resolve, reject };
      if (wishes !== undefined) {
        wishes.push(wish);
        return;
      }
      this.#wishes.set(brokerId, [wish]);
      void Promise.resolve().then(() => this.#askWatermarks(brokerId));
    });
  }

  async #askWatermarks(brokerId: number): Promise<void> {
    const wishes = this.#wishes.get(brokerId)!;
    this.#wishes.delete(brokerId);
    try {
      const places = wishes.map(({ place }) => place);
      const answers = await this.#options.peers.call(brokerId, WATERMARKS, places, {
        timeoutMs: LEADER_CALL_TIMEOUT_MS,
      });
      for (const [index, { resolve, reject }] of wishes.entries()) {
        const answer = answers[index]!;
        if ('error' in answer) reject(new KafkaError(answer.error, answer.message));
        else resolve(answer);
      }
    } catch (cause) {
      for (const { reject } of wishes) reject(cause);
    }
  }

  #watermarksHere(place: Place) {
    const led = this.#options.locator.lead(place);
    if ('state' in led) return watermarksOf(led);
    if (led.type === 'error') return { error: led.error, message: led.message };
    const message = `this broker does not lead journal ${place.journal}`;
    return { error: 'NOT_LEADER_OR_FOLLOWER' as const, message };
  }

  /** Consumers go back to where an old leader says that an epoch ended, and begin anew where it does not know the epoch. */
  async #epochEnd(question: EpochQuestion): Promise<EpochEnd> {
    const { state, journal } = await this.#options.locator.confirmed(question);
    return epochEnd(state.epochs, { epoch: journal.epoch, startOffset: state.nextOffset }, question.leaderEpoch);
  }

  #producers(place: Place): readonly ProducerState[] {
    const { journal } = this.#options.locator.mustLead(place);
    return [...journal.state.producers(place.topicId, place.partition)];
  }

  async #delete(deletion: Deletion): Promise<number> {
    const { topicId, partition, beforeOffset } = deletion;
    const { state, journal } = await this.#options.locator.confirmed(deletion);
    const logStartOffset = beforeOffset === -1 ? state.nextOffset : beforeOffset;
    if (logStartOffset < 0 || logStartOffset > state.nextOffset) {
      throw new KafkaError('OFFSET_OUT_OF_RANGE', `offset ${beforeOffset} is not within 0 to ${state.nextOffset}`);
    }
    const outcome = await journal.propose({ type: 'advanceLogStart', topicId, partition, logStartOffset });
    if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    assert(outcome.type === 'logStart', `a new log start was answered with ${outcome.type}`);
    return outcome.logStartOffset;
  }
}
