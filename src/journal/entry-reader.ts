/**
 * Reads a journal for a takeover, ahead of whoever folds it: the next pages are on their way while one is worked on, and so
 * are the footers that their entries need. Pages come in order, whole.
 */
import { assert } from '../runtime/assert.ts';
import { type Timers, yieldTurn } from '../runtime/clock.ts';
import type { PartitionBatches, SegmentReference } from '../segment/footer.ts';
import { readFooter } from '../segment/read.ts';
import type { Entry } from './entry.ts';
import { decodeEntry } from './entry-codec.ts';
import type { JournalStore, StoredEntry } from './journal-store.ts';

/** Some megabytes of entries, and their footers. */
const PAGES_AHEAD_MAX = 6;
/** Leaves connections to the object store for others. */
const FOOTER_READS_IN_FLIGHT_MAX = 48;
/** Decoding so much of entries and footers takes a millisecond or two. */
const BYTES_PER_TURN = 32 * 1024;

export interface ReadEntry {
  readonly entry: Entry;
  /** As it is stored. */
  readonly bytes: number;
}

export interface ReadPage {
  readonly entries: readonly ReadEntry[];
  /** False: there was nothing behind it when it was read. */
  readonly more: boolean;
  /** It was read before it was asked for: by now there may be something behind it. */
  readonly isAhead: boolean;
  /** What the footers of the segments that it needs list for this journal. */
  readonly footers: ReadonlyMap<string, readonly PartitionBatches[]>;
  /** A segment whose footer it needs, and which does not exist. */
  readonly goneSegment: string | null;
}

interface PageAhead extends Pick<ReadPage, 'more'> {
  /** Seq of its last entry, or of the one before it. */
  readonly lastSeq: number;
  readonly content: Promise<Pick<ReadPage, 'entries' | 'footers' | 'goneSegment'>>;
}

export class EntryReader {
  readonly #store: JournalStore;
  readonly #pace: Pace;
  readonly #ahead: Promise<PageAhead | null>[] = [];
  readonly #slots = new Slots(FOOTER_READS_IN_FLIGHT_MAX);
  #last: Promise<PageAhead | null>;
  #position: number;
  /** Of the next page. */
  #isAhead: boolean;
  #stopped = false;

  /** `isAhead`: it will be a while until somebody calls `next`. */
  constructor(store: JournalStore, timers: Timers, after: number, isAhead: boolean) {
    this.#store = store;
    this.#pace = new Pace(timers);
    this.#position = after;
    this.#isAhead = isAhead;
    this.#last = this.#read(after);
    this.#push(this.#last);
    this.#fill();
  }

  /** Seq of the last entry of the pages that were handed out. */
  get position(): number {
    return this.#position;
  }

  /** Not after a page with nothing behind it. Rejects as reads and decoding do; then the reader is of no use any more. */
  async next(): Promise<ReadPage> {
    const isAhead = this.#isAhead;
    this.#isAhead = true;
    const page = await this.#ahead.shift();
    assert(page, 'a journal was read beyond its end');
    this.#position = page.lastSeq;
    this.#fill();
    return { more: page.more, isAhead, ...(await page.content) };
  }

  /** Begins no further reads. */
  stop(): void {
    this.#stopped = true;
  }

  #fill(): void {
    while (this.#ahead.length < PAGES_AHEAD_MAX) {
      this.#push(this.#last.then((page) => (page?.more && !this.#stopped ? this.#read(page.lastSeq) : null)));
    }
  }

  #push(page: Promise<PageAhead | null>): void {
    page.catch(() => {}); // Told to whoever asks for it.
    this.#last = page;
    this.#ahead.push(page);
  }

  async #read(after: number): Promise<PageAhead> {
    const { entries: stored, more } = await this.#store.readEntries(after);
    const content = this.#readContent(stored);
    content.catch(() => {}); // Told to whoever asks for it.
    return { more, lastSeq: stored.at(-1)?.seq ?? after, content };
  }

  async #readContent(stored: readonly StoredEntry[]): Promise<Pick<ReadPage, 'entries' | 'footers' | 'goneSegment'>> {
    const entries: ReadEntry[] = [];
    for (const { seq, bytes } of stored) {
      while (this.#pace.nextTurn !== null) await this.#pace.nextTurn;
      entries.push({ entry: decodeEntry(this.#store.journal, seq, bytes), bytes: bytes.length });
      this.#pace.decoded(bytes.length);
    }
    return { entries, ...(await this.#readFooters(entries)) };
  }

  async #readFooters(entries: readonly ReadEntry[]): Promise<Pick<ReadPage, 'footers' | 'goneSegment'>> {
    const { journal } = this.#store;
    const footers = new Map<string, readonly PartitionBatches[]>();
    let goneSegment: string | null = null;
    const read = async (segment: SegmentReference) => {
      if (goneSegment !== null || this.#stopped) return;
      const bytes = await this.#store.readFooterBytes(segment);
      if (bytes === null) {
        goneSegment = segment.id;
        return;
      }
      // Many may come at once.
      while (this.#pace.nextTurn !== null) await this.#pace.nextTurn;
      const { partitions } = readFooter(segment, bytes);
      this.#pace.decoded(bytes.length);
      footers.set(
        segment.id,
        partitions.filter((batches) => batches.journal === journal),
      );
    };
    await Promise.all(segmentsNeeded(entries).map((segment) => this.#slots.run(() => read(segment))));
    return { footers, goneSegment };
  }
}

function segmentsNeeded(entries: readonly ReadEntry[]): readonly SegmentReference[] {
  const needed = new Map<string, SegmentReference>();
  for (const { entry } of entries) {
    for (const command of entry.commands) {
      if (command.type !== 'appended' || command.batches.type !== 'footer') continue;
      if (command.source.type === 'segment') needed.set(command.source.segment.id, command.source.segment);
    }
  }
  return [...needed.values()];
}

/** Spreads decoding over turns of the event loop, whatever is decoded: after some of it everybody waits for the next turn. */
class Pace {
  /** Null: now. */
  nextTurn: Promise<void> | null = null;
  readonly #timers: Timers;
  #bytes = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  decoded(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < BYTES_PER_TURN) return;
    this.#bytes = 0;
    this.nextTurn = yieldTurn(this.#timers).then(() => {
      this.nextTurn = null;
    });
  }
}

/** Lets so many work at a time, in the order in which they came. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
