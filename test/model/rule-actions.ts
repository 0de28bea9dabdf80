/** Small worlds, one for each rule that needs little more than a journal and something that comes late. */
import { StartupError } from '../../src/errors.ts';
import { StateDraft } from '../../src/journal/draft.ts';
import type { Command, Entry } from '../../src/journal/entry.ts';
import { decodeEntry, encodeEntry } from '../../src/journal/entry-codec.ts';
import { foldEntry, NO_FOOTERS } from '../../src/journal/fold.ts';
import type { AppendAnswer, BatchAnswer } from '../../src/journal/journal.ts';
import { captureState, encodeSnapshot } from '../../src/journal/snapshot-encoder.ts';
import { copyState, JournalState } from '../../src/journal/state.ts';
import { crc32c } from '../../src/record/crc32c.ts';
import type { Steps } from './explorer.ts';
import { batchesIn, batchOf, JournalChain, TOPIC } from './journal-chain.ts';
import { Violation } from './violation.ts';

const PRODUCER = 7;
const OTHER_TOPIC = 'BBBBBBBBQACAAAAAAAAAAA';

export interface ProducerWorld {
  readonly link: number;
  /** How often each batch may still be sent. */
  readonly sends: readonly number[];
  /** Offset that the producer was told; -1 before. */
  readonly told: readonly number[];
  /** Batches on their way, each by an ingest of its own: lanes know nothing of each other. */
  readonly network: readonly number[];
  readonly lane: number;
}

/** Rule 7: a producer sends again what it heard nothing of, through whichever broker; off, its batches have no sequences. */
export class ProducerActions implements Steps<ProducerWorld> {
  readonly #chain = new JournalChain();
  readonly #sequences: boolean;

  constructor(sequences: boolean) {
    this.#sequences = sequences;
  }

  initial(batches: number, sends: number): ProducerWorld {
    const every = <T>(value: T) => Array.from({ length: batches }, () => value);
    return { link: this.#chain.root.id, sends: every(sends), told: every(-1), network: [], lane: 0 };
  }

  successors(world: ProducerWorld, visit: (action: string, next: () => ProducerWorld) => void): void {
    for (const [batch, left] of world.sends.entries()) {
      if (left === 0 || world.told[batch] !== -1) continue;
      visit(`the producer sends batch ${batch}`, () => ({
        ...world,
        sends: world.sends.with(batch, left - 1),
        network: [...world.network, batch].sort(),
      }));
    }
    for (const batch of new Set(world.network)) {
      visit(`batch ${batch} arrives`, () => this.#arrive(world, batch, true));
      visit(`batch ${batch} arrives, its answer is lost`, () => this.#arrive(world, batch, false));
    }
  }

  #arrive(world: ProducerWorld, batch: number, isHeard: boolean): ProducerWorld {
    const producer = { producerId: PRODUCER, producerEpoch: 0, baseSequence: batch };
    const request = {
      lane: { brokerId: 1, brokerEpoch: 1, lane: world.lane },
      number: 0,
      source: { type: 'inline' as const, parts: [], bytes: 100 },
      partitions: [
        { topicId: TOPIC, partition: 0, journal: 0, batches: [batchOf(batch, this.#sequences ? producer : {})] },
      ],
    };
    const key = `${world.lane}/${batch}`;
    const outcome = this.#chain.propose(world.link, key, { type: 'append', request, body: Buffer.alloc(100) });
    const [answer] = (outcome.answer as AppendAnswer).answers[0]!;
    const at = world.network.indexOf(batch);
    const arrived = { ...world, link: outcome.link.id, network: world.network.toSpliced(at, 1), lane: world.lane + 1 };
    const next = isHeard
      ? { ...arrived, told: world.told.with(batch, offsetOf(answer!, world.told[batch]!)) }
      : arrived;
    this.#check(next);
    return next;
  }

  #check({ link, told }: ProducerWorld): void {
    const log = batchesIn(this.#chain.link(link));
    if (new Set(log).size < log.length) throw new Violation(`a batch is in the log twice: ${log}`);
    if (log.some((batch, at) => batch !== at)) throw new Violation(`batches are out of order: ${log}`);
    for (const [batch, offset] of told.entries()) {
      if (offset !== -1 && log[offset] !== batch)
        throw new Violation(`batch ${batch} is not at offset ${offset}: ${log}`);
    }
  }
}

const offsetOf = (answer: BatchAnswer, known: number): number =>
  answer.type === 'refused' ? known : answer.baseOffset;

export interface FoldRules {
  /** What depends on time is an entry with its result. Off: who folds looks at its own clock. */
  readonly results: boolean;
  /** Who meets an entry of a version that it does not know stops. Off: it goes on without it. */
  readonly versions: boolean;
}

export interface FoldWorld {
  /** What each process folded, and what it made of it. */
  readonly folded: readonly number[];
  readonly states: readonly number[];
  readonly clocks: readonly number[];
  readonly stopped: readonly boolean[];
}

/**
 * Rule 10: processes with clocks of their own, one of an older version, fold the same entries. Those that have folded equally
 * many and may lead have the same state.
 */
export class FoldActions implements Steps<FoldWorld> {
  readonly #rules: FoldRules;
  readonly #states: JournalState[] = [];
  readonly #byContents = new Map<string, number>();
  readonly #entries: readonly Buffer[];

  constructor(rules: FoldRules) {
    this.#rules = rules;
    const producer = { producerId: PRODUCER, producerEpoch: 0, baseSequence: 0 };
    const appended: Command = {
      type: 'appended',
      lane: { brokerId: 1, brokerEpoch: 1, lane: 0 },
      number: 0,
      source: { type: 'inline', position: 0, length: 100 },
      batches: {
        type: 'described',
        partitions: [{ topicId: TOPIC, partition: 0, journal: 0, batches: [batchOf(0, producer)] }],
      },
      exceptions: [],
      groups: [],
    };
    const commands: Command[] = [
      { type: 'partitionsCreated', topicId: TOPIC, partitions: [0] },
      appended,
      { type: 'expired', before: 1, keysBefore: 0 },
      { type: 'logStartAdvanced', topicId: TOPIC, partition: 0, logStartOffset: 1 },
    ];
    this.#entries = commands.map((command, at) => {
      const body = Buffer.alloc(command.type === 'appended' ? 100 : 0);
      const header = { seq: at + 1, id: (at + 1).toString(16).padStart(32, '0'), epoch: 0, timestamp: at };
      return encodeEntry(0, { ...header, commands: [command], body });
    });
  }

  initial(processes: number): FoldWorld {
    const every = <T>(value: T) => Array.from({ length: processes }, () => value);
    const empty = this.#intern(new JournalState(0));
    return { folded: every(0), states: every(empty), clocks: every(0), stopped: every(false) };
  }

  successors(world: FoldWorld, visit: (action: string, next: () => FoldWorld) => void): void {
    for (const [at, folded] of world.folded.entries()) {
      const clock = world.clocks[at]!;
      if (clock < 2)
        visit(`the clock of process ${at} moves`, () => ({ ...world, clocks: world.clocks.with(at, clock + 1) }));
      if (folded < this.#entries.length && !world.stopped[at]) {
        visit(`process ${at} folds entry ${folded + 1}`, () => this.#check(this.#fold(world, at, folded)));
      }
    }
  }

  #fold(world: FoldWorld, at: number, folded: number): FoldWorld {
    // To the last process the last entry is of a later version.
    const isUnknown = at === world.folded.length - 1 && folded === this.#entries.length - 1;
    const bytes = this.#entries[folded]!;
    const state = copyState(this.#states[world.states[at]!]!);
    let entry: Entry;
    try {
      entry = decodeEntry(0, folded + 1, isUnknown ? ofLaterVersion(bytes) : bytes);
    } catch (cause) {
      if (!(cause instanceof StartupError)) throw cause;
      if (this.#rules.versions) return { ...world, stopped: world.stopped.with(at, true) };
      entry = { ...decodeEntry(0, folded + 1, bytes), commands: [] };
    }
    const isExpiry = entry.commands[0]?.type === 'expired';
    if (!this.#rules.results && isExpiry) entry = { ...entry, commands: [] };
    foldEntry(new StateDraft(state), entry, NO_FOOTERS);
    if (!this.#rules.results && isExpiry && world.clocks[at]! > 1) state.producersByKey.clear();
    const states = world.states.with(at, this.#intern(state));
    return { ...world, states, folded: world.folded.with(at, folded + 1) };
  }

  #check(world: FoldWorld): FoldWorld {
    for (const [at, folded] of world.folded.entries()) {
      for (let other = 0; other < at; other++) {
        if (world.stopped[at] || world.stopped[other] || world.folded[other] !== folded) continue;
        if (world.states[other] === world.states[at]) continue;
        throw new Violation(`processes ${other} and ${at} have folded ${folded} entries to different states`);
      }
    }
    return world;
  }

  #intern(state: JournalState): number {
    const contents = Buffer.concat([...encodeSnapshot(captureState(state))]).toString('latin1');
    const known = this.#byContents.get(contents);
    if (known !== undefined) return known;
    this.#byContents.set(contents, this.#states.push(state) - 1);
    return this.#states.length - 1;
  }
}

/** What a later version of the broker would write. */
function ofLaterVersion(entry: Buffer): Buffer {
  const later = Buffer.from(entry);
  later[4] = 99;
  later.writeUInt32LE(crc32c(later.subarray(4)), 0);
  return later;
}

export interface TopicWorld {
  readonly link: number;
  /** Id of the topic of the name; empty while there is none. */
  readonly topicId: string;
  /** Batches on their way, with the id that their topic had when they were sent. */
  readonly network: readonly { readonly batch: number; readonly topicId: string }[];
  readonly sent: readonly string[];
}

/** Rule 11: a topic is deleted and made anew under its name while records are on their way; off, only names count. */
export class TopicActions implements Steps<TopicWorld> {
  readonly #chain = new JournalChain();
  readonly #ids: boolean;

  constructor(ids: boolean) {
    this.#ids = ids;
  }

  initial(): TopicWorld {
    return { link: this.#chain.root.id, topicId: TOPIC, network: [], sent: [] };
  }

  successors(world: TopicWorld, visit: (action: string, next: () => TopicWorld) => void): void {
    const { topicId, sent, network } = world;
    if (topicId !== '' && sent.length < 3) {
      visit(`batch ${sent.length} is sent`, () => ({
        ...world,
        sent: [...sent, topicId],
        network: [...network, { batch: sent.length, topicId }],
      }));
    }
    if (topicId === TOPIC) visit('the topic is deleted', () => this.#change(world, 'deletePartitions', TOPIC, ''));
    if (topicId === '') {
      visit('a topic of its name is created', () => this.#change(world, 'createPartitions', OTHER_TOPIC, OTHER_TOPIC));
    }
    for (const message of network) {
      visit(`batch ${message.batch} arrives`, () => this.#arrive(world, message));
    }
  }

  #change(
    world: TopicWorld,
    type: 'deletePartitions' | 'createPartitions',
    changed: string,
    topicId: string,
  ): TopicWorld {
    const change = { type, topicId: changed, partitions: [0] };
    return { ...world, topicId, link: this.#chain.propose(world.link, type, { type: 'change', change }).link.id };
  }

  #arrive(world: TopicWorld, message: TopicWorld['network'][number]): TopicWorld {
    const topicId = this.#ids || world.topicId === '' ? message.topicId : world.topicId;
    const request = {
      lane: { brokerId: 1, brokerEpoch: 1, lane: message.batch },
      number: 0,
      source: { type: 'inline' as const, parts: [], bytes: 100 },
      partitions: [{ topicId, partition: 0, journal: 0, batches: [batchOf(message.batch)] }],
    };
    const wish = { type: 'append' as const, request, body: Buffer.alloc(100) };
    const { link } = this.#chain.propose(world.link, `${message.batch}/${topicId}`, wish);
    for (const { topicId: id, extents } of link.state.partitions()) {
      for (const { maxTimestamp } of extents) {
        if (world.sent[maxTimestamp] === id) continue;
        throw new Violation(`batch ${maxTimestamp} of a deleted topic is in the one that has its name now`);
      }
    }
    return { ...world, link: link.id, network: world.network.filter((other) => other !== message) };
  }
}
