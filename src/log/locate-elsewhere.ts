/**
 * Locates partitions that other brokers lead. Of each leader everything is asked in one call. Where one leader has all
 * partitions of a fetch, that call is the long poll; else all are asked first, and when that is not enough each waits for
 * its own, as this broker does for what it leads: the first that has enough ends the others.
 *
 * A leader that is away holds up what it leads, not the others: its partitions are asked for again when another broker
 * takes over, and fail retriably when the fetch has waited for as long as it may.
 */

import type { Leaders } from '../cluster/members.ts';
import { isElsewhere } from '../cluster/patience.ts';
import { toKafkaError } from '../errors.ts';
import { SharedExtentList } from '../journal/extent-list.ts';
import type { Journal } from '../journal/journal.ts';
import type { PartitionState } from '../journal/partition-state.ts';
import { RPC_CALLS_IN_FLIGHT_MAX } from '../limits.ts';
import type { Peers } from '../rpc/peers.ts';
import { type Clock, sleep, type Timers } from '../runtime/clock.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
import type { LeaderWaits } from './leader-waits.ts';
import {
  availableIn,
  type Elsewhere,
  type Led,
  type Located,
  notLed,
  readableEnd,
  type WantedPartition,
} from './locate.ts';
import { LOCATE, type ToldPartition } from './locate-codec.ts';
import { available, type LocateHere, type LocateQuestion } from './locate-here.ts';
import type { Isolation, Watermarks } from './log.ts';
import { LEADER_CALL_TIMEOUT_MS } from './log-methods.ts';

export interface LocateElsewhereOptions {
  readonly brokerId: number;
  readonly here: LocateHere;
  readonly waits: LeaderWaits;
  readonly peers: Peers;
  readonly leaders: Leaders;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** A leader that is away is asked again after this, if nothing else is heard. */
const AGAIN_MS = 200;
/** Long polls of this broker at once: room is left for the appends that wait for the same leaders. */
const POLLS_MAX = RPC_CALLS_IN_FLIGHT_MAX / 2;
/** What has no room for a long poll asks this often. */
const CROWDED_MS = 100;

/** The partitions of a question that one broker leads, by their places in it. */
type Groups = Map<number, number[]>;

export type FoundOrError = Exclude<Located, Elsewhere>;

export class LocateElsewhere {
  readonly #options: LocateElsewhereOptions;
  #polls = 0;

  constructor(options: LocateElsewhereOptions) {
    this.#options = options;
  }

  /**
   * Completes `located`, of which something is elsewhere, and waits until `endMs` of the monotonic clock for enough. Rejects
   * when aborted.
   */
  async locate(
    question: LocateQuestion,
    located: readonly Located[],
    endMs: number,
    signal: AbortSignal,
  ): Promise<FoundOrError[]> {
    const { here, clock } = this.#options;
    let result = [...located];
    for (;;) {
      const asked = this.#group(result, (found) => found.type === 'elsewhere');
      const leftMs = Math.max(0, endMs - clock.monotonic());
      const isAlone = asked.size === 1 && asked.values().next().value!.length === result.length;
      await this.#askEach(question, result, asked, isAlone ? leftMs : 0, signal);
      result = await this.#lookHere(question, result);
      if (this.#isDone(question, result, endMs)) return result.map(failedIfElsewhere);
      if (!(await this.#waitForAny(question, result, endMs, signal))) return result.map(failedIfElsewhere);
      const again = await here.locate(question.partitions);
      result = result.map((found, index) =>
        isKnown(found) && again[index]!.type === 'elsewhere' ? found : again[index]!,
      );
      if (this.#isDone(question, result, endMs)) return result.map(failedIfElsewhere);
    }
  }

  /** One partition, without waiting for records. */
  async locateOne(wanted: WantedPartition, journal: Journal, isolation: Isolation): Promise<FoundOrError> {
    const question: LocateQuestion = { partitions: [wanted], minBytes: 0, isolation };
    const never = new AbortController().signal;
    const endMs = this.#options.clock.monotonic();
    const [found] = await this.locate(question, [{ type: 'elsewhere', journal }], endMs, never);
    return found!;
  }

  /** Records may have come here while others were asked. */
  async #lookHere({ partitions }: LocateQuestion, result: Located[]): Promise<Located[]> {
    if (!result.some(isHere)) return result;
    const again = await this.#options.here.locate(partitions);
    return result.map((found, index) => (isHere(found) ? again[index]! : found));
  }

  #isDone(question: LocateQuestion, result: readonly Located[], endMs: number): boolean {
    if (this.#options.clock.monotonic() >= endMs) return true;
    if (result.some(({ type }) => type === 'error')) return true;
    const bytes = available(question, result);
    if (bytes >= question.minBytes) return true;
    // Its leader has enough, and does not tell of all at once: it would be asked again without a pause.
    if (result.some((found, index) => isCutShort(found, question.partitions[index]!, question.isolation))) return true;
    return bytes > 0 && result.some(({ type }) => type === 'elsewhere');
  }

  #group(result: readonly Located[], choose: (found: Located) => boolean): Groups {
    const { leaders, brokerId } = this.#options;
    const groups: Groups = new Map();
    for (const [index, found] of result.entries()) {
      if (!choose(found) || found.type === 'error') continue;
      const leader = leaders.of(found.journal.id)?.brokerId ?? brokerId;
      // This broker is believed to lead and does not: whoever does will be heard of.
      if (leader === brokerId) continue;
      const known = groups.get(leader);
      if (known === undefined) groups.set(leader, [index]);
      else known.push(index);
    }
    return groups;
  }

  async #askEach(
    question: LocateQuestion,
    result: Located[],
    groups: Groups,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const asking = [...groups].map(([brokerId, indexes]) =>
      this.#ask(question, result, brokerId, indexes, question.minBytes, waitMs, signal),
    );
    await Promise.all(asking);
  }

  /** Puts what the leader tells into `result`; one that is away leaves its partitions elsewhere. */
  async #ask(
    { partitions, isolation }: LocateQuestion,
    result: Located[],
    brokerId: number,
    indexes: readonly number[],
    minBytes: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const asked = indexes.map((index) => ({ ...partitions[index]!, journal: journalOf(result[index]!).id }));
    const { timers, peers, clock, here } = this.#options;
    const askedAt = clock.monotonic();
    const isCrowded = waitMs > 0 && this.#polls >= POLLS_MAX;
    if (isCrowded) await sleep(timers, Math.min(waitMs, CROWDED_MS), signal);
    const request = { minBytes, maxWaitMs: isCrowded ? 0 : waitMs, isolation, partitions: asked };
    this.#polls++;
    try {
      const told = await peers.call(brokerId, LOCATE, request, { timeoutMs: waitMs + LEADER_CALL_TIMEOUT_MS, signal });
      for (const [at, index] of indexes.entries()) {
        const journal = journalOf(result[index]!);
        // Who was succeeded does not know it yet: others may have seen more already.
        const isOld = epochTold(told[at]!) < this.#options.leaders.newestEpoch(journal.id);
        result[index] = isOld ? { type: 'elsewhere', journal } : locatedBy(told[at]!, journal, partitions[index]!);
      }
      const found = indexes.map((index) => result[index]!);
      const isEarly = !isCrowded && clock.monotonic() < askedAt + waitMs;
      const isCut = found.some((each, at) => isCutShort(each, asked[at]!, isolation));
      // It has no room for who waits either: asked again at once, it would do nothing else.
      if (isEarly && !isCut && here.mustWait({ partitions: asked, isolation, minBytes }, found)) {
        await sleep(timers, Math.min(waitMs, CROWDED_MS), signal);
      }
    } catch (cause) {
      signal.throwIfAborted();
      const error = toKafkaError(cause);
      if (error === null) throw cause;
      for (const index of indexes) {
        const journal = journalOf(result[index]!);
        if (isElsewhere(cause)) result[index] = { type: 'elsewhere', journal };
        else result[index] = { type: 'error', error: error.error, message: error.message };
      }
    } finally {
      this.#polls--;
    }
  }

  /**
   * Until one of the leaders, this broker among them, has enough, leaders change, or the time is over. False when this broker
   * has no room to wait.
   */
  async #waitForAny(question: LocateQuestion, result: Located[], endMs: number, signal: AbortSignal): Promise<boolean> {
    const { here, waits: leaderWaits, clock } = this.#options;
    const { partitions, isolation, minBytes } = question;
    const leftMs = Math.max(0, endMs - clock.monotonic());
    const ended = new AbortController();
    const { signal: either, unlink } = linkSignals(signal, ended.signal);
    const total = available(question, result);
    const waits: Promise<unknown>[] = [];
    const polled = new Set<Located>();
    for (const [brokerId, indexes] of this.#group(result, isTold)) {
      let own = 0;
      for (const index of indexes) {
        own += availableIn(partitions[index]!, result[index]!, isolation);
        polled.add(result[index]!);
      }
      const enough = Math.max(1, minBytes - (total - own));
      waits.push(this.#ask(question, result, brokerId, indexes, enough, leftMs, either));
    }
    let hasRoom = true;
    if (result.some(isHere)) {
      const waiting = here.wait(question, result, leftMs, either);
      waits.push(waiting.then((hasWaited) => (hasRoom = hasWaited)));
    }
    // Also of what was told by a leader that is none any more: there may be nothing else to wait for.
    const away = result.flatMap((found) => (polled.has(found) || isHere(found) ? [] : [journalOf(found).id]));
    if (away.length > 0) waits.push(leaderWaits.leaderChange(away, Math.min(AGAIN_MS, leftMs), either));
    const first = Promise.race(waits);
    try {
      await first;
    } finally {
      ended.abort();
      await Promise.allSettled(waits);
      unlink();
    }
    signal.throwIfAborted();
    return hasRoom;
  }
}

const isHere = (found: Located): boolean => found.type === 'found' && found.told === null;
const isTold = (found: Located): boolean => found.type === 'found' && found.told !== null;

/** There is more than was told, and less was told than the fetch may take. */
function isCutShort(found: Located, wanted: WantedPartition, isolation: Isolation): boolean {
  if (found.type !== 'found' || found.told === null) return false;
  const end = readableEnd(found.state, isolation);
  return found.told.toldEnd < end && availableIn(wanted, found, isolation) < Math.max(1, wanted.maxBytes);
}

/** Something that its leader said. */
const isKnown = (found: Located): boolean => found.type === 'error' || isTold(found);

function journalOf(found: Located): Journal {
  if (found.type === 'error') throw new TypeError('an error has no journal');
  return found.journal;
}

const failedIfElsewhere = (found: Located): FoundOrError =>
  found.type === 'elsewhere' ? notLed(found.journal.id) : found;

/** Infinity where it makes no difference. */
function epochTold(told: ToldPartition): number {
  if (told.type === 'found') return told.leaderEpoch;
  return told.watermarks?.leaderEpoch ?? Number.POSITIVE_INFINITY;
}

function locatedBy(told: ToldPartition, journal: Journal, wanted: WantedPartition): Located {
  if (told.type === 'error') {
    const { error, message, watermarks } = told;
    if (error === 'NOT_LEADER_OR_FOLLOWER') return { type: 'elsewhere', journal };
    return { type: 'error', error, message, ...(watermarks && { led: ledBy(journal, wanted, watermarks) }) };
  }
  const { extents, aborted, toldEnd } = told;
  const { state } = ledBy(journal, wanted, told);
  const references = new Map(told.references.map((reference) => [reference.id, reference]));
  return {
    type: 'found',
    journal,
    state: { ...state, extents: SharedExtentList.of(extents), abortedTransactions: aborted },
    told: { epoch: told.leaderEpoch, toldEnd, references },
  };
}

/** A partition of which no more than its watermarks is known. */
function ledBy(journal: Journal, { topicId, partition }: WantedPartition, watermarks: Watermarks): Led {
  const { logStartOffset, highWatermark, lastStableOffset, leaderEpoch } = watermarks;
  const state: PartitionState = {
    ...{ topicId, partition, logStartOffset, lastStableOffset },
    nextOffset: highWatermark,
    unstable: [],
    abortedTransactions: [],
    extents: SharedExtentList.empty,
    bytes: 0,
    epochs: [],
  };
  return { journal, state, told: { epoch: leaderEpoch, toldEnd: Number.POSITIVE_INFINITY, references: new Map() } };
}
