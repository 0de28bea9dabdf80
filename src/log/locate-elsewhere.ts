/**
 * Locates partitions that other brokers lead. Of each leader everything is asked in one call. Where one leader has all
 * partitions of a fetch, that call is the long poll; else all are asked first, and when that is not enough each waits for
 * its own, as this broker does for what it leads: the first that has enough ends the others.
 *
 * A leader that is away holds up what it leads, not the others: its partitions are asked for again when another broker
 * takes over, and fail retriably when the fetch has waited for as long as it may. A leader that has no room for another long
 * poll answers at once, and is asked again after a pause that doubles.
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
import { LeaderPolls } from './leader-polls.ts';
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
import { FULL_PAUSE_MS_MAX, FULL_PAUSE_MS_MIN, type WaitEnd } from './purgatory.ts';

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

/** What one leader is asked for a fetch. */
interface Poll {
  readonly brokerId: number;
  readonly indexes: readonly number[];
  readonly minBytes: number;
  /** 0: it is not to wait. */
  readonly waitMs: number;
}

/** One fetch, as far as it came. */
interface Search {
  readonly question: LocateQuestion;
  readonly result: Located[];
  readonly endMs: number;
  /** The next pause of leaders without room, this broker among them, by broker. */
  readonly pauses: Map<number, number>;
}

export type FoundOrError = Exclude<Located, Elsewhere>;

export class LocateElsewhere {
  readonly #options: LocateElsewhereOptions;
  readonly #leaderPolls: LeaderPolls;
  #polls = 0;

  constructor(options: LocateElsewhereOptions) {
    this.#options = options;
    this.#leaderPolls = new LeaderPolls(options.leaders);
  }

  close(): void {
    this.#leaderPolls.close();
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
    const search: Search = { question, result: [...located], endMs, pauses: new Map() };
    const { result } = search;
    for (;;) {
      const asked = this.#group(result, (found) => found.type === 'elsewhere');
      const leftMs = Math.max(0, endMs - clock.monotonic());
      const isAlone = asked.size === 1 && asked.values().next().value!.length === result.length;
      await this.#askEach(search, asked, isAlone ? leftMs : 0, signal);
      await this.#lookHere(search);
      if (this.#isDone(search)) return result.map(failedIfElsewhere);
      const goesOn = this.#hasSuccessors(result, asked) || (await this.#waitForAny(search, signal));
      if (!goesOn) return result.map(failedIfElsewhere);
      for (const [index, again] of (await here.locate(question.partitions)).entries()) {
        if (!isKnown(result[index]!) || again.type !== 'elsewhere') result[index] = again;
      }
      if (this.#isDone(search)) return result.map(failedIfElsewhere);
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
  async #lookHere({ question, result }: Search): Promise<void> {
    if (!result.some(isHere)) return;
    const again = await this.#options.here.locate(question.partitions);
    for (const [index, found] of result.entries()) if (isHere(found)) result[index] = again[index]!;
  }

  #isDone({ question, result, endMs }: Search): boolean {
    if (this.#options.clock.monotonic() >= endMs) return true;
    if (result.some(({ type }) => type === 'error')) return true;
    const bytes = available(question, result);
    if (bytes >= question.minBytes) return true;
    // Its leader has enough, and does not tell of all at once: it would be asked again without a pause.
    if (result.some((found, index) => isCutShort(found, question.partitions[index]!, question.isolation))) return true;
    return bytes > 0 && result.some(({ type }) => type === 'elsewhere');
  }

  /** Something is not where it was asked for, and its leader is another one by now: there is nothing to wait for. */
  #hasSuccessors(result: readonly Located[], asked: Groups): boolean {
    const { leaders } = this.#options;
    for (const [brokerId, indexes] of asked) {
      for (const index of indexes) {
        const found = result[index]!;
        if (found.type === 'elsewhere' && leaders.of(found.journal.id)?.brokerId !== brokerId) return true;
      }
    }
    return false;
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

  async #askEach(search: Search, groups: Groups, waitMs: number, signal: AbortSignal): Promise<void> {
    const { minBytes } = search.question;
    const asking = [...groups].map(([brokerId, indexes]) =>
      this.#ask(search, { brokerId, indexes, minBytes, waitMs }, signal),
    );
    await Promise.all(asking);
  }

  /**
   * Puts what the leader tells into the result; one that is away leaves its partitions elsewhere, and one that was succeeded
   * before it told more leaves them as they were.
   */
  async #ask(search: Search, poll: Poll, signal: AbortSignal): Promise<void> {
    const { result } = search;
    const journals = new Map(poll.indexes.map((index) => [index, journalOf(result[index]!)]));
    const ids = new Set(Array.from(journals.values(), ({ id }) => id));
    try {
      const ask = (either: AbortSignal) => this.#askNow(search, poll, journals, either);
      await this.#leaderPolls.poll(poll.brokerId, ids, signal, ask);
    } catch (cause) {
      signal.throwIfAborted();
      const error = toKafkaError(cause);
      if (error === null) throw cause;
      if (isElsewhere(cause)) {
        for (const [index, journal] of journals) result[index] = { type: 'elsewhere', journal };
        return;
      }
      const failed: Located = { type: 'error', error: error.error, message: error.message };
      for (const index of journals.keys()) result[index] = failed;
    }
  }

  async #askNow(
    search: Search,
    poll: Poll,
    journals: ReadonlyMap<number, Journal>,
    signal: AbortSignal,
  ): Promise<void> {
    const { question, result } = search;
    const { brokerId, indexes, minBytes, waitMs } = poll;
    const { timers, peers, leaders } = this.#options;
    const isCrowded = waitMs > 0 && this.#polls >= POLLS_MAX;
    if (isCrowded) await sleep(timers, Math.min(waitMs, CROWDED_MS), signal);
    const partitions = indexes.map((index) => ({ ...question.partitions[index]!, journal: journals.get(index)!.id }));
    const maxWaitMs = isCrowded ? 0 : waitMs;
    const request = { minBytes, maxWaitMs, isolation: question.isolation, partitions };
    this.#polls++;
    try {
      const told = await peers.call(brokerId, LOCATE, request, { timeoutMs: waitMs + LEADER_CALL_TIMEOUT_MS, signal });
      for (const [at, index] of indexes.entries()) {
        const journal = journals.get(index)!;
        // Who was succeeded does not know it yet: others may have seen more already.
        const isOld = epochTold(told[at]!) < leaders.newestEpoch(journal.id);
        const wanted = question.partitions[index]!;
        result[index] = isOld ? { type: 'elsewhere', journal } : locatedBy(told[at]!, journal, wanted);
      }
    } finally {
      this.#polls--;
    }
    if (maxWaitMs > 0 && this.#hadNoRoom(search, poll)) await this.#pause(search, brokerId, signal);
  }

  /** The leader was to wait, and answered without enough before the time is over. */
  #hadNoRoom({ question, result, endMs }: Search, { indexes, minBytes }: Poll): boolean {
    if (this.#options.clock.monotonic() >= endMs) return false;
    let bytes = 0;
    for (const index of indexes) {
      const found = result[index]!;
      const wanted = question.partitions[index]!;
      if (found.type !== 'found' || isCutShort(found, wanted, question.isolation)) return false;
      bytes += availableIn(wanted, found, question.isolation);
    }
    return bytes < minBytes;
  }

  async #pause({ pauses, endMs }: Search, brokerId: number, signal: AbortSignal): Promise<void> {
    const { clock, timers } = this.#options;
    const pauseMs = pauses.get(brokerId) ?? FULL_PAUSE_MS_MIN;
    pauses.set(brokerId, Math.min(FULL_PAUSE_MS_MAX, pauseMs * 2));
    await sleep(timers, Math.min(pauseMs, endMs - clock.monotonic()), signal);
  }

  /**
   * Until one of the leaders, this broker among them, has enough, leaders change, or the time is over. False when nobody waits
   * at this broker any more.
   */
  async #waitForAny(search: Search, signal: AbortSignal): Promise<boolean> {
    const { waits: leaderWaits, clock } = this.#options;
    const { question, result, endMs } = search;
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
      waits.push(this.#ask(search, { brokerId, indexes, minBytes: enough, waitMs: leftMs }, either));
    }
    let isOpen = true;
    if (result.some(isHere)) {
      const waiting = this.#waitHere(search, leftMs, either);
      waits.push(waiting.then((end) => (isOpen = end !== 'closed')));
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
    return isOpen;
  }

  /** Without room it looks again after a pause: who fetches would ask again at once. */
  async #waitHere(search: Search, leftMs: number, signal: AbortSignal): Promise<WaitEnd> {
    const { here, brokerId } = this.#options;
    const end = await here.wait(search.question, search.result, leftMs, signal);
    if (end === 'full') await this.#pause(search, brokerId, signal);
    return end;
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
