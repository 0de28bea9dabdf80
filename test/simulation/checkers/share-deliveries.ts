/**
 * Queues of share groups (KIP-932). Within one coordinator's life nobody is given a record that somebody else holds; a record
 * is done with once, acknowledged or archived, and stays so; a delivery never counts more than the limit; what was done
 * with before somebody asked is not given to him; and only who was given a record acknowledges it.
 *
 * Any broker takes requests and sends them on; what is with whom is followed where the coordinator itself was asked.
 *
 * A coordinator that hands its journal over has let go of what members hold before the next one leads: what would be a
 * violation is none when another leader follows at once.
 *
 * A process that was succeeded may not know, and may give out what its successor knows to be done with: at least once is
 * what a queue promises. When a record was acquired is not seen: after the request arrived, before its answer left.
 */
import type { RecordChange } from '../../../src/journal/journal.ts';
import { groupIdOf } from '../group-fold.ts';
import { type Checker, type HistoryEvent, nameOf, Violation } from '../history.ts';

type RunState = 'available' | 'acknowledged' | 'archived';

interface Run {
  readonly first: number;
  readonly last: number;
  readonly state: RunState;
}

/** A share partition as its journal has it. */
interface Queue {
  readonly journal: number;
  readonly stateEpoch: number;
  readonly startOffset: number;
  readonly runs: readonly Run[];
}

/** What a queue was like until `until`. */
interface Past {
  readonly queue: Queue;
  readonly until: number;
}

interface Holding {
  readonly memberId: string;
  /** When its answer left: it was acquired before. */
  readonly from: number;
  /** Not before then its lock ends by itself. */
  readonly until: number;
  over: boolean;
}

export interface ShareDeliveriesOptions {
  readonly now: () => number;
  readonly deliveryCountLimit: number;
  readonly lockMs: number;
}

type Fetched = Extract<HistoryEvent, { type: 'shareFetched' }>;
type Acknowledging = Extract<HistoryEvent, { type: 'shareAcknowledgeAsked' }>;
type Acknowledged = Extract<HistoryEvent, { type: 'shareAcknowledged' }>;

const STATES: Readonly<Record<number, RunState>> = { 0: 'available', 2: 'acknowledged', 4: 'archived' };
const DONE: ReadonlySet<string> = new Set(['acknowledged', 'archived']);
const NUMBERS_PER_RUN = 3;
/** From the moment in which a leader takes nothing in any more to the fence of the next one, in a storm. */
const HAND_OVER_MS_MAX = 10_000;
/** Longer ago than any request that is still under way. */
const PAST_MS = 60_000;

export class ShareDeliveries implements Checker {
  readonly name = 'share deliveries';
  readonly #options: ShareDeliveriesOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #past = new Map<string, Past[]>();
  /** Who wrote the newest fence of a journal, and when. */
  readonly #leaders = new Map<number, { readonly process: string; readonly since: number }>();
  /** By coordinator, then queue, then offset. */
  readonly #holdings = new Map<string, Map<string, Map<number, Holding>>>();
  /** Requests for records that have not been answered: by member, then process. */
  readonly #asking = new Map<string, Map<string, number>>();
  /** What members were given by whoever: queue, member and offset. */
  readonly #givenSomewhere = new Set<string>();
  readonly #logStarts = new Map<string, number>();
  /** Those under way, by name: from where they count, and the first record that was not with the member. */
  readonly #acknowledgements = new Map<number, { readonly from: number; readonly unlawful: number | null }>();
  /** Violations, unless another leader follows. */
  #suspicions: { readonly journal: number; readonly at: number; readonly message: string }[] = [];
  /** Offsets whose acknowledgement was answered: how, by queue. */
  readonly #done = new Map<string, Map<number, string>>();

  constructor(options: ShareDeliveriesOptions) {
    this.#options = options;
  }

  /** Whether nobody needs to be given this record any more. */
  isDone(groupId: string, place: string, offset: number): boolean {
    const queue = this.#queues.get(keyOf(groupId, place));
    return queue !== undefined && stateOf(queue, offset) !== 'available';
  }

  observe(event: HistoryEvent): void {
    this.#confirmSuspicions(event.type === 'quiet' ? 0 : HAND_OVER_MS_MAX);
    switch (event.type) {
      case 'entryPut':
        for (const command of event.entry.commands) {
          if (command.type === 'epochStarted') {
            this.#leaders.set(event.journal, { process: event.process, since: this.#options.now() });
            this.#suspicions = this.#suspicions.filter(({ journal }) => journal !== event.journal);
          } else if (command.type === 'recordsChanged') this.#changed(event.journal, command.owner, command.changes);
        }
        return;
      case 'logStartAdvanced':
        this.#logStarts.set(nameOf(event), event.logStartOffset);
        return;
      case 'shareFetchAsked':
        this.#ask(event, 1);
        return;
      case 'shareFetched':
        this.#ask(event, -1);
        this.#fetched(event);
        return;
      case 'shareAcknowledgeAsked':
        this.#acknowledging(event);
        return;
      case 'shareAcknowledged':
        this.#acknowledged(event);
        return;
      case 'shareSessionEnded':
        this.#letGo(event.memberId, (name) => name.startsWith(`${event.groupId} `));
        return;
      case 'processEnded':
        for (const key of this.#holdings.keys()) if (key.startsWith(`${event.process} `)) this.#holdings.delete(key);
        for (const processes of this.#asking.values()) processes.delete(event.process);
        return;
      default:
    }
  }

  #changed(journal: number, owner: string, changes: readonly RecordChange[]): void {
    const groupId = groupIdOf(owner);
    if (groupId === null) return;
    for (const { key, value } of changes) {
      if (!key.startsWith('s/')) continue;
      const [, topicId, partition] = key.split('/');
      const name = keyOf(groupId, nameOf({ topicId: topicId!, partition: Number(partition) }));
      const before = this.#queues.get(name);
      if (value === null) this.#queues.delete(name);
      else this.#rewritten(name, before, this.#read(journal, name, value));
      if (before !== undefined) this.#bury(name, before);
    }
  }

  #rewritten(name: string, before: Queue | undefined, after: Queue): void {
    this.#queues.set(name, after);
    if (before === undefined) return;
    if (before.stateEpoch !== after.stateEpoch) {
      this.#done.delete(name);
      return;
    }
    if (after.startOffset < before.startOffset) {
      this.#fail(`the start of ${name} goes from ${before.startOffset} back to ${after.startOffset}`);
    }
    for (const { first, last, state } of before.runs) {
      if (state === 'available') continue;
      for (let offset = Math.max(first, after.startOffset); offset <= last; ) {
        const run = runAt(after, offset);
        const now = run?.state ?? 'available';
        if (now !== state) this.#fail(`record ${offset} of ${name} was ${state}, and is ${now}`);
        offset = run!.last + 1;
      }
    }
  }

  #read(journal: number, name: string, value: string): Queue {
    const { stateEpoch, startOffset, runs: numbers } = JSON.parse(value);
    const runs: Run[] = [];
    let first = startOffset;
    for (let at = 0; at < numbers.length; at += NUMBERS_PER_RUN) {
      const [length, state, deliveryCount] = numbers.slice(at, at + NUMBERS_PER_RUN);
      if (deliveryCount > this.#options.deliveryCountLimit) {
        this.#fail(`record ${first} of ${name} was delivered ${deliveryCount} times`);
      }
      runs.push({ first, last: first + length - 1, state: STATES[state]! });
      first += length;
    }
    return { journal, stateEpoch, startOffset, runs };
  }

  #bury(name: string, queue: Queue): void {
    const now = this.#options.now();
    const past = this.#past.get(name) ?? [];
    this.#past.set(name, past);
    past.push({ queue, until: now });
    while (past[0]!.until < now - PAST_MS) past.shift();
  }

  /** What the journal said then; undefined when nothing. */
  #queueAt(name: string, at: number): Queue | undefined {
    const past = this.#past.get(name)?.find(({ until }) => until > at);
    return past?.queue ?? this.#queues.get(name);
  }

  #fetched({ process, coordinator, groupId, memberId, askedAt, acquired }: Fetched): void {
    const now = this.#options.now();
    for (const { place, first, last, deliveryCount } of acquired) {
      const name = keyOf(groupId, place);
      const where = `${process} gives ${memberId} records ${first}-${last} of ${name}`;
      if (deliveryCount < 1 || deliveryCount > this.#options.deliveryCountLimit) {
        this.#fail(`${where} for the ${deliveryCount}th time`);
      }
      const standing = this.#standingFor(process, name, askedAt);
      const holdings = this.#holdingsOf(coordinator, name);
      for (let offset = first; offset <= last; offset++) {
        if (coordinator === '') {
          this.#givenSomewhere.add(givenKey(name, memberId, offset));
          continue;
        }
        if (standing !== null && stateOf(standing, offset) !== 'available') {
          this.#fail(`${where}: ${offset} was ${stateOf(standing, offset)} before it asked`);
        }
        const holding = holdings.get(offset);
        if (holding && !holding.over && holding.from <= askedAt && now < holding.until) {
          this.#suspect(name, `${where}: ${offset} is with ${holding.memberId}`);
        }
        holdings.set(offset, { memberId, from: now, until: askedAt + this.#options.lockMs, over: false });
      }
    }
  }

  /** What a process had to know of a queue at that moment; null when it may have been succeeded. */
  #standingFor(process: string, name: string, at: number): Queue | null {
    const queue = this.#queueAt(name, at);
    const current = this.#queues.get(name);
    if (queue === undefined || current?.stateEpoch !== queue.stateEpoch) return null;
    const leader = this.#leaders.get(queue.journal);
    return leader?.process === process && leader.since <= at ? queue : null;
  }

  /** Whoever acknowledges has been given the record, or was just then: its answer has not left. */
  #acknowledging({ coordinator, groupId, memberId, place, first, last, id }: Acknowledging): void {
    const name = keyOf(groupId, place);
    const holdings = this.#holdingsOf(coordinator, name);
    const asks = [...(this.#asking.get(askingKey(groupId, memberId))?.values() ?? [])].some((count) => count > 0);
    const from = this.#startInMemory(groupId, place, first);
    let unlawful: number | null = null;
    for (let offset = Math.max(first, from); offset <= last; offset++) {
      const isHeld = holdings.get(offset)?.memberId === memberId;
      const isLawful = isHeld || asks || this.#givenSomewhere.has(givenKey(name, memberId, offset));
      if (coordinator !== '' && !isLawful) unlawful ??= offset;
    }
    // Also of what was deleted since: it may be given out once more by who does not know yet.
    this.#letGo(memberId, (each, offset) => each === name && offset >= first && offset <= last);
    this.#acknowledgements.set(id, { from, unlawful });
  }

  #acknowledged({ process, groupId, memberId, place, first, last, kind, id }: Acknowledged): void {
    const name = keyOf(groupId, place);
    const where = `${process} tells ${memberId} that it did ${kind} ${first}-${last} of ${name}`;
    const { from, unlawful } = this.#acknowledgements.get(id)!;
    this.#acknowledgements.delete(id);
    const start = this.#startOf(groupId, place, from);
    if (unlawful !== null && unlawful >= start) this.#suspect(name, `${where}, and ${unlawful} was not with it`);
    if (kind === 'release') return;
    const queue = this.#queues.get(name);
    const done = this.#done.get(name) ?? new Map<number, string>();
    this.#done.set(name, done);
    // Records below the log start are gone: by Kafka's rule whatever is said of them counts, also by who had one before the
    // last change of coordinators and was late. The answer came before now, so its coordinator knew no later log start.
    const gone = this.#logStarts.get(place) ?? 0;
    for (let offset = from; offset <= last; offset++) {
      const before = done.get(offset);
      if (before !== undefined && offset >= gone) this.#fail(`${where}: ${before} was done with ${offset} before`);
      done.set(offset, memberId);
      const wanted = kind === 'accept' ? 'acknowledged' : 'archived';
      if (queue === undefined || offset < start) continue;
      const state = stateOf(queue, offset);
      if (state !== wanted) this.#fail(`${where}: ${offset} is ${state}`);
    }
  }

  /** What is behind the start is done with: saying something of it changes nothing. */
  #startOf(groupId: string, place: string, offset: number): number {
    const start = this.#queues.get(keyOf(groupId, place))?.startOffset ?? 0;
    return Math.max(offset, start, this.#logStarts.get(place) ?? 0);
  }

  /** When the log start moves on, so does what is done with behind it; that is written later. */
  #startInMemory(groupId: string, place: string, offset: number): number {
    const queue = this.#queues.get(keyOf(groupId, place));
    let start = this.#startOf(groupId, place, 0);
    while (queue !== undefined && DONE.has(stateOf(queue, start))) start = runAt(queue, start)!.last + 1;
    return Math.max(offset, start);
  }

  /** What a member held may be with others now, wherever it got it. */
  #letGo(memberId: string, isMeant: (name: string, offset: number) => boolean): void {
    for (const ofCoordinator of this.#holdings.values()) {
      for (const [name, holdings] of ofCoordinator) {
        for (const [offset, holding] of holdings) {
          if (holding.memberId === memberId && isMeant(name, offset)) holding.over = true;
        }
      }
    }
  }

  #ask({ process, groupId, memberId }: { process: string; groupId: string; memberId: string }, by: number): void {
    const key = askingKey(groupId, memberId);
    const processes = this.#asking.get(key) ?? new Map<string, number>();
    this.#asking.set(key, processes);
    processes.set(process, (processes.get(process) ?? 0) + by);
  }

  #holdingsOf(coordinator: string, name: string): Map<number, Holding> {
    const ofCoordinator = this.#holdings.get(coordinator) ?? new Map<string, Map<number, Holding>>();
    if (coordinator !== '') this.#holdings.set(coordinator, ofCoordinator);
    const holdings = ofCoordinator.get(name) ?? new Map<number, Holding>();
    ofCoordinator.set(name, holdings);
    return holdings;
  }

  #suspect(name: string, message: string): void {
    const journal = this.#queues.get(name)?.journal ?? -1;
    this.#suspicions.push({ journal, at: this.#options.now(), message });
  }

  #confirmSuspicions(afterMs: number): void {
    const [oldest] = this.#suspicions;
    if (oldest !== undefined && this.#options.now() - oldest.at >= afterMs) this.#fail(oldest.message);
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const keyOf = (groupId: string, place: string): string => `${groupId} ${place}`;
const askingKey = (groupId: string, memberId: string): string => `${memberId} ${groupId}`;
const givenKey = (name: string, memberId: string, offset: number): string => `${name} ${memberId} ${offset}`;

/** Everything before the start is done with, nothing behind the last run was ever given out. */
function stateOf(queue: Queue, offset: number): RunState | 'behind the start' {
  if (offset < queue.startOffset) return 'behind the start';
  return runAt(queue, offset)?.state ?? 'available';
}

function runAt({ runs }: Queue, offset: number): Run | undefined {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.last < offset) low = middle + 1;
    else high = middle;
  }
  const found = runs[low];
  return found !== undefined && found.first <= offset ? found : undefined;
}
