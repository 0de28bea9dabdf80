/**
 * Whether bucket and table belong together. Each carries the incarnation of its cluster, a random id made once; a broker
 * refuses a pair that differs, because a journal that points into another bucket is a cluster that lost its data.
 *
 *                         item absent                      item 'creating'                  item 'complete'
 *   object absent         nothing there: create or refuse  creation died: go on or refuse   bucket swapped or emptied: refuse
 *   object, same id       —                                creation died: go on or refuse   fine
 *   object, another id    table lost or swapped: refuse    refuse                           refuse
 *
 * The item is written first and decides between racing creators; every step is safe to repeat.
 */
import { StartupError, StorageCorruptError } from '../errors.ts';
import { randomUuid } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { incarnationKey, incarnationObjectKey } from './keys.ts';
import { ABSENT, type Item, type MetadataStore, whenEquals } from './metadata-store.ts';
import type { ObjectStore } from './object-store.ts';

const OPTIONS = { cause: 'startup' } as const;
const OBJECT_BYTES_MAX = 1_024;
/** Raised when the object changes its meaning. */
const FORMAT = 1;

type State = 'creating' | 'complete';

export interface IncarnationOptions {
  /** Whether stores that hold nothing of this cluster may become its stores. */
  readonly create: boolean;
}

/** The incarnation of both stores. Throws StartupError when they do not belong together, or hold none and may not be given one. */
export async function checkIncarnation(
  objects: ObjectStore,
  metadata: MetadataStore,
  clusterId: string,
  { create }: IncarnationOptions,
  runtime: Pick<Runtime, 'random'>,
): Promise<string> {
  const [item, inBucket] = await Promise.all([
    metadata.get(incarnationKey(clusterId), OPTIONS),
    readObject(objects, clusterId),
  ]);
  const inTable = item && idOf(item);
  if (inTable === null && inBucket !== null) {
    throw refusal(clusterId, `the bucket has incarnation ${inBucket}, the table has none`);
  }
  if (inTable !== null && inBucket !== null && inTable !== inBucket) {
    throw refusal(clusterId, `the table has incarnation ${inTable}, the bucket ${inBucket}`);
  }
  if (inTable !== null && stateOf(item!) === 'complete') {
    if (inBucket === null) throw refusal(clusterId, `the table has incarnation ${inTable}, the bucket has none`);
    return inTable;
  }
  if (!create) {
    throw new StartupError(
      `the stores are not initialized for cluster ${clusterId}: run \`millrace storage init\` with the same settings`,
    );
  }
  return createIncarnation(objects, metadata, clusterId, runtime);
}

async function createIncarnation(
  objects: ObjectStore,
  metadata: MetadataStore,
  clusterId: string,
  runtime: Pick<Runtime, 'random'>,
): Promise<string> {
  const wanted = itemOf(clusterId, randomUuid(runtime.random), 'creating');
  const outcome = await metadata.put(wanted, ABSENT, OPTIONS);
  const decided = outcome.ok ? wanted : outcome.existing;
  if (!decided) throw refusal(clusterId, 'the table loses items');
  const incarnation = idOf(decided);

  const body = Buffer.from(JSON.stringify({ format: FORMAT, incarnation }));
  await objects.create(incarnationObjectKey(clusterId), [body], OPTIONS);
  const inBucket = await readObject(objects, clusterId);
  if (inBucket !== incarnation) {
    throw refusal(clusterId, `the table has incarnation ${incarnation}, the bucket ${inBucket ?? 'none'}`);
  }

  // Another creator, or an earlier attempt of ours, may have been here before.
  await metadata.put(itemOf(clusterId, incarnation, 'complete'), whenEquals({ incarnation }), OPTIONS);
  return incarnation;
}

const itemOf = (clusterId: string, incarnation: string, state: State): Item => ({
  ...incarnationKey(clusterId),
  body: Buffer.alloc(0),
  attributes: { incarnation, state },
});

const idOf = (item: Item): string => String(item.attributes['incarnation']);
const stateOf = (item: Item): State => item.attributes['state'] as State;

async function readObject(objects: ObjectStore, clusterId: string): Promise<string | null> {
  const key = incarnationObjectKey(clusterId);
  const bytes = await objects.read(key, { start: 0, end: OBJECT_BYTES_MAX }, OPTIONS);
  if (bytes === null) return null;
  if (bytes === 'archived') throw new StartupError(`${key} was moved to an archive class; copy it back to STANDARD`);
  try {
    const { format, incarnation } = JSON.parse(bytes.toString()) as { format?: unknown; incarnation?: unknown };
    if (format === FORMAT && typeof incarnation === 'string') return incarnation;
  } catch (cause) {
    throw new StorageCorruptError(`${key} is not JSON`, { cause });
  }
  throw new StorageCorruptError(`${key} has a format that this broker does not know`);
}

const refusal = (clusterId: string, why: string): StartupError =>
  new StartupError(
    `the stores of cluster ${clusterId} do not belong together: ${why}; give it the bucket, prefix and table that were made for it`,
  );
