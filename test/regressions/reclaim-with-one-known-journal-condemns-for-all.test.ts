/**
 * A broker that had heard of one journal only condemned segments without a look at their footers: what another journal, added
 * meanwhile by another broker, referred to was deleted.
 */
import { expect, test, vi } from 'vitest';
import { JournalReferences } from '../../src/lifecycle/journal-references.ts';
import { Reclaimer } from '../../src/lifecycle/reclaim.ts';
import { ReleasedSegments } from '../../src/lifecycle/released-segments.ts';
import { readBatchHeader } from '../../src/record/batch.ts';
import { buildBatch } from '../../src/record/records.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { layoutSegment } from '../../src/segment/build.ts';
import { segmentKey } from '../../src/segment/segment-id.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { SeatsWorld } from '../unit/cluster/seats-world.ts';
import { TOPIC, testRuntime } from '../unit/journal/harness.ts';

const ID = '019aa3b5ec00-1-1-0-9f86d081';
const HOUR_MS = 3_600_000;
const NEVER = new AbortController().signal;

/** What a pass of a broker that knows journal 0 alone condemns of a segment that names `journal`. */
async function condemned(journal: number, shared: boolean): Promise<number> {
  let aheadMs = 0;
  const clock = { now: () => systemClock.now() + aheadMs, monotonic: () => systemClock.monotonic() + aheadMs };
  const world = new SeatsWorld(1, new MemoryObjectStore({ clock }));
  const runtime = { ...testRuntime(), clock };
  const broker = world.broker(1, { runtime });
  await world.lead(broker, 0);
  const released = new ReleasedSegments(broker.seats);
  const references = new JournalReferences({ journals: broker.seats, released, remote: broker.remote });
  const { objects } = world.stores;
  const readLast = vi.spyOn(objects, 'readLast');
  const reclaimer = new Reclaimer({
    ...{ clusterId: 'c', journals: broker.seats, references, objects, runtime },
    ...{ delayMs: 120_000, orphanAgeMs: HOUR_MS, shared },
  });
  const bytes = buildBatch([{ key: null, value: 'x' }], { timestamp: 0 });
  const batches = [{ bytes, header: readBatchHeader(bytes, 0) }];
  const { parts } = layoutSegment(ID, [{ topicId: TOPIC, partition: 0, journal, batches }], 'fresh');
  await objects.create(segmentKey('c', ID), parts, { cause: 'ingest' });
  aheadMs = HOUR_MS;
  const counts = await reclaimer.pass(NEVER);
  reclaimer.close();
  released.close();
  await world.close();
  expect(readLast).toHaveBeenCalledTimes(shared ? 1 : 0);
  return counts.condemned;
}

test('a segment that names a journal of which the broker has not heard is left alone, also when it knows only one', async () => {
  expect(await condemned(1, true)).toBe(0);
  expect(await condemned(0, true)).toBe(1);
});

test('a broker that is alone with one journal reads no footers', async () => {
  expect(await condemned(0, false)).toBe(1);
});
