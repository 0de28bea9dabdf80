/**
 * Appends that travel: the real sender of a lane (`src/log/lane.ts`) in one process, the real decisions of a leader in
 * another, and a network between them that loses questions and answers, delivers them late, twice and out of order. The
 * sender goes back, gives up, hears of other leaders, or starts again as another life of its broker.
 *
 *   lane ──append, skip──► under way ──► leader ──answer──► lane
 *                             │  └ twice, late      └ lost: the lane is told that nothing is known
 *
 * What changes leaders means for the journal itself is explored in `actions.ts`: to a lane it is a question that is lost.
 */
import { KafkaError } from '../../src/errors.ts';
import type { AppendAnswer, Journal } from '../../src/journal/journal.ts';
import { laneKey } from '../../src/journal/lanes.ts';
import { AppendLane } from '../../src/log/lane.ts';
import { batchesIn, batchOf, type ChainLink, JournalChain, type Outcome, TOPIC } from './journal-chain.ts';
import { Violation } from './violation.ts';

export interface LaneRules {
  /** A number that was answered before is answered the same again. Off: it is appended once more. */
  readonly repeats: boolean;
  /** A number ahead of its turn is refused. Off: it is appended. */
  readonly gaps: boolean;
  /** A number that was skipped stays empty. Off: a skip is answered and forgotten. */
  readonly skips: boolean;
  /** A former life of a broker is over once a new one was heard of. Off: it is not. */
  readonly sessions: boolean;
}

export const ALL_LANE_RULES: LaneRules = { repeats: true, gaps: true, skips: true, sessions: true };

export interface LaneBounds {
  /** What each life of the broker sends: appends, or numbers whose uploads failed. */
  readonly lives: readonly (readonly ('append' | 'skip')[])[];
  /** Questions or answers that are lost or delayed, or arrive twice. */
  readonly faults: number;
  /** Times at which another leader is heard of. */
  readonly changes: number;
  readonly givesUp: boolean;
}

type Event =
  | { readonly type: 'deliver'; readonly call: number; readonly how: 'told' | 'untold' | 'late' | 'twice' }
  | { readonly type: 'fail'; readonly call: number; readonly arrives: boolean }
  | { readonly type: 'again' | 'giveUp' | 'resume' | 'wake' | 'restart' };

export interface LaneWorld {
  readonly events: readonly Event[];
}

interface Call {
  readonly life: number;
  readonly number: number;
  readonly attempt: number;
  /** Null: a skip. */
  readonly batch: number | null;
  /** Copies on their way. */
  copies: number;
  isOpen: boolean;
  readonly settle: { resolve(answer: AppendAnswer | null): void; reject(cause: unknown): void };
}

/** What was heard of a batch. */
interface Heard {
  ended: 'answered' | 'failed' | null;
  offset: number;
  settled: boolean;
  /** Never to be seen in the log. */
  excluded: boolean;
}

export class LaneActions {
  readonly #bounds: LaneBounds;
  readonly #rules: LaneRules;
  readonly #chain = new JournalChain();

  constructor(bounds: LaneBounds, rules: LaneRules = ALL_LANE_RULES) {
    this.#bounds = bounds;
    this.#rules = rules;
  }

  readonly initial: LaneWorld = { events: [] };

  key = ({ events }: LaneWorld): string => this.#replay(events).key();

  successors(world: LaneWorld, visit: (action: string, next: () => LaneWorld) => void): void {
    const { events } = world;
    const possible = this.#replay(events).possible();
    for (const { name, event } of possible) {
      visit(name, () => {
        const next = { events: [...events, event] };
        this.#replay(next.events); // Throws what breaks.
        return next;
      });
    }
    if (possible.length === 0) {
      visit('nothing is left to happen', () => {
        this.#replay(world.events).checkEnd();
        return world;
      });
    }
  }

  #last: { readonly events: readonly Event[]; readonly run: LaneRun } | null = null;

  #replay(events: readonly Event[]): LaneRun {
    if (this.#last?.events === events) return this.#last.run;
    const run = new LaneRun(this.#bounds, this.#rules, this.#chain);
    for (const event of events) run.perform(event);
    this.#last = { events, run };
    return run;
  }
}

class LaneRun {
  readonly #bounds: LaneBounds;
  readonly #rules: LaneRules;
  readonly #chain: JournalChain;
  readonly #calls: Call[] = [];
  readonly #heard: Heard[] = [];
  #link: ChainLink;
  #life = -1;
  #lane: AppendLane | null = null;
  #timer: (() => void) | null = null;
  #impatient = false;
  #leaderId = 1;
  #faults: number;
  #changes: number;
  /** Sent last by the present lane, and in which attempt. */
  #sent = -1;
  #attempt = 0;
  #loose = 0;

  constructor(bounds: LaneBounds, rules: LaneRules, chain: JournalChain) {
    this.#bounds = bounds;
    this.#rules = rules;
    this.#chain = chain;
    this.#link = chain.root;
    this.#faults = bounds.faults;
    this.#changes = bounds.changes;
    this.#restart();
  }

  possible(): { readonly name: string; readonly event: Event }[] {
    const found: { name: string; event: Event }[] = [];
    const add = (name: string, event: Event) => found.push({ name, event });
    for (const [call, asked] of this.#calls.entries()) {
      const { life, number, batch, copies, isOpen } = asked;
      const what = `${batch === null ? 'skip' : 'append'} ${number} of life ${life + 1} (call ${call})`;
      if (copies > 0) {
        add(`${what} arrives`, { type: 'deliver', call, how: isOpen ? 'told' : 'late' });
        if (isOpen && this.#faults > 0) {
          add(`${what} arrives, its answer is lost`, { type: 'deliver', call, how: 'untold' });
          add(`${what} arrives, and will arrive again`, { type: 'deliver', call, how: 'twice' });
        }
      }
      if (isOpen && this.#faults > 0) {
        add(`${what} is given up and arrives later`, { type: 'fail', call, arrives: true });
        add(`${what} is lost`, { type: 'fail', call, arrives: false });
      }
    }
    if (this.#timer !== null) {
      add('the lane goes back', { type: 'again' });
      if (this.#bounds.givesUp) add('the lane gives up', { type: 'giveUp' });
    }
    if (this.#lane!.suspended && !this.#lane!.resuming && !this.#hasOpenCalls())
      add('the lane resumes', { type: 'resume' });
    if (this.#changes > 0) add('another leader is heard of', { type: 'wake' });
    if (this.#life + 1 < this.#bounds.lives.length) add('the broker starts again', { type: 'restart' });
    return found;
  }

  perform(event: Event): void {
    switch (event.type) {
      case 'deliver':
        this.#deliver(event.call, event.how);
        break;
      case 'fail': {
        this.#faults--;
        const call = this.#calls[event.call]!;
        if (!event.arrives) call.copies = 0;
        this.#settle(call, unknown());
        break;
      }
      case 'again':
      case 'giveUp': {
        this.#impatient = event.type === 'giveUp';
        const timer = this.#timer!;
        this.#timer = null;
        timer();
        this.#impatient = false;
        break;
      }
      case 'resume':
        this.#lane!.resume();
        break;
      case 'wake':
        this.#changes--;
        this.#leaderId++;
        this.#lane!.wake();
        break;
      case 'restart':
        this.#restart();
        break;
    }
    this.#check();
  }

  /** Equal for worlds in which the same may happen, as far as can be seen from outside of the lane. */
  key(): string {
    const { suspended, resuming, settledThrough, cause } = this.#lane!;
    const calls = this.#calls
      .filter(({ isOpen, copies }) => isOpen || copies > 0)
      .map(({ life, number, attempt, batch, copies, isOpen }) =>
        [life, number, life === this.#life ? this.#attempt - attempt : 0, batch, copies, isOpen].join(),
      );
    return [
      this.#link.id,
      this.#life,
      this.#faults,
      this.#changes,
      this.#timer !== null,
      this.#sent,
      `${suspended},${resuming},${settledThrough},${cause === null}`,
      calls.sort().join(';'),
      this.#heard.map(({ ended, offset, settled, excluded }) => `${ended},${offset},${settled},${excluded}`).join(';'),
    ].join('|');
  }

  checkEnd(): void {
    if (this.#life + 1 < this.#bounds.lives.length) return;
    if (!this.#lane!.idle) throw new Violation('the lane waits for ever');
    for (const [batch, { ended, settled }] of this.#heard.entries()) {
      const isCurrent = this.#batches(this.#life).includes(batch);
      if (isCurrent && (ended === null || !settled))
        throw new Violation(`nobody is told what became of batch ${batch}`);
    }
  }

  #hasOpenCalls(): boolean {
    return this.#calls.some(({ isOpen, life }) => isOpen && life === this.#life);
  }

  #restart(): void {
    this.#life++;
    for (const call of this.#calls) call.isOpen = false; // Nobody listens any more.
    this.#timer = null;
    this.#sent = -1;
    this.#attempt = 0;
    const life = this.#life;
    const lane = new AppendLane({
      journal: this.#journal(life),
      lane: { brokerId: 1, brokerEpoch: life + 1, lane: 0 },
      runtime: {
        clock: { now: () => 0, monotonic: () => 0 },
        timers: {
          after: (_ms, callback) => {
            this.#timer = callback;
            return {
              cancel: () => {
                if (this.#timer === callback) this.#timer = null;
              },
            };
          },
          soon: (callback) => callback(),
        },
      },
      patienceMs: () => (this.#impatient ? 0 : Number.POSITIVE_INFINITY),
      leaderId: () => this.#leaderId,
      onProgress: () => {},
      onGivenUp: () => {},
    });
    this.#lane = lane;
    let batch = this.#heard.length;
    for (const kind of this.#bounds.lives[life]!) {
      const number = lane.reserve();
      if (kind === 'skip') lane.skip(number);
      else this.#append(lane, number, batch++);
    }
  }

  #append(lane: AppendLane, number: number, batch: number): void {
    const heard: Heard = { ended: null, offset: -1, settled: false, excluded: false };
    this.#heard[batch] = heard;
    const life = this.#life;
    lane.append(number, requestOf(batch), {
      maySend: () => true,
      end: (outcome) => {
        if (life !== this.#life) return;
        if (heard.ended !== null) throw new Violation(`batch ${batch} is answered twice`);
        heard.ended = outcome.type;
        if (outcome.type === 'answered') {
          const [answer] = outcome.answer.answers[0]!;
          heard.offset = answer!.type === 'appended' ? answer!.baseOffset : -1;
        } else if (!outcome.sent) {
          heard.excluded = true;
        }
      },
      settled: () => {
        if (life !== this.#life) return;
        heard.settled = true;
        heard.excluded = !batchesIn(this.#link).includes(batch);
      },
    });
  }

  /** What the lane takes for the journal. */
  #journal(life: number): Journal {
    const ask = (number: number, batch: number | null) => {
      if (life === this.#life) {
        if (number <= this.#sent) this.#attempt++;
        this.#sent = number;
      }
      const answer = new Answer<AppendAnswer | null>();
      this.#calls.push({ life, number, attempt: this.#attempt, batch, copies: 1, isOpen: true, settle: answer });
      return answer as unknown as Promise<never>;
    };
    return {
      role: 'following',
      append: ({ number, partitions }: { number: number; partitions: ReturnType<typeof requestOf>['partitions'] }) =>
        ask(number, partitions[0]!.batches[0]!.baseTimestamp),
      skip: (_lane: unknown, number: number) => ask(number, null),
    } as unknown as Journal;
  }

  #deliver(at: number, how: 'told' | 'untold' | 'late' | 'twice'): void {
    const call = this.#calls[at]!;
    if (how !== 'twice') call.copies--;
    if (how === 'untold' || how === 'twice') this.#faults--;
    const outcome = this.#decide(call);
    this.#link = outcome.link;
    if (how === 'late') return;
    if (how === 'untold') this.#settle(call, unknown());
    else if (outcome.error !== null) this.#settle(call, outcome.error);
    else this.#settle(call, null, outcome.answer as AppendAnswer | null);
  }

  #settle(call: Call, error: unknown, answer: AppendAnswer | null = null): void {
    call.isOpen = false;
    if (error === null) call.settle.resolve(answer);
    else call.settle.reject(error);
  }

  /** The real verdict, or what stands for it where a rule is off: a lane that nobody used before takes anything. */
  #decide({ life, number, batch }: Call): Outcome {
    const { repeats, gaps, skips, sessions } = this.#rules;
    const { state, id } = this.#link;
    const lane = { brokerId: 1, brokerEpoch: life + 1, lane: 0 };
    const known = state.lanes.get(laneKey(1, 0));
    const isSuperseded = (state.sessions.get(1) ?? 0) > lane.brokerEpoch;
    const last = known?.brokerEpoch === lane.brokerEpoch ? known.last : -1;
    if (batch === null) {
      if (!skips) return { link: this.#link, answer: null, error: null, named: [] };
      return this.#chain.propose(id, `skip ${life}/${number}`, { type: 'skip', lane, number });
    }
    const isOff =
      (!sessions && isSuperseded) || (!isSuperseded && ((!repeats && number <= last) || (!gaps && number > last + 1)));
    const sent = isOff || (!skips && !isSuperseded && number > last + 1);
    const used = sent ? { lane: { ...lane, brokerId: 2, lane: this.#loose++ }, number: 0 } : { lane, number };
    const request = { ...used, ...requestOf(batch) };
    const key = `append ${JSON.stringify(used)}/${batch}`;
    return this.#chain.propose(id, key, { type: 'append', request, body: Buffer.alloc(100) });
  }

  #check(): void {
    const log = batchesIn(this.#link);
    if (new Set(log).size < log.length) throw new Violation(`a batch is in the log twice: ${log}`);
    for (const [at, batch] of log.entries()) {
      if (at > 0 && batch < log[at - 1]!) throw new Violation(`batches are out of order: ${log}`);
    }
    for (const [batch, { ended, offset, excluded }] of this.#heard.entries()) {
      if (ended === 'answered' && log[offset] !== batch) {
        throw new Violation(`batch ${batch} was acknowledged at offset ${offset}, the log has ${log}`);
      }
      if (excluded && log.includes(batch)) throw new Violation(`batch ${batch} was settled as absent and is appended`);
    }
  }

  #batches(life: number): readonly number[] {
    let first = 0;
    for (const before of this.#bounds.lives.slice(0, life)) first += before.filter((kind) => kind === 'append').length;
    const count = this.#bounds.lives[life]!.filter((kind) => kind === 'append').length;
    return Array.from({ length: count }, (_, at) => first + at);
  }
}

const unknown = (): KafkaError => new KafkaError('NOT_LEADER_OR_FOLLOWER', 'no answer came', { noSideEffects: false });

const requestOf = (batch: number) => ({
  source: { type: 'inline' as const, parts: [], bytes: 100 },
  partitions: [{ topicId: TOPIC, partition: 0, journal: 0, batches: [batchOf(batch)] }],
});

/** A promise that calls back at once, so that a world is a function of its events. */
class Answer<T> {
  #onResolve: (value: T) => void = () => {};
  #onReject: (cause: unknown) => void = () => {};

  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise.
  then<U>(onResolve: (value: T) => U, onReject?: (cause: unknown) => U): Answer<U> {
    const next = new Answer<U>();
    this.#onResolve = (value) => next.resolve(onResolve(value));
    this.#onReject = (cause) => (onReject ? next.resolve(onReject(cause)) : next.reject(cause));
    return next;
  }

  resolve(value: T): void {
    this.#onResolve(value);
  }

  reject(cause: unknown): void {
    this.#onReject(cause);
  }
}
