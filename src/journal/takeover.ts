/**
 * Performs the effects of `leadership.ts` from the first read to leading: snapshot, entries, fence, floor. A store that
 * is away is waited for; a corrupted or unknown entry or snapshot ends the attempt with an error that names it.
 */
import { StorageCorruptError, StorageUnavailableError } from '../errors.ts';
import { assert, unreachable } from '../runtime/assert.ts';
import { sleep, yieldTurn } from '../runtime/clock.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Backoff } from './backoff.ts';
import { StateDraft } from './draft.ts';
import type { Entry } from './entry.ts';
import { encodeEntry } from './entry-codec.ts';
import { EntryReader, type ReadPage } from './entry-reader.ts';
import type { EntryWriter } from './entry-writer.ts';
import { foldEntry, NO_FOOTERS } from './fold.ts';
import type { JournalStore, Pointer } from './journal-store.ts';
import {
  type EntrySeen,
  type Leadership,
  type LeadershipEffect,
  type LeadershipEvent,
  START,
  stepLeadership,
} from './leadership.ts';
import { decodeSnapshotInTurns } from './snapshot-decoder.ts';
import { JournalState } from './state.ts';
import { Uncovered } from './uncovered.ts';

/** Folding this many entries takes about a millisecond when they are small. */
const ENTRIES_PER_TURN = 64;
/** One that names a segment may take as long alone: a footer lists thousands of batches. */
const FOLD_MS_PER_TURN = 3;
/** How often a journal is read while its leader lets go. */
const HAND_OVER_READ_MS = 50;
/** After this many lost fences the pauses between attempts grow. */
const FENCES_BEFORE_PATIENCE = 1;

export interface TakeoverContext {
  readonly store: JournalStore;
  readonly writer: EntryWriter;
  readonly runtime: Runtime;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly signal: AbortSignal;
  /**
   * Called once, when everything was read and before the fence: asks who leads to let go. What is added until it resolves
   * is read meanwhile, so that little is left to be read then. Never rejects.
   */
  readonly handOver?: () => Promise<void>;
}

/** What a new leader starts with. */
export interface TakenOver {
  readonly leadership: Leadership;
  readonly state: JournalState;
  readonly draft: StateDraft;
  readonly pointer: Pointer;
  readonly uncovered: Uncovered;
}

/** Resolves once this process leads. Rejects with the signal's reason, StorageCorruptError or StartupError. */
export async function takeOver(context: TakeoverContext): Promise<TakenOver> {
  const takeover = new Takeover(context);
  return takeover.run();
}

class Takeover {
  readonly #context: TakeoverContext;
  readonly #backoff: Backoff;
  #leadership: Leadership = START.leadership;
  #pending: LeadershipEffect[] = [...START.effects];
  #pointer: Pointer | null = null;
  /** The last one that a pointer named and that was not there. */
  #goneSnapshot: string | null = null;
  /** The last one met, and where reading had begun. */
  #gap: { readonly seq: number; readonly snapshotSeq: number } | null = null;
  #state: JournalState;
  #draft: StateDraft;
  #uncovered = new Uncovered();
  #reader: EntryReader | null = null;
  /** The one read last. */
  #page: ReadPage | null = null;
  #fence: { readonly entry: Entry; readonly bytes: Buffer } | null = null;
  #fencesLost = 0;
  /** Whoever led was asked to let go, and has not answered. */
  #handingOver: Promise<void> | null = null;
  #handedOver = false;

  constructor(context: TakeoverContext) {
    this.#context = context;
    this.#backoff = new Backoff(context.runtime, context.signal);
    this.#state = new JournalState(context.store.journal);
    this.#draft = new StateDraft(this.#state);
  }

  async run(): Promise<TakenOver> {
    while (this.#leadership.phase !== 'leading') {
      if (this.#leadership.phase === 'broken') {
        throw new StorageCorruptError(`journal ${this.#context.store.journal}: ${this.#leadership.because}`);
      }
      const effect = this.#pending.shift();
      assert(effect, `takeover of journal ${this.#context.store.journal} has nothing left to do`);
      this.#context.signal.throwIfAborted();
      const event = await this.#patiently(effect);
      if (event) this.#step(event);
    }
    return {
      leadership: this.#leadership,
      state: this.#state,
      draft: this.#draft,
      pointer: this.#pointer!,
      uncovered: this.#uncovered,
    };
  }

  #step(event: LeadershipEvent): void {
    const before = this.#leadership.phase;
    const { leadership, effects } = stepLeadership(this.#leadership, event);
    this.#leadership = leadership;
    this.#pending.push(...effects);
    if (before === 'putting' && leadership.phase === 'readingEntries') this.#fencesLost++;
  }

  async #patiently(effect: LeadershipEffect): Promise<LeadershipEvent | null> {
    for (;;) {
      try {
        const event = await this.#perform(effect);
        if (effect.type !== 'put') this.#backoff.reset();
        return event;
      } catch (cause) {
        if (!(cause instanceof StorageUnavailableError)) throw cause;
        const fields = { journal: this.#context.store.journal, cause };
        this.#context.runtime.logger.warn(fields, 'the store does not answer; taking over the journal waits');
        await this.#backoff.pause();
      }
    }
  }

  /** The event that the effect leads to; null when none follows. */
  async #perform(effect: LeadershipEffect): Promise<LeadershipEvent | null> {
    const { store, writer } = this.#context;
    switch (effect.type) {
      case 'readPointer':
        this.#pointer = await store.readPointer();
        return { type: 'pointerRead', pointer: this.#pointer };
      case 'loadSnapshot':
        return this.#loadSnapshot();
      case 'readEntries': {
        if (this.#fencesLost >= FENCES_BEFORE_PATIENCE) await this.#backoff.pause();
        const mayEnd = this.#handingOver === null;
        const page = await this.#nextPage();
        this.#page = page;
        if (page.goneSegment !== null) {
          return { type: 'footerGone', because: `it needs the footer of segment ${page.goneSegment}, which is gone` };
        }
        await this.#checkGap(page.entries);
        const more = page.more || page.isAhead || (await this.#handOver(mayEnd));
        return { type: 'entriesRead', entries: page.entries.map(({ entry }) => seen(entry)), more };
      }
      case 'fold':
        await this.#foldRead();
        return null;
      case 'prepareFence':
        return { type: 'prepared', id: this.#prepareFence(effect.seq, effect.epoch) };
      case 'put': {
        if (effect.again) await this.#backoff.pause();
        const { entry, bytes } = this.#fence!;
        return { type: 'putAnswered', answer: await writer.put(store.entryItem(entry.seq, entry.id, bytes)) };
      }
      case 'commit': {
        const { entry, bytes } = this.#fence!;
        foldEntry(this.#draft, entry, NO_FOOTERS);
        this.#uncovered.add(entry, bytes.length);
        return null;
      }
      case 'abandon':
      case 'confirmed':
        return null;
      default:
        return unreachable(effect);
    }
  }

  /**
   * At the end of what there is: asks for the hand-over, and waits a little for it. True when more has to be read before
   * the fence: what was written before the hand-over counts only when the read began after it.
   */
  async #handOver(mayEnd: boolean): Promise<boolean> {
    const { handOver, runtime, signal } = this.#context;
    if (!handOver || (this.#handedOver && mayEnd)) return false;
    if (!this.#handedOver) {
      this.#handedOver = true;
      this.#handingOver = handOver().finally(() => {
        this.#handingOver = null;
      });
    }
    if (this.#handingOver !== null) {
      await Promise.race([this.#handingOver, sleep(runtime.timers, HAND_OVER_READ_MS, signal)]);
    }
    return true;
  }

  async #nextPage(): Promise<ReadPage> {
    assert(this.#leadership.phase === 'readingEntries', 'entries are read in their phase only');
    const { lastSeq } = this.#leadership;
    if (this.#reader?.position !== lastSeq) this.#readFrom(lastSeq, false);
    const reader = this.#reader!;
    try {
      const page = await reader.next();
      if (!page.more) this.#reader = null;
      return page;
    } catch (cause) {
      this.#reader = null;
      throw cause;
    }
  }

  #readFrom(lastSeq: number, isAhead: boolean): void {
    this.#reader?.stop();
    const { store, runtime } = this.#context;
    this.#reader = new EntryReader(store, runtime.timers, lastSeq, isAhead);
  }

  async #loadSnapshot(): Promise<LeadershipEvent> {
    const { store, runtime } = this.#context;
    const { snapshot, snapshotSeq } = this.#pointer!;
    let state = new JournalState(store.journal);
    if (snapshot) {
      this.#readFrom(snapshotSeq, true);
      const bytes = await store.readSnapshot(snapshot);
      if (bytes === null) return this.#snapshotGone(snapshot.key);
      state = await decodeSnapshotInTurns(snapshot.key, bytes, () => yieldTurn(runtime.timers));
    }
    this.#state = state;
    this.#draft = new StateDraft(state);
    this.#uncovered = new Uncovered();
    return { type: 'snapshotLoaded', seq: state.lastSeq, epoch: state.epoch };
  }

  /**
   * Whoever meets a gap starts again: entries were trimmed, and the pointer names a newer snapshot by then; or they were being
   * written, and are there the next time.
   */
  async #checkGap(entries: ReadPage['entries']): Promise<void> {
    assert(this.#leadership.phase === 'readingEntries', 'entries are read in their phase only');
    const { lastSeq, snapshotSeq } = this.#leadership;
    const at = entries.findIndex(({ entry }, index) => entry.seq !== lastSeq + 1 + index);
    if (at < 0) return;
    const { store } = this.#context;
    const seq = lastSeq + 1 + at;
    const isMetAgain = this.#gap?.seq === seq && this.#gap.snapshotSeq === snapshotSeq;
    if (isMetAgain && (await store.readPointer()).floor <= snapshotSeq) {
      throw new StorageCorruptError(`journal ${store.journal}: entry ${seq} is gone`);
    }
    this.#gap = { seq, snapshotSeq };
  }

  /** Only a newer one takes its place, and then the pointer names that. */
  #snapshotGone(key: string): LeadershipEvent {
    if (this.#goneSnapshot === key) {
      throw new StorageCorruptError(`journal ${this.#context.store.journal}: its snapshot ${key} is gone`);
    }
    this.#goneSnapshot = key;
    return { type: 'snapshotGone' };
  }

  async #foldRead(): Promise<void> {
    const { clock, timers } = this.#context.runtime;
    const { entries, footers } = this.#page!;
    let entriesOfTurn = 0;
    let startedAt = clock.monotonic();
    for (const { entry, bytes } of entries) {
      foldEntry(this.#draft, entry, footers);
      this.#uncovered.add(entry, bytes);
      entriesOfTurn++;
      if (entriesOfTurn < ENTRIES_PER_TURN && clock.monotonic() - startedAt < FOLD_MS_PER_TURN) continue;
      await yieldTurn(timers);
      entriesOfTurn = 0;
      startedAt = clock.monotonic();
    }
  }

  #prepareFence(seq: number, epoch: number): string {
    const { store, runtime, brokerId, brokerEpoch } = this.#context;
    const entry: Entry = {
      seq,
      id: randomHex(runtime.random, 16),
      epoch,
      timestamp: runtime.clock.now(),
      commands: [{ type: 'epochStarted', epoch, brokerId, brokerEpoch }],
      body: Buffer.alloc(0),
    };
    this.#fence = { entry, bytes: encodeEntry(store.journal, entry) };
    return entry.id;
  }
}

const seen = ({ seq, epoch, commands }: Entry): EntrySeen => ({
  seq,
  epoch,
  isFence: commands.some(({ type }) => type === 'epochStarted'),
});
