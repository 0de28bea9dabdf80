/**
 * Deletes segments that nothing refers to any more, ordered by the journals (design §7):
 *
 *   released or found by listing ──► condemned in every journal its footer names ──reclaim.delay──► deleted ──► forgotten
 *
 * One broker does it for the whole cluster, the one that leads journal 0, and asks the leaders of the others. A journal that
 * still refers to a segment, or has an append for it waiting, leaves it out; the segment then waits until it is released
 * there. Ages and the delay are judged by the store's clock alone: `modified` and the `now` of a listing. After a restart,
 * or in another broker, the delay begins anew. Uploads that were never appended are found by listing and go the same way.
 *
 * **Why nobody has to be the only one.** A broker that was succeeded and does not know it, or sleeps for a year in any line
 * of this file, deletes nothing that anybody refers to:
 *
 * - It deletes what was condemned in all journals that hold parts of it, each time by an entry of whoever led that journal.
 * - What is condemned stays unreferenced for ever: appends and merges that name it are refused while it is condemned, and
 *   once it is forgotten the journal keeps a mark that refuses it too (`journal/forgotten.ts`). Marks only grow. That holds
 *   for an append that was on its way for longer than reclaim waits, and for a merge whose upload took as long: both are
 *   refused, their senders start over with new segments.
 * - A segment's partitions do not change their journals, so its footer names all that could ever refer to it. One that names
 *   a journal of which this broker has not heard is left alone.
 * - An object that arrives after its deletion, from a put that was delayed, is an upload that was never appended.
 * - Whoever forgets a segment, however late, deleted it before; that it is condemned once more meanwhile changes nothing.
 */

import { StorageCorruptError, toKafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { DELETE_BATCH_COUNT_MAX } from '../limits.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { segmentIdOfKey, segmentKey, segmentPrefix } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { JournalReferences } from './journal-references.ts';
import { FROM_THE_START, type ReleasedCursor } from './released-segments.ts';
import { findFooter } from './segment-footer.ts';

/** Whoever leads it reclaims for all. */
const RECLAIMING_JOURNAL = 0;
/** Segments that one proposal names: all of them fit an entry, with room for others. */
const CHANGE_COUNT_MAX = 500;
const FOOTER_READS_IN_FLIGHT_MAX = 16;
const LIST_COUNT = 1_000;
/** A whole listing is made this many times within the age at which an upload counts as orphaned. */
const LISTINGS_PER_ORPHAN_AGE = 2;
/** Beyond this, what is found waits to be found again. */
const CANDIDATES_MAX = 100_000;

export interface ReclaimOptions {
  readonly clusterId: string;
  readonly journals: Journals;
  readonly references: JournalReferences;
  readonly objects: ObjectStore;
  readonly runtime: Runtime;
  readonly delayMs: number;
  readonly orphanAgeMs: number;
  /** Whether other brokers share the stores: they may have added journals of which this one has not heard. */
  readonly shared: boolean;
}

export interface ReclaimCounts {
  readonly condemned: number;
  readonly deleted: number;
}

const NOTHING: ReclaimCounts = { condemned: 0, deleted: 0 };

/** Reclaims while this broker leads the first journal. */
export class Reclaimer {
  readonly #stop: () => void;
  #term: ReclaimTerm | null = null;

  constructor(options: ReclaimOptions) {
    this.#stop = options.journals.whileLeading(({ id }) => {
      if (id !== RECLAIMING_JOURNAL) return () => {};
      const term = new ReclaimTerm(options);
      this.#term = term;
      return () => {
        term.end();
        this.#term = null;
      };
    });
  }

  close(): void {
    this.#stop();
  }

  async pass(signal: AbortSignal): Promise<ReclaimCounts> {
    return (await this.#term?.pass(signal)) ?? NOTHING;
  }
}

/** Condemned in every journal that matters. */
interface Condemned {
  readonly journals: readonly Journal[];
  /** The store's clock, read afterwards. */
  readonly at: number;
}

class ReclaimTerm {
  readonly #options: ReclaimOptions;
  readonly #ended = new AbortController();
  readonly #heard = new Map<Journal, ReleasedCursor>();
  /** Believed to be unreferenced, not yet condemned everywhere, and when (monotonic) each was found. */
  readonly #candidates = new Map<string, number>();
  readonly #condemned = new Map<string, Condemned>();
  /** Deleted, and where they are condemned still. */
  readonly #deleted = new Map<string, readonly Journal[]>();
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReclaimOptions) {
    this.#options = options;
  }

  end(): void {
    this.#ended.abort(new Error('another broker reclaims'));
  }

  async pass(passSignal: AbortSignal): Promise<ReclaimCounts> {
    const { signal, unlink } = linkSignals(passSignal, this.#ended.signal);
    try {
      await this.#forget();
      await this.#hear();
      await this.#findOrphans(signal);
      const deleted = await this.#delete(signal);
      const condemned = await this.#condemn(signal);
      await this.#forget();
      return { condemned, deleted };
    } catch (cause) {
      if (this.#ended.signal.aborted && !passSignal.aborted) return NOTHING;
      throw cause;
    } finally {
      unlink();
    }
  }

  #suspect(segmentId: string): void {
    if (this.#candidates.has(segmentId) || this.#condemned.has(segmentId)) return;
    if (this.#candidates.size < CANDIDATES_MAX) {
      this.#candidates.set(segmentId, this.#options.runtime.clock.monotonic());
    }
  }

  async #hear(): Promise<void> {
    const { journals, references } = this.#options;
    const hear = async (journal: Journal) => {
      const heard = await references.released(journal, this.#heard.get(journal) ?? FROM_THE_START);
      this.#heard.set(journal, heard);
      for (const segmentId of heard.segmentIds) this.#suspect(segmentId);
    };
    await Promise.all([...journals].map((journal) => hear(journal).catch(unlessBug)));
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
      const old: string[] = [];
      for (const { key, modified } of page.objects) {
        const segmentId = segmentIdOfKey(clusterId, key);
        if (segmentId !== null && page.now - modified >= orphanAgeMs) old.push(segmentId);
      }
      for (const segmentId of await this.#unreferenced(old)) this.#suspect(segmentId);
      if (!page.more) break;
      after = page.objects.at(-1)!.key;
    }
    this.#listedAt = started;
  }

  /** Those that no journal refers to; none while a journal cannot be asked. */
  async #unreferenced(segmentIds: readonly string[]): Promise<readonly string[]> {
    let left = segmentIds.filter((segmentId) => !this.#condemned.has(segmentId));
    for (const journal of this.#options.journals) {
      const referenced = await this.#options.references.referenced(journal, left).catch(unlessBug);
      if (referenced === null) return [];
      left = left.filter((segmentId) => !referenced.has(segmentId));
    }
    return left;
  }

  async #condemn(signal: AbortSignal): Promise<number> {
    const candidates = [...this.#candidates.keys()];
    const condemned = new Map<string, readonly Journal[]>();
    for (let from = 0; from < candidates.length; from += CHANGE_COUNT_MAX) {
      signal.throwIfAborted();
      const some = candidates.slice(from, from + CHANGE_COUNT_MAX);
      for (const [segmentId, journals] of await this.#condemnSome(some, signal)) condemned.set(segmentId, journals);
    }
    if (condemned.size === 0) return 0;
    // Not the time at which the pass began: the delay is what whoever located records before has to read them.
    const at = await this.#storeNow(signal);
    for (const [segmentId, journals] of condemned) {
      this.#candidates.delete(segmentId);
      this.#condemned.set(segmentId, { journals, at });
    }
    return condemned.size;
  }

  /** Answers those that all their journals agreed to, and puts off the others. */
  async #condemnSome(
    segmentIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly Journal[]>> {
    const named = await this.#journalsOf(segmentIds, signal);
    const asked = new Map<Journal, string[]>();
    for (const [segmentId, journals] of named) {
      for (const journal of journals ?? []) ask(asked, journal, segmentId);
    }
    const agreed = new Map<Journal, ReadonlySet<string>>();
    await Promise.all([...asked].map(async ([journal, ids]) => agreed.set(journal, await condemnIn(journal, ids))));
    const reluctant = new Map<string, readonly Journal[]>();
    const unanimous = new Map<string, readonly Journal[]>();
    for (const [segmentId, journals] of named) {
      const against = (journals ?? []).filter((journal) => !agreed.get(journal)?.has(segmentId));
      if (journals === null || against.length > 0) reluctant.set(segmentId, against);
      else unanimous.set(segmentId, journals);
    }
    await this.#putOff(reluctant);
    return unanimous;
  }

  /**
   * A journal that still refers to the segment tells when it is released. Otherwise an append waits, or entries above its
   * durable snapshot name the segment: after the delay, a snapshot is asked for. A journal that cannot be asked is waited for.
   */
  async #putOff(reluctant: ReadonlyMap<string, readonly Journal[]>): Promise<void> {
    const { delayMs, references, runtime } = this.#options;
    const asked = new Map<Journal, string[]>();
    for (const [segmentId, journals] of reluctant) {
      for (const journal of journals) ask(asked, journal, segmentId);
    }
    const kept = new Set<string>();
    for (const [journal, segmentIds] of asked) {
      const referenced = await references.referenced(journal, segmentIds).catch(unlessBug);
      for (const segmentId of referenced ?? []) kept.add(segmentId);
    }
    const slow = new Set<Journal>();
    for (const [segmentId, journals] of reluctant) {
      const since = this.#candidates.get(segmentId)!;
      this.#candidates.delete(segmentId);
      if (kept.has(segmentId)) continue;
      this.#candidates.set(segmentId, since); // At the end: others get their turn.
      if (runtime.clock.monotonic() - since >= delayMs) for (const journal of journals) slow.add(journal);
    }
    for (const journal of slow) journal.requestSnapshot();
  }

  /**
   * The journals whose partitions a segment holds, by segment; all of them when its footer cannot be read, null when it
   * names one that is not known here.
   */
  async #journalsOf(
    segmentIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly Journal[] | null>> {
    const { clusterId, journals, objects, shared } = this.#options;
    const all = [...journals];
    const found = new Map<string, readonly Journal[] | null>();
    const queue = [...segmentIds];
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (all.length === 1 && !shared) {
          found.set(next, all);
          continue;
        }
        const footer = await findFooter(objects, clusterId, next, { cause: 'reclaim', signal }).catch(unreadable);
        const named = footer && new Set(footer.partitions.map(({ journal }) => journal));
        const known = named ? all.filter(({ id }) => named.has(id)) : all;
        found.set(next, named && known.length < named.size ? null : known);
      }
    };
    await Promise.all(Array.from({ length: Math.min(FOOTER_READS_IN_FLIGHT_MAX, queue.length) }, worker));
    return found;
  }

  async #delete(signal: AbortSignal): Promise<number> {
    const { clusterId, delayMs, objects } = this.#options;
    if (this.#condemned.size === 0) return 0;
    const now = await this.#storeNow(signal);
    const due: string[] = [];
    for (const [segmentId, { at }] of this.#condemned) if (now - at >= delayMs) due.push(segmentId);
    for (let from = 0; from < due.length; from += DELETE_BATCH_COUNT_MAX) {
      const some = due.slice(from, from + DELETE_BATCH_COUNT_MAX);
      await objects.delete(
        some.map((segmentId) => segmentKey(clusterId, segmentId)),
        { cause: 'reclaim', signal },
      );
      for (const segmentId of some) {
        this.#deleted.set(segmentId, this.#condemned.get(segmentId)!.journals);
        this.#condemned.delete(segmentId);
      }
    }
    return due.length;
  }

  /** Again in the next pass where a journal cannot be reached. */
  async #forget(): Promise<void> {
    const asked = new Map<Journal, string[]>();
    for (const [segmentId, journals] of this.#deleted) {
      for (const journal of journals) ask(asked, journal, segmentId);
    }
    for (const [journal, segmentIds] of asked) {
      for (let from = 0; from < segmentIds.length; from += CHANGE_COUNT_MAX) {
        const some = segmentIds.slice(from, from + CHANGE_COUNT_MAX);
        const outcome = await journal.propose({ type: 'forget', segmentIds: some }).catch(unlessBug);
        if (outcome?.type !== 'done') break;
        for (const segmentId of some) this.#forgotten(segmentId, journal);
      }
    }
  }

  #forgotten(segmentId: string, journal: Journal): void {
    const left = this.#deleted.get(segmentId)!.filter((other) => other !== journal);
    if (left.length > 0) this.#deleted.set(segmentId, left);
    else this.#deleted.delete(segmentId);
  }
}

function ask(asked: Map<Journal, string[]>, journal: Journal, segmentId: string): void {
  const segmentIds = asked.get(journal);
  if (segmentIds) segmentIds.push(segmentId);
  else asked.set(journal, [segmentId]);
}

/** None when the journal cannot be asked now. */
async function condemnIn(journal: Journal, segmentIds: readonly string[]): Promise<ReadonlySet<string>> {
  const outcome = await journal.propose({ type: 'condemn', segmentIds }).catch(unlessBug);
  return new Set(outcome?.type === 'condemned' ? outcome.segmentIds : []);
}

/** A journal that cannot be asked now is asked in a later pass. */
function unlessBug(cause: unknown): null {
  if (toKafkaError(cause) !== null) return null;
  throw cause;
}

/** An upload that broke off, or damage: then every journal is asked. A store that does not answer ends the pass. */
function unreadable(cause: unknown): null {
  if (cause instanceof StorageCorruptError) return null;
  throw cause;
}
