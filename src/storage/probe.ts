/**
 * Does this store keep the promise that everything rests on: of several creates of one key exactly one wins? Stores that
 * speak S3 and ignore `If-None-Match` answer success to all of them, and a segment or a snapshot could be overwritten. Two
 * creates race, a third comes when they are over; costs three PUTs per start.
 *
 * The store must be without a retrying decorator: a repeat would blur who won.
 */
import { StartupError, StorageUnavailableError } from '../errors.ts';
import { randomHex } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { probeObjectKey } from './keys.ts';
import type { ObjectStore } from './object-store.ts';

const OPTIONS = { cause: 'startup' } as const;
const NAME_BYTES = 16;

/** Throws StartupError for a store that does not enforce conditional create, StorageUnavailableError when it cannot be told. */
export async function probeConditionalCreate(
  objects: ObjectStore,
  clusterId: string,
  runtime: Pick<Runtime, 'random'>,
): Promise<void> {
  const key = probeObjectKey(clusterId, randomHex(runtime.random, NAME_BYTES));
  const create = (body: string) => objects.create(key, [Buffer.from(body)], OPTIONS);
  try {
    const racers = await Promise.allSettled([create('one'), create('two')]);
    const outcomes = racers.map((racer) => (racer.status === 'fulfilled' ? racer.value : 'unknown'));
    outcomes.push(await create('three'));
    if (outcomes.filter((outcome) => outcome === 'created').length > 1) {
      throw new StartupError(
        'the object store does not enforce conditional create (If-None-Match: *): several writers of one key all succeeded',
      );
    }
  } finally {
    await objects.delete([key], OPTIONS).catch((cause) => {
      if (!(cause instanceof StorageUnavailableError)) throw cause; // A probe that stays is a few bytes.
    });
  }
}
