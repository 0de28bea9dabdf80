/**
 * States of a journal that follow from what was proposed to it, each computed once and named by a small number: the real
 * decisions, the real bytes, the real fold. One proposal makes one entry.
 */
import { StateDraft } from '../../src/journal/draft.ts';
import { type Entry, segmentsNamedBy } from '../../src/journal/entry.ts';
import { EntryBuilder } from '../../src/journal/entry-builder.ts';
import { decodeEntry } from '../../src/journal/entry-codec.ts';
import { foldEntry, NO_FOOTERS } from '../../src/journal/fold.ts';
import { type Proposal, ProposalQueue } from '../../src/journal/proposals.ts';
import { captureState, encodeSnapshot } from '../../src/journal/snapshot-encoder.ts';
import { copyState, JournalState } from '../../src/journal/state.ts';

export const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';

export type Wish = Proposal extends infer P
  ? P extends Proposal
    ? Omit<P, 'bytesMax' | 'resolve' | 'reject'>
    : never
  : never;

export interface ChainLink {
  readonly id: number;
  readonly state: JournalState;
}

/** What a proposal came to: an answer or the error that rejected it. */
export interface Outcome {
  readonly link: ChainLink;
  readonly answer: unknown;
  readonly error: unknown;
  /** Segments that the entry names, when one was written. */
  readonly named: readonly string[];
}

export class JournalChain {
  readonly root: ChainLink;
  readonly #links: ChainLink[] = [];
  readonly #byContents = new Map<string, ChainLink>();
  readonly #outcomes = new Map<string, Outcome>();

  constructor(journal = 0) {
    const state = new JournalState(journal);
    write(
      state,
      { type: 'change', change: { type: 'createPartitions', topicId: TOPIC, partitions: [0] } },
      () => false,
    );
    this.root = this.#intern(state);
  }

  link(id: number): ChainLink {
    return this.#links[id]!;
  }

  /**
   * `key` names the wish; `isNamed` tells of segments that may not be condemned. `disarm` takes out of the state what a rule
   * that is switched off would look at.
   */
  propose(
    at: number,
    key: string,
    wish: Wish,
    isNamed: (segmentId: string) => boolean = () => false,
    disarm: (state: JournalState) => void = () => {},
  ): Outcome {
    const known = this.#outcomes.get(`${at}/${key}`);
    if (known) return known;
    const state = copyState(this.link(at).state);
    disarm(state);
    const { entry, answer, error } = write(state, wish, isNamed);
    const named = entry === null ? [] : entry.commands.flatMap((command) => segmentsNamedBy(command));
    const outcome = { link: entry === null ? this.link(at) : this.#intern(state), answer, error, named };
    this.#outcomes.set(`${at}/${key}`, outcome);
    return outcome;
  }

  #intern(state: JournalState): ChainLink {
    const contents = Buffer.concat([...encodeSnapshot(captureState(state))]).toString('latin1');
    const known = this.#byContents.get(contents);
    if (known) return known;
    const link = { id: this.#links.length, state };
    this.#links.push(link);
    this.#byContents.set(contents, link);
    return link;
  }
}

/** One entry of its own: decided, encoded, decoded and folded. */
function write(state: JournalState, wish: Wish, isNamed: (segmentId: string) => boolean) {
  let answer: unknown = null;
  let error: unknown = null;
  const settle = {
    resolve: (value: unknown) => {
      answer = value;
    },
    reject: (cause: unknown) => {
      error = cause;
    },
  };
  const queue = new ProposalQueue();
  queue.push({ bytesMax: 300, ...settle, ...wish } as Proposal);
  const builder = new EntryBuilder(state.journal, new StateDraft(copyState(state)), { isNamed });
  const seq = state.lastSeq + 1;
  const header = { seq, id: seq.toString(16).padStart(32, '0'), epoch: 0, timestamp: 0 };
  const built = builder.build(header, queue);
  let entry: Entry | null = null;
  if (built.bytes) {
    entry = decodeEntry(state.journal, seq, built.bytes);
    foldEntry(new StateDraft(state), entry, NO_FOOTERS);
  }
  built.settle();
  return { entry, answer, error };
}

/** A batch that is found again by its timestamp. */
export const batchOf = (number: number, more: object = {}) => ({
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
  ...more,
});

/** Numbers of the batches in the order of their offsets. */
export const batchesIn = ({ state }: ChainLink): readonly number[] =>
  [...(state.partition(TOPIC, 0)?.extents ?? [])].map(({ maxTimestamp }) => maxTimestamp);
