/**
 * Which stores a configuration names, opened, checked and decorated. The only file that names adapters; those of AWS are
 * loaded only when configured, because their SDK takes longer to load than everything else.
 *
 *   caller ─► retrying ─► metered ─► adapter
 *
 * Opening checks what a broker must not run without: S3 enforces conditional create, and bucket and table belong together.
 */
import type { Config } from './config.ts';
import { StartupError } from './errors.ts';
import { crc32c } from './record/crc32c.ts';
import type { Runtime } from './runtime/runtime.ts';
import { checkIncarnation } from './storage/incarnation.ts';
import type { MetadataStore } from './storage/metadata-store.ts';
import { StorageMeter } from './storage/meter.ts';
import { meteredMetadataStore, meteredObjectStore } from './storage/metered.ts';
import type { ObjectStore } from './storage/object-store.ts';
import { type Patience, STARTUP_PATIENCE, whenStoreAnswers } from './storage/patience.ts';
import { probeConditionalCreate } from './storage/probe.ts';
import { retryingMetadataStore, retryingObjectStore } from './storage/retrying.ts';

export type StoresKind = 'embedded' | 'aws' | 'memory';

export interface Stores {
  readonly objects: ObjectStore;
  readonly metadata: MetadataStore;
  /** What went to both, repeated requests included. */
  readonly meter: StorageMeter;
  readonly kind: StoresKind;
  /** The random id that both stores carry. */
  readonly incarnation: string;
  close(): Promise<void>;
}

/**
 * The stores of a broker. Waits for stores that are away, a minute at most; throws StartupError when they stay away,
 * refuse, break their promises, or do not belong together.
 *
 * @example
 * const stores = await openStores(parseConfig({ data: './millrace-data' }), systemRuntime(logger));
 */
export async function openStores(
  config: Config,
  runtime: Runtime,
  signal?: AbortSignal,
  patience: Patience = STARTUP_PATIENCE,
): Promise<Stores> {
  if (config.store === '') return openEmbedded(config, runtime);
  return openAws(config, runtime, signal ? { ...patience, signal } : patience);
}

async function openEmbedded(config: Config, runtime: Runtime): Promise<Stores> {
  const { openEmbeddedStores } = await import('./storage/embedded/open.ts');
  const opened = await openEmbeddedStores({ directory: config.data, runtime });
  const { objects, metadata, meter } = decorated(opened.objects, opened.metadata, runtime);
  const close = () => opened.close();
  try {
    // One directory, made as a whole: nothing to keep apart, so the first start creates.
    const incarnation = await checkIncarnation(objects, metadata, config.cluster, { create: true }, runtime);
    return { objects, metadata, meter, kind: 'embedded', incarnation, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function openAws(config: Config, runtime: Runtime, patience: Patience): Promise<Stores> {
  const { objects: s3, metadata: dynamo } = await awsAdapters(config, runtime);
  const close = async () => {
    await Promise.all([s3.close(), dynamo.close()]);
  };
  try {
    const meter = new StorageMeter(runtime);
    const probed = meteredObjectStore(s3, meter);
    const metered = meteredMetadataStore(dynamo, meter);
    const probe = () => probeConditionalCreate(probed, config.cluster, runtime);
    await whenStoreAnswers(`the object store ${config.store}`, runtime, probe, patience);
    const objects = retryingObjectStore(probed, runtime);
    const check = () => checkIncarnation(objects, metered, config.cluster, { create: false }, runtime);
    const incarnation = await whenStoreAnswers(`the table ${config.table}`, runtime, check, patience);
    const metadata = retryingMetadataStore(metered, runtime);
    return { objects, metadata, meter, kind: 'aws', incarnation, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** Stores that the caller keeps, in memory mostly and perhaps with faults around them: for tests and simulation. */
export async function openGivenStores(
  given: { readonly objects: ObjectStore; readonly metadata: MetadataStore },
  clusterId: string,
  runtime: Runtime,
): Promise<Stores> {
  const { objects, metadata, meter } = decorated(given.objects, given.metadata, runtime);
  const incarnation = await checkIncarnation(objects, metadata, clusterId, { create: true }, runtime);
  return { objects, metadata, meter, kind: 'memory', incarnation, close: async () => {} };
}

/** Both stores behind retries and one meter. */
function decorated(
  objects: ObjectStore,
  metadata: MetadataStore,
  runtime: Runtime,
): Pick<Stores, 'objects' | 'metadata' | 'meter'> {
  const meter = new StorageMeter(runtime);
  return {
    objects: retryingObjectStore(meteredObjectStore(objects, meter), runtime),
    metadata: retryingMetadataStore(meteredMetadataStore(metadata, meter), runtime),
    meter,
  };
}

export interface Initialized {
  readonly bucket: 'created' | 'found';
  readonly table: 'created' | 'found';
  readonly incarnation: string;
}

/** `millrace storage init`: bucket, table and incarnation, whichever is missing. Safe to repeat. */
export async function initStorage(
  config: Pick<Config, 'store' | 'table' | 'cluster'>,
  runtime: Runtime,
): Promise<Initialized> {
  if (config.store === '') throw new StartupError('embedded stores need no init: the first start creates them');
  const { objects, metadata, createBucket, createTable } = await awsAdapters(config, runtime);
  try {
    const once: Patience = { totalMs: 0, pauseMs: 0 };
    const bucket = await whenStoreAnswers(`the object store ${config.store}`, runtime, createBucket, once);
    const table = await whenStoreAnswers(`the table ${config.table}`, runtime, createTable, once);
    await probeConditionalCreate(objects, config.cluster, runtime);
    const both = decorated(objects, metadata, runtime);
    const incarnation = await checkIncarnation(both.objects, both.metadata, config.cluster, { create: true }, runtime);
    return { bucket: bucket ? 'created' : 'found', table: table ? 'created' : 'found', incarnation };
  } finally {
    await Promise.all([objects.close(), metadata.close()]);
  }
}

/** The bucket of `s3://bucket/path` as a store, and the path in it: a key or a prefix. For tools; not metered. */
export async function openObjectStoreFor(
  url: string,
  runtime: Runtime,
): Promise<{ readonly objects: ObjectStore; readonly path: string }> {
  const { openS3, parseS3Url } = await import('./storage/s3/open.ts');
  const { bucket, prefix } = parseS3Url(url);
  const { objects } = await openS3({ bucket, prefix: '' }, { timers: runtime.timers, crc32c });
  return { objects: retryingObjectStore(objects, runtime), path: prefix };
}

async function awsAdapters({ store, table }: Pick<Config, 'store' | 'table'>, { timers }: Runtime) {
  const [s3, dynamo] = await Promise.all([import('./storage/s3/open.ts'), import('./storage/dynamodb/open.ts')]);
  return {
    ...(await s3.openS3(s3.parseS3Url(store), { timers, crc32c })),
    ...(await dynamo.openDynamoDb(table, timers)),
  };
}
