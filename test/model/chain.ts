/**
 * The real fold and the real decisions, remembered: a state follows from the entries that led to it, so each state is
 * computed once and named by a small number. Entries are encoded and decoded on the way, as a store would have them.
 */
import { StateDraft } from '../../src/journal/draft.ts';
import type { Entry } from '../../src/journal/entry.ts';
import { EntryBuilder } from '../../src/journal/entry-builder.ts';
import { decodeEntry, encodeEntry } from '../../src/journal/entry-codec.ts';
import { foldEntry, NO_FOOTERS } from '../../src/journal/fold.ts';
import type { AppendAnswer, AppendRequest, Lane } from '../../src/journal/journal.ts';
import { laneKey } from '../../src/journal/lanes.ts';
import { type Proposal, ProposalQueue } from '../../src/journal/proposals.ts';
import { copyState, JournalState } from '../../src/journal/state.ts';

export const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';
/** The one ingest and its one lane. It is no leader: its life goes on through all takeovers. */
const LANE: Lane = { brokerId: 99, brokerEpoch: 1, lane: 0 };

/** What the ingest sends under one lane number. `inline` bytes live in the entry, others in a segment. */
export interface Payload {
  readonly number: number;
  readonly kind: 'segment' | 'inline' | 'skip';
}

/** A state and the entry that led to it. */
export interface Link {
  readonly id: number;
  readonly seq: number;
  /** Index of the entry; -1 at the root. */
  readonly entry: number;
  readonly parent: Link | null;
  readonly state: JournalState;
}

export interface StoredEntry {
  readonly index: number;
  readonly entry: Entry;
}

export interface Built {
  readonly stored: StoredEntry;
  readonly answers: readonly ProposalAnswer[];
}

/** What a proposal will be answered once the entry is durable. */
export interface ProposalAnswer {
  readonly number: number;
  /** -1 when it was rejected (a gap): the ingest goes back. -2 for a skip. */
  readonly offset: number;
  /** Of the entry that carries it. */
  readonly seq: number;
}

export class Chain {
  readonly root: Link;
  readonly entries: StoredEntry[] = [];
  readonly #links: Link[] = [];
  readonly #children = new Map<string, Link | string>();
  readonly #built = new Map<string, Built | ProposalAnswer[]>();
  readonly #entriesById = new Map<string, StoredEntry>();

  constructor() {
    this.root = { id: 0, seq: 0, entry: -1, parent: null, state: new JournalState(0) };
    this.#links.push(this.root);
  }

  link(id: number): Link {
    return this.#links[id]!;
  }

  /** The state behind one more entry; a text when the fold refuses it. */
  follow(parent: Link, index: number): Link | string {
    const key = `${parent.id}/${index}`;
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const { entry } = this.entries[index]!;
    const state = copyState(parent.state);
    let found: Link | string;
    try {
      foldEntry(new StateDraft(state), entry, NO_FOOTERS);
      found = { id: this.#links.length, seq: entry.seq, entry: index, parent, state };
      this.#links.push(found);
    } catch (cause) {
      found = (cause as Error).message;
    }
    this.#children.set(key, found);
    return found;
  }

  fence(author: string, seq: number, epoch: number, brokerId: number): StoredEntry {
    const id = idOf(`${author}/${epoch}/${seq}`);
    const commands = [{ type: 'epochStarted' as const, epoch, brokerId, brokerEpoch: 1 }];
    return this.#store({ seq, id, epoch, timestamp: 0, commands, body: Buffer.alloc(0) });
  }

  createPartition(seq: number, epoch: number): StoredEntry {
    const commands = [{ type: 'partitionsCreated' as const, topicId: TOPIC, partitions: [0] }];
    return this.#store({ seq, id: idOf('created'), epoch, timestamp: 0, commands, body: Buffer.alloc(0) });
  }

  /**
   * What the leader makes of waiting payloads: an entry, or answers alone when nothing has to be written. `laneless`
   * numbers each payload as the next one, as a leader that knows no lanes would take it.
   */
  build(author: string, link: Link, payloads: readonly Payload[], laneless: boolean): Built | ProposalAnswer[] {
    const numbers = payloads.map(({ number }) => number).join();
    const key = `${author}/${link.id}/${numbers}`;
    const known = this.#built.get(key);
    if (known) return known;
    const state = copyState(link.state);
    const answers: ProposalAnswer[] = [];
    const queue = new ProposalQueue();
    let next = (state.lanes.get(laneKey(LANE.brokerId, LANE.lane))?.last ?? -1) + 1;
    for (const payload of payloads) queue.push(proposalOf(payload, laneless ? next++ : payload.number, answers));
    const builder = new EntryBuilder(0, new StateDraft(state), { isNamed: () => false });
    const { epoch } = state;
    const seq = link.seq + 1;
    const header = { seq, id: idOf(`${author}/${epoch}/${seq}/${link.id}/${numbers}`), epoch, timestamp: 0 };
    const built = builder.build(header, queue);
    built.settle();
    const bytes = built.bytes;
    const result = bytes ? { stored: this.#store(decodeEntry(0, seq, bytes)), answers } : answers;
    this.#built.set(key, result);
    return result;
  }

  /** Payload numbers in the order of their offsets, and the offsets. */
  records({ state }: Link): readonly { readonly number: number; readonly offset: number }[] {
    const extents = state.partition(TOPIC, 0)?.extents ?? [];
    return [...extents].map(({ maxTimestamp, baseOffset }) => ({ number: maxTimestamp, offset: baseOffset }));
  }

  #store(entry: Entry): StoredEntry {
    const known = this.#entriesById.get(entry.id);
    if (known) return known;
    const stored = { index: this.entries.length, entry: decodeEntry(0, entry.seq, encodeEntry(0, entry)) };
    this.entries.push(stored);
    this.#entriesById.set(entry.id, stored);
    return stored;
  }
}

function proposalOf({ number, kind }: Payload, sentAs: number, answers: ProposalAnswer[]): Proposal {
  const reject = () => answers.push({ number, offset: -1, seq: 0 });
  if (kind === 'skip') {
    const resolve = () => answers.push({ number, offset: -2, seq: 0 });
    return { type: 'skip', lane: LANE, number: sentAs, bytesMax: 32, resolve, reject };
  }
  const resolve = ({ answers: given, seq }: AppendAnswer) => {
    const [answer] = given[0]!;
    answers.push({ number, offset: answer?.type === 'appended' ? answer.baseOffset : -1, seq });
  };
  const body = kind === 'inline' ? Buffer.alloc(100) : Buffer.alloc(0);
  return { type: 'append', request: requestOf(number, kind, sentAs), body, bytesMax: 300, resolve, reject };
}

/** The payload's number is its timestamp, by which it is found again in the extents. */
function requestOf(number: number, kind: 'segment' | 'inline', sentAs: number): AppendRequest {
  const described = {
    position: 0,
    length: 100,
    offsetCount: 1,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    attributes: 0,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: -1,
    leaderEpoch: -1,
  };
  const segment = { id: `s${number}`, bytes: 200, footerPosition: 100, footerLength: 50, footerCrc: 0 };
  return {
    lane: LANE,
    number: sentAs,
    source: kind === 'segment' ? { type: 'segment', segment } : { type: 'inline', parts: [], bytes: 100 },
    partitions: [{ topicId: TOPIC, partition: 0, journal: 0, batches: [described] }],
  };
}

const ids = new Map<string, string>();

/** Short readable names as 32 digits of hex. */
function idOf(name: string): string {
  let id = ids.get(name);
  if (!id) {
    id = (ids.size + 1).toString(16).padStart(32, '0');
    ids.set(name, id);
  }
  return id;
}
