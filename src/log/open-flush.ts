/**
 * What waits to leave: batches by partition, and the sums that the cadence decides by. Per partition the order of arrival
 * is the order of appends. A partition is *behind a segment* from the moment a segment flush takes its batches until that
 * flush is answered; meanwhile its later batches may join another segment, whose append comes after, but not go inline,
 * where they would overtake.
 */
import { assert } from '../runtime/assert.ts';
import type { PendingBatch } from './pending.ts';

/** Inline bodies, descriptions of at most 72 bytes, and keys share an entry of 128 KiB. */
export const INLINE_BYTES_MAX = 88 * 1024;
export const INLINE_BATCHES_MAX = 256;
/** Idempotency keys also go into the entry, whichever way their records go. */
export const KEY_BYTES_MAX = 16 * 1024;

/** The waiting batches of one partition. */
export class Line {
  readonly topicId: string;
  readonly partition: number;
  readonly journal: number;
  waiting: PendingBatch[] = [];
  waitingBytes = 0;
  /** Monotonic milliseconds at which the oldest of them came. */
  since = 0;
  /** Segment flushes with batches of this partition that are not answered. */
  segmentsAhead = 0;
  /** Number of its last append in the journal's inline lane; -1 when it never had one. */
  inlineNumber = -1;
  /** Batches of compacted topics that are still being opened; all later ones wait for them. */
  checking: Promise<void> | null = null;

  constructor(topicId: string, partition: number, journal: number) {
    this.topicId = topicId;
    this.partition = partition;
    this.journal = journal;
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.segmentsAhead === 0 && this.checking === null;
  }
}

/** The batches of one partition that leave in one flush. */
export interface LineBatches {
  readonly line: Line;
  readonly batches: readonly PendingBatch[];
}

/** What waits for one journal. */
export class JournalShare {
  readonly journal: number;
  readonly lines = new Set<Line>();
  bytes = 0;
  batches = 0;
  /** Of those, in partitions that are behind no segment. */
  freeBytes = 0;
  freeBatches = 0;

  constructor(journal: number) {
    this.journal = journal;
  }

  /** All of it could leave inline, once nothing is ahead. */
  get small(): boolean {
    return this.bytes <= INLINE_BYTES_MAX && this.batches <= INLINE_BATCHES_MAX;
  }

  get freeFitsInline(): boolean {
    return this.freeBytes > 0 && this.freeBytes <= INLINE_BYTES_MAX && this.freeBatches <= INLINE_BATCHES_MAX;
  }
}

export class OpenFlush {
  readonly shares = new Map<number, JournalShare>();
  bytes = 0;
  batches = 0;
  /** Monotonic milliseconds at which the oldest waiting batch came. */
  since = 0;
  /** What Idempotency-Keys of waiting batches take in an entry. Batches of one key and journal must leave in one append. */
  keyBytes = 0;

  get empty(): boolean {
    return this.batches === 0;
  }

  /** All of it could leave inline, once nothing is ahead. */
  get small(): boolean {
    for (const share of this.shares.values()) if (!share.small) return false;
    return true;
  }

  add(line: Line, batch: PendingBatch, now: number): void {
    const share = this.#share(line.journal);
    if (line.waiting.length === 0) {
      line.since = now;
      share.lines.add(line);
    }
    if (this.batches === 0) this.since = now;
    line.waiting.push(batch);
    line.waitingBytes += batch.length;
    this.#count(share, line, batch.length, 1);
    this.keyBytes += batch.keyBytes;
  }

  /** A partition got a segment ahead of it, or lost its last one. */
  segmentAhead(line: Line, change: 1 | -1): void {
    const before = line.segmentsAhead;
    line.segmentsAhead += change;
    assert(line.segmentsAhead >= 0, 'more segments answered than sent');
    const share = this.shares.get(line.journal);
    if (share === undefined || line.waiting.length === 0) return;
    const free = line.segmentsAhead === 0 ? 1 : before === 0 ? -1 : 0;
    share.freeBytes += free * line.waitingBytes;
    share.freeBatches += free * line.waiting.length;
  }

  /** Whether the free part of a journal may leave while the rest stays: not when that could tear a group apart. */
  maySplit(share: JournalShare): boolean {
    return this.keyBytes === 0 || share.freeBatches === share.batches;
  }

  /** Takes the free part of one journal. */
  takeFree(share: JournalShare): LineBatches[] {
    const taken: LineBatches[] = [];
    for (const line of share.lines) {
      if (line.segmentsAhead === 0) taken.push(this.#take(share, line));
    }
    if (share.lines.size === 0) this.shares.delete(share.journal);
    this.#restart();
    return taken;
  }

  /** Takes what is behind segments of one journal, and all of it where a group could be torn apart. */
  takeBehind(share: JournalShare): LineBatches[] {
    const taken: LineBatches[] = [];
    if (share.freeBatches === share.batches) return taken;
    const maySplit = this.maySplit(share);
    for (const line of share.lines) {
      if (line.segmentsAhead > 0 || !maySplit) taken.push(this.#take(share, line));
    }
    if (share.lines.size === 0) this.shares.delete(share.journal);
    this.#restart();
    return taken;
  }

  /** Takes everything. */
  takeAll(): LineBatches[] {
    const taken: LineBatches[] = [];
    for (const share of this.shares.values()) {
      for (const line of share.lines) taken.push(this.#take(share, line));
    }
    this.shares.clear();
    this.#restart();
    return taken;
  }

  #take(share: JournalShare, line: Line): LineBatches {
    const batches = line.waiting;
    for (const batch of batches) this.keyBytes -= batch.keyBytes;
    this.#count(share, line, -line.waitingBytes, -batches.length);
    share.lines.delete(line);
    line.waiting = [];
    line.waitingBytes = 0;
    return { line, batches };
  }

  #count(share: JournalShare, line: Line, bytes: number, batches: number): void {
    this.bytes += bytes;
    this.batches += batches;
    share.bytes += bytes;
    share.batches += batches;
    if (line.segmentsAhead > 0) return;
    share.freeBytes += bytes;
    share.freeBatches += batches;
  }

  #restart(): void {
    let since = Number.POSITIVE_INFINITY;
    for (const share of this.shares.values()) for (const line of share.lines) since = Math.min(since, line.since);
    this.since = since;
  }

  #share(journal: number): JournalShare {
    const known = this.shares.get(journal);
    if (known !== undefined) return known;
    const share = new JournalShare(journal);
    this.shares.set(journal, share);
    return share;
  }
}

/** By topic id, then partition: the order of a segment. */
export function sortLines(taken: LineBatches[]): readonly LineBatches[] {
  if (taken.length < 2) return taken;
  return taken.sort(({ line: a }, { line: b }) =>
    a.topicId === b.topicId ? a.partition - b.partition : a.topicId < b.topicId ? -1 : 1,
  );
}
