/**
 * Invariant 6: a referenced segment exists, an unreferenced one is gone within a bounded time. The same for inline bodies
 * in entries, and for the footers that a recovery would have to read. Snapshots go when newer ones took their place.
 *
 * Follows the journals with the fold of the broker itself, entry by entry, and looks whenever something is deleted.
 */
import { StateDraft } from '../../../src/journal/draft.ts';
import type { Command, Entry } from '../../../src/journal/entry.ts';
import { segmentsNamedBy } from '../../../src/journal/entry.ts';
import { foldEntry } from '../../../src/journal/fold.ts';
import { JournalState } from '../../../src/journal/state.ts';
import type { PartitionBatches } from '../../../src/segment/footer.ts';
import { openSegment } from '../../../src/segment/read.ts';
import { segmentIdOfKey } from '../../../src/segment/segment-id.ts';
import type { Checker, HistoryEvent } from '../history.ts';
import { Violation } from '../history.ts';

export interface SegmentsOptions {
  readonly clusterId: string;
  /** Of the stores. */
  readonly now: () => number;
  /** How long a condemned segment stays at least. */
  readonly delayMs: number;
}

interface Followed {
  readonly state: JournalState;
  readonly draft: StateDraft;
  snapshotSeq: number;
  /** Empty before the first one. */
  snapshotKey: string;
  floor: number;
  /** Entries whose items exist. */
  readonly entries: Set<number>;
  /** Segments that the entries behind the snapshot name, by seq, and those of them whose footers a recovery needs. */
  readonly named: Map<number, readonly string[]>;
  readonly footersNeeded: Map<number, readonly string[]>;
}

export class Segments implements Checker {
  readonly name = 'segments';
  readonly #clusterId: string;
  readonly #now: () => number;
  readonly #delayMs: number;
  /** When journals condemned a segment first. */
  readonly #condemnedAt = new Map<string, Map<number, number>>();
  readonly #journals = new Map<number, Followed>();
  /** Footers of the segments that exist. */
  readonly #existing = new Map<string, readonly PartitionBatches[]>();
  /** Keys of the snapshots that exist, of all journals. */
  readonly #snapshots = new Set<string>();

  constructor({ clusterId, now, delayMs }: SegmentsOptions) {
    this.#clusterId = clusterId;
    this.#now = now;
    this.#delayMs = delayMs;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'objectCreated': {
        const segmentId = segmentIdOfKey(this.#clusterId, event.key);
        if (segmentId !== null) this.#created(segmentId, event.body);
        else if (event.key.startsWith(`${this.#clusterId}/snapshots/`)) this.#snapshots.add(event.key);
        return;
      }
      case 'objectDeleted': {
        const segmentId = segmentIdOfKey(this.#clusterId, event.key);
        if (segmentId !== null) this.#deleted(segmentId);
        this.#snapshots.delete(event.key);
        return;
      }
      case 'entryPut':
        this.#entryPut(event.journal, event.entry);
        return;
      case 'strayEntryPut':
        this.#follow(event.journal).entries.add(event.entry.seq);
        return;
      case 'entryDeleted':
        this.#entryDeleted(event.journal, event.seq);
        return;
      case 'pointerPut': {
        const followed = this.#follow(event.journal);
        followed.snapshotSeq = event.snapshotSeq;
        followed.snapshotKey = event.snapshotKey;
        followed.floor = event.floor;
        for (const map of [followed.named, followed.footersNeeded]) {
          for (const seq of map.keys()) if (seq <= event.snapshotSeq) map.delete(seq);
        }
        return;
      }
      case 'quiet':
        this.#quiet();
        return;
      default:
    }
  }

  #created(segmentId: string, body: Buffer): void {
    const opened = openSegment(segmentId, body, body.length);
    if (opened.type === 'opened') this.#existing.set(segmentId, opened.footer.partitions);
  }

  #entryPut(journal: number, entry: Entry): void {
    const followed = this.#follow(journal);
    const footers = new Map<string, readonly PartitionBatches[]>();
    const needed: string[] = [];
    for (const command of entry.commands) {
      if (command.type === 'condemned') {
        for (const segmentId of command.segmentIds) this.#condemn(journal, segmentId);
      }
      for (const segmentId of segmentsNamedBy(command)) {
        const footer = this.#existing.get(segmentId);
        if (!footer)
          this.#fail(`entry ${entry.seq} of journal ${journal} names segment ${segmentId}, which is not there`);
        footers.set(
          segmentId,
          footer.filter((partition) => partition.journal === journal),
        );
        if (needsFooter(command)) needed.push(segmentId);
      }
    }
    foldEntry(followed.draft, entry, footers);
    followed.entries.add(entry.seq);
    if (footers.size > 0) followed.named.set(entry.seq, [...footers.keys()]);
    if (needed.length > 0) followed.footersNeeded.set(entry.seq, needed);
  }

  /**
   * The first time counts: nobody can be told of the segment after that. One that was deleted is there again when a create comes
   * late, and is condemned again; who slept through all that may delete it by the first time.
   */
  #condemn(journal: number, segmentId: string): void {
    const times = this.#condemnedAt.get(segmentId) ?? new Map<number, number>();
    this.#condemnedAt.set(segmentId, times);
    if (!times.has(journal)) times.set(journal, this.#now());
  }

  #entryDeleted(journal: number, seq: number): void {
    const { state, entries, snapshotSeq } = this.#follow(journal);
    entries.delete(seq);
    if (state.inlineUses.has(seq)) this.#fail(`entry ${seq} of journal ${journal} was deleted, extents point into it`);
    if (seq > snapshotSeq) this.#fail(`entry ${seq} of journal ${journal} was deleted, no snapshot covers it`);
  }

  #deleted(segmentId: string): void {
    const footer = this.#existing.get(segmentId);
    const named = new Set(footer?.map(({ journal }) => journal));
    this.#existing.delete(segmentId);
    const condemnedAt = Math.max(...(this.#condemnedAt.get(segmentId)?.values() ?? []));
    const waitedMs = this.#now() - condemnedAt;
    for (const [journal, { state, footersNeeded }] of this.#journals) {
      if (state.segment(segmentId)) this.#fail(`segment ${segmentId} was deleted, journal ${journal} refers to it`);
      for (const [seq, needed] of footersNeeded) {
        if (needed.includes(segmentId)) {
          this.#fail(`segment ${segmentId} was deleted, a recovery of entry ${seq} of journal ${journal} needs it`);
        }
      }
      if (named.has(journal) && !isGivenUp(state, segmentId)) {
        this.#fail(`segment ${segmentId} was deleted, journal ${journal} did not condemn it`);
      }
    }
    // A delete may be repeated.
    if (footer === undefined || waitedMs >= this.#delayMs) return;
    this.#fail(
      `segment ${segmentId} was deleted ${waitedMs} ms after it was condemned, ${this.#delayMs} are asked for`,
    );
  }

  /** What background work has not done yet; null when all is as it should be at rest. */
  unrest(): string | null {
    for (const [segmentId, partitions] of this.#existing) {
      const left = this.#unreferenced(segmentId, partitions);
      if (left !== null) return left;
    }
    for (const [journal, { state, entries, floor, snapshotKey }] of this.#journals) {
      const superseded = this.#superseded(snapshotKey);
      if (superseded)
        return `snapshot ${superseded} is still there, the pointer of journal ${journal} names ${snapshotKey}`;
      for (const { segmentId } of state.condemned()) {
        // One journal may have condemned what another still refers to.
        if (this.#existing.has(segmentId)) continue;
        return `journal ${journal} still remembers the condemned segment ${segmentId}, which is gone`;
      }
      const fences = new Set(state.fences);
      for (const seq of entries) {
        const spared = fences.has(seq) || fences.has(seq + 1) || state.inlineUses.has(seq);
        if (seq < floor && !spared) return `entry ${seq} of journal ${journal} is still there, nothing needs it`;
      }
    }
    return null;
  }

  /** A snapshot of the same journal that is older. Their keys are in the order of the entries that they cover. */
  #superseded(snapshotKey: string): string | undefined {
    const prefix = snapshotKey.slice(0, snapshotKey.lastIndexOf('/') + 1);
    return [...this.#snapshots].find((key) => key.startsWith(prefix) && key < snapshotKey);
  }

  #unreferenced(segmentId: string, partitions: readonly PartitionBatches[]): string | null {
    for (const { state } of this.#journals.values()) if (state.segment(segmentId)) return null;
    const named = [...new Set(partitions.map(({ journal }) => journal))];
    const condemned = named.filter((id) => this.#follow(id).state.isCondemned(segmentId));
    const uncovered = named.filter((id) => this.#namedBehindSnapshot(id, segmentId));
    const where = `journals ${named} have it, ${condemned} condemned it, ${uncovered} name it behind their snapshots`;
    return `segment ${segmentId} is still there, nothing refers to it: ${where}`;
  }

  #quiet(): void {
    const unrest = this.unrest();
    if (unrest !== null) this.#fail(unrest);
  }

  #namedBehindSnapshot(journal: number, segmentId: string): boolean {
    const { named, snapshotSeq } = this.#follow(journal);
    return [...named].some(([seq, segmentIds]) => seq > snapshotSeq && segmentIds.includes(segmentId));
  }

  #follow(journal: number): Followed {
    let followed = this.#journals.get(journal);
    if (!followed) {
      const state = new JournalState(journal);
      followed = {
        state,
        draft: new StateDraft(state),
        snapshotSeq: 0,
        snapshotKey: '',
        floor: 0,
        entries: new Set(),
        named: new Map(),
        footersNeeded: new Map(),
      };
      this.#journals.set(journal, followed);
    }
    return followed;
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const needsFooter = (command: Command): boolean => command.type === 'appended' && command.batches.type === 'footer';

/** Condemned, or condemned and forgotten: a delete may be repeated. */
const isGivenUp = (state: JournalState, segmentId: string): boolean => new StateDraft(state).isGivenUp(segmentId);
