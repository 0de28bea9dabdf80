/**
 * Deletes segments that nothing refers to any more, ordered by the journals (design §7):
 *
 *   released or found by listing ──► condemned in every journal its footer names ──reclaim.delay──► deleted ──► forgotten
 *
 * A journal that still refers to a segment, or has an append for it waiting, leaves it out; the segment then waits until
 * it is released there. Ages and the delay are judged by the store's clock alone: `modified` and the `now` of a listing.
 * After a restart the delay begins anew. Uploads that were never appended are found by listing and go the same way.
 */

import { StorageCorruptError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { DELETE_BATCH_COUNT_MAX } from '../limits.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { segmentIdOfKey, segmentKey, segmentPrefix } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { findFooter } from './segment-footer.ts';

const CONDEMN_COUNT_MAX = 500;
const LIST_COUNT = 1_000;
/** A whole listing is made this many times within the age at which an upload counts as orphaned. */
const LISTINGS_PER_ORPHAN_AGE = 2;

export interface ReclaimOptions {
  readonly clusterId: string;
  readonly journals: readonly Journal[];
  readonly objects: ObjectStore;
  readonly runtime: Runtime;
  readonly delayMs: number;
  readonly orphanAgeMs: number;
}

export interface ReclaimCounts {
  readonly condemned: number;
  readonly deleted: number;
}

export class Reclaimer {
  readonly #options: ReclaimOptions;
  readonly #unsubscribe: (() => void)[];
  /** Believed to be unreferenced, not yet condemned everywhere, and when (monotonic) each was found. */
  readonly #candidates = new Map<string, number>();
  /** Condemned in every journal that matters, with the store's clock at that time. */
  readonly #condemnedAt = new Map<string, number>();
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReclaimOptions) {
    this.#options = options;
    this.#unsubscribe = options.journals.map((journal) =>
      journal.subscribe(({ releasedSegments }) => {
        for (const segmentId of releasedSegments) this.#suspect(segmentId);
      }),
    );
    // What an earlier life condemned and did not delete.
    for (const { state } of options.journals) {
      for (const { segmentId } of state.condemned()) this.#suspect(segmentId);
    }
  }

  close(): void {
    for (const stop of this.#unsubscribe) stop();
  }

  #suspect(segmentId: string): void {
    if (!this.#candidates.has(segmentId)) this.#candidates.set(segmentId, this.#options.runtime.clock.monotonic());
  }

  get waiting(): number {
    return this.#candidates.size + this.#condemnedAt.size;
  }

  async pass(signal: AbortSignal): Promise<ReclaimCounts> {
    if (this.#options.journals.some(({ role }) => role !== 'leading')) return { condemned: 0, deleted: 0 };
    await this.#findOrphans(signal);
    if (this.waiting === 0) return { condemned: 0, deleted: 0 };
    const now = await this.#storeNow(signal);
    return { condemned: await this.#condemn(now, signal), deleted: await this.#delete(now, signal) };
  }

  async #storeNow(signal: AbortSignal): Promise<number> {
    const { clusterId, objects } = this.#options;
    return (await objects.list(segmentPrefix(clusterId), '', 1, { cause: 'reclaim', signal })).now;
  }

  async #findOrphans(signal: AbortSignal): Promise<void> {
    const { clusterId, objects, orphanAgeMs, runtime } = this.#options;
    const started = runtime.clock.monotonic();
    if (started - this.#listedAt < orphanAgeMs / LISTINGS_PER_ORPHAN_AGE) return;
    let after = '';
    for (;;) {
      const page = await objects.list(segmentPrefix(clusterId), after, LIST_COUNT, { cause: 'reclaim', signal });
      for (const { key, modified } of page.objects) {
        const segmentId = segmentIdOfKey(clusterId, key);
        if (segmentId === null || page.now - modified < orphanAgeMs || this.#isKnown(segmentId)) continue;
        this.#suspect(segmentId);
      }
      if (!page.more) break;
      after = page.objects.at(-1)!.key;
    }
    this.#listedAt = started;
  }

  #isKnown(segmentId: string): boolean {
    return this.#condemnedAt.has(segmentId) || this.#options.journals.some(({ state }) => state.segment(segmentId));
  }

  async #condemn(now: number, signal: AbortSignal): Promise<number> {
    const ids = [...this.#candidates.keys()].slice(0, CONDEMN_COUNT_MAX);
    const asked = new Map<Journal, string[]>();
    const named = new Map<string, readonly Journal[]>();
    for (const segmentId of ids) {
      const journals = await this.#journalsOf(segmentId, signal);
      named.set(segmentId, journals);
      for (const journal of journals) asked.set(journal, [...(asked.get(journal) ?? []), segmentId]);
    }
    const agreed = new Map<Journal, ReadonlySet<string>>();
    for (const [journal, segmentIds] of asked) {
      const outcome = await journal.propose({ type: 'condemn', segmentIds });
      agreed.set(journal, new Set(outcome.type === 'condemned' ? outcome.segmentIds : []));
    }
    let condemned = 0;
    for (const [segmentId, journals] of named) {
      const reluctant = journals.filter((journal) => !agreed.get(journal)?.has(segmentId));
      if (reluctant.length > 0) {
        this.#putOff(segmentId, reluctant);
        continue;
      }
      this.#candidates.delete(segmentId);
      this.#condemnedAt.set(segmentId, now);
      condemned++;
    }
    return condemned;
  }

  /**
   * A journal that still refers to the segment tells when it is released. Otherwise an append waits, or entries above its
   * durable snapshot name the segment: after the delay, a snapshot is asked for.
   */
  #putOff(segmentId: string, reluctant: readonly Journal[]): void {
    const { delayMs, runtime } = this.#options;
    const since = this.#candidates.get(segmentId)!;
    this.#candidates.delete(segmentId);
    if (reluctant.some(({ state }) => state.segment(segmentId))) return;
    this.#candidates.set(segmentId, since); // At the end: others get their turn.
    if (runtime.clock.monotonic() - since < delayMs) return;
    for (const journal of reluctant) journal.requestSnapshot();
  }

  /** The journals whose partitions the segment holds; all of them when its footer cannot be read. */
  async #journalsOf(segmentId: string, signal: AbortSignal): Promise<readonly Journal[]> {
    const { clusterId, journals, objects } = this.#options;
    if (journals.length === 1) return journals;
    const footer = await findFooter(objects, clusterId, segmentId, { cause: 'reclaim', signal }).catch(unreadable);
    if (footer === null) return journals;
    const named = new Set(footer.partitions.map(({ journal }) => journal));
    return journals.filter(({ id }) => named.has(id));
  }

  async #delete(now: number, signal: AbortSignal): Promise<number> {
    const { clusterId, delayMs, journals, objects } = this.#options;
    const due: string[] = [];
    for (const [segmentId, condemnedAt] of this.#condemnedAt) {
      if (now - condemnedAt >= delayMs) due.push(segmentId);
      if (due.length === DELETE_BATCH_COUNT_MAX) break;
    }
    if (due.length === 0) return 0;
    await objects.delete(
      due.map((segmentId) => segmentKey(clusterId, segmentId)),
      { cause: 'reclaim', signal },
    );
    for (const segmentId of due) this.#condemnedAt.delete(segmentId);
    for (const journal of journals) {
      const segmentIds = due.filter((segmentId) => journal.state.isCondemned(segmentId));
      if (segmentIds.length > 0) await journal.propose({ type: 'forget', segmentIds });
    }
    return due.length;
  }
}

/** An upload that broke off, or damage: then every journal is asked. A store that does not answer ends the pass. */
function unreadable(cause: unknown): null {
  if (cause instanceof StorageCorruptError) return null;
  throw cause;
}
