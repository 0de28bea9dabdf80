import { expect, test } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { Crew, type CrewMember } from './crew.ts';

const LIMIT_MS = 60_000;

/** What the history holds once a crew has come to rest, or not, over a queue of which so much is left after so long. */
async function unsettled(left: (ms: number) => number): Promise<{ readonly what: string; readonly ms: number }[]> {
  const found: { what: string; ms: number }[] = [];
  let ms = 0;
  const sleep = async (delayMs: number): Promise<void> => {
    ms += delayMs;
  };
  const world = {
    draining: true,
    time: { sleep },
    topics: { size: 1, all: () => [{ topicId: 't', partitions: 1 }] },
    history: { add: ({ what }: { readonly what: string }) => found.push({ what, ms }) },
  } as unknown as World;
  const member: CrewMember = { run: async () => {}, standing: { generation: 1, partitions: ['t-0'] } };
  const crew = new Crew(world, 'g', new SeededRandom(1), () => ({ count: left(ms), what: `${left(ms)} wait` }));
  await crew.run([member]);
  return found;
}

test('members who share what is left are at rest when nothing is, however long it takes while it gets less', async () => {
  expect(await unsettled((ms) => Math.max(0, 150 - ms / 1_000))).toEqual([]);
});

test('members are stuck when nothing has got less for a minute', async () => {
  const [stuck] = await unsettled((ms) => Math.max(10, 20 - ms / 1_000));
  expect(stuck!.what).toBe('10 wait');
  expect(stuck!.ms).toBeGreaterThanOrEqual(LIMIT_MS);
  expect(stuck!.ms).toBeLessThan(LIMIT_MS + 11_000);
});

test('it does not help that more comes', async () => {
  expect(await unsettled((ms) => 1 + ms / 1_000)).toHaveLength(1);
});
