/** A broker whose clock is wrong, by as much as the test says, over a store whose clock is right: listings tell its time. */
import { type Given, parseConfig } from '../../../src/config.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { openCore } from '../../../src/server.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { testRuntime } from '../journal/harness.ts';

export interface WrongClock {
  aheadMs: number;
}

export const wronglyTimed = (clock: WrongClock): Runtime => ({
  ...testRuntime(),
  clock: { now: () => systemClock.now() + clock.aheadMs, monotonic: () => systemClock.monotonic() },
});

/** `clock.lists` counts how often the store was asked for its time, `clock.onList` comes right before. The clock begins right. */
export async function openWronglyTimed(given: Given = {}) {
  const clock = { aheadMs: 0, lists: 0, onList: (): void => {} };
  const objects = new MemoryObjectStore();
  const list: MemoryObjectStore['list'] = async (...range) => {
    clock.lists++;
    clock.onList();
    return objects.list(...range);
  };
  const stores = { metadata: new MemoryMetadataStore(), objects: Object.assign(Object.create(objects), { list }) };
  const core = await openCore({ config: parseConfig(given), runtime: wronglyTimed(clock), stores });
  return { core, clock };
}
