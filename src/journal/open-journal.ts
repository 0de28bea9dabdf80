import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { EntryWriter } from './entry-writer.ts';
import { InlineBodies } from './inline-bodies.ts';
import type { Journal } from './journal.ts';
import { journalMetrics } from './journal-metrics.ts';
import { JournalStore } from './journal-store.ts';
import { LeadingJournal } from './leader.ts';
import { MAINTENANCE_LIMITS, Maintenance, type MaintenanceLimits } from './maintenance.ts';
import { takeOver } from './takeover.ts';

export interface OpenJournalOptions {
  /** Which journal of the cluster, from 0. */
  readonly id: number;
  readonly clusterId: string;
  readonly brokerId: number;
  /** New with every start of the broker. */
  readonly brokerEpoch: number;
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly runtime: Runtime;
  /** Ends an attempt to take over that waits for a store. */
  readonly signal?: AbortSignal;
  /** Whether a slow put is sent twice. By default where requests cost something: there is a network in between. */
  readonly hedge?: boolean;
  /** A put without an answer for this long is repeated. */
  readonly attemptMsMax?: number;
  readonly limits?: Partial<MaintenanceLimits>;
  /** Asks who leads to let go, when everything was read; see `TakeoverContext`. */
  readonly handOver?: () => Promise<void>;
  /** Called once, in the turn in which the journal is no longer led here; its `role` has changed already. */
  readonly onEnded?: () => void;
}

export interface OpenedJournal extends Journal {
  /** Takes nothing in any more and stops leading once the put under way has an outcome. */
  relinquish(): Promise<void>;
  /** Stops leading at once: the outcome of a put under way stays unknown. Stores stay open. */
  close(): Promise<void>;
}

/** Far above what any put takes that will ever be answered. */
const ATTEMPT_MS_MAX = 3_000;

/**
 * Takes a journal over and leads it: loads the newest snapshot, reads to the end, fences everyone before. Resolves once
 * this process leads; waits for a store that is away. Rejects with StorageCorruptError (which names entry or snapshot),
 * StartupError (written by a newer version), or the signal's reason.
 */
export async function openJournal(options: OpenJournalOptions): Promise<OpenedJournal> {
  const { metadata, objects, runtime, id, brokerId, brokerEpoch, handOver, onEnded = () => {} } = options;
  const abort = new AbortController();
  const forward = () => abort.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  options.signal?.addEventListener('abort', forward, { once: true });
  const { signal } = abort;
  const store = new JournalStore(metadata, objects, options.clusterId, id, signal);
  const hedge = options.hedge ?? metadata.pricing.writeUnit > 0;
  const writer = new EntryWriter(
    metadata,
    runtime,
    { hedge, attemptMsMax: options.attemptMsMax ?? ATTEMPT_MS_MAX },
    signal,
  );
  const metrics = journalMetrics(runtime, id);
  try {
    const taken = await takeOver({
      ...{ store, writer, runtime, brokerId, brokerEpoch, signal },
      ...(handOver && { handOver }),
    });
    const limits = { ...MAINTENANCE_LIMITS, ...options.limits };
    const { state, pointer, uncovered } = taken;
    const maintenance = new Maintenance({ store, state, pointer, uncovered, runtime, metrics, limits, signal });
    const bodies = new InlineBodies(store);
    const journal = new LeadingJournal(taken, { store, writer, runtime, bodies, maintenance, metrics, abort, onEnded });
    metrics.leading(true);
    maintenance.start();
    return journal;
  } finally {
    // From here on the journal lives until `close`.
    options.signal?.removeEventListener('abort', forward);
  }
}
