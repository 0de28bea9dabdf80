/**
 * A queue with slow and failing share consumers, one of which is killed and one stalls: every record is accepted or
 * rejected, or dead after its delivery limit, and nothing is left.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { KAFKA_CLASS_PATH } from '../../stand-ins/clients.ts';
import { storesKinds } from '../broker.ts';
import { run } from '../run.ts';
import { missingPrograms, Stage, skipWithReason, until } from './programs.ts';

const PARTITIONS = 3;
const RECORDS = 300;
const BATCH = 15;
const DELIVERIES_MAX = 5;
const LOCK_MS = 4_000;
const TOPIC = 'jobs';
const GROUP = 'queue';

/** What a record is called says what becomes of it. */
const nameOf = (index: number): string =>
  index % 20 === 7
    ? `poison-${index}`
    : index % 20 === 13
      ? `refuse-${index}`
      : index % 100 === 50
        ? `slow-${index}`
        : `fine-${index}`;

describe.each(storesKinds())('on %s', (kind) => {
  const missing = missingPrograms();
  if (missing !== null) return skipWithReason(missing);
  let stage: Stage;
  afterEach(() => stage?.close());

  const tool = async (main: string, ...rest: string[]): Promise<string> => {
    const command = ['java', '-XX:TieredStopAtLevel=1', '-cp', KAFKA_CLASS_PATH, main];
    return (await run([...command, '--bootstrap-server', stage.broker.kafka, ...rest])).stdout.toString();
  };

  test('every record is accepted, rejected, or dead after its delivery limit', async () => {
    stage = await Stage.open(kind, {
      MILLRACE_GROUP_SHARE_RECORD_LOCK_DURATION_MS: String(LOCK_MS),
      MILLRACE_GROUP_SHARE_DELIVERY_COUNT_LIMIT: String(DELIVERIES_MAX),
    });
    await stage.topic(TOPIC, PARTITIONS);
    const group = ['--entity-type', 'groups', '--entity-name', GROUP, '--alter'];
    await tool('kafka.admin.ConfigCommand', ...group, '--add-config', 'share.auto.offset.reset=earliest');
    const producer = stage.kafka.producer();
    await producer.connect();
    const names = Array.from({ length: RECORDS }, (_, index) => nameOf(index));
    /** In small batches: members are given whole ones. */
    const send = async (from: number, end: number) => {
      for (let start = from; start < end; start += BATCH) {
        const batch = names.slice(start, Math.min(end, start + BATCH));
        const messages = batch.map((value, index) => ({ value, partition: (start + index) % PARTITIONS }));
        await producer.send({ topic: TOPIC, messages });
      }
    };
    const join = () => stage.start('ShareWorker', TOPIC, GROUP, LOCK_MS + 1_000);
    const told = (word: string) => stage.programs.flatMap((worker) => worker.told(word).map(([, name]) => name!));

    await send(0, RECORDS / 2);
    const [first, second, third] = [join(), join(), join()];
    await until('all work', () => [first, second, third].every((worker) => worker.told('delivered').length > 0));
    await first.kill();
    join();
    await send(RECORDS / 2, RECORDS);
    second.freeze();
    await pause(LOCK_MS + 500);
    second.thaw();
    await producer.disconnect();

    const deliveries = () => {
      const most = new Map<string, number>();
      for (const [, name, delivery] of stage.programs.flatMap((worker) => worker.told('delivered'))) {
        most.set(name!, Math.max(most.get(name!) ?? 0, Number(delivery)));
      }
      return most;
    };
    const backlog = () =>
      tool('org.apache.kafka.tools.consumer.group.ShareGroupCommand', '--describe', '--group', GROUP);
    const ends = (await stage.admin.fetchTopicOffsets(TOPIC)).map(({ partition, high }) => [partition, Number(high)]);
    await until(
      'nothing is left',
      async () => {
        const described = await backlog();
        return ends.every(([partition, end]) => new RegExp(`${TOPIC}\\s+${partition}\\s+${end}\\s`).test(described));
      },
      50_000,
    );

    const [accepted, rejected] = [new Set(told('accept')), new Set(told('reject'))];
    /** The worker that was killed may have been answered without a chance to tell. */
    const unsure = first.last('acknowledges');
    for (const name of names.filter((name) => name !== unsure)) {
      const expected = name.startsWith('poison') ? 'dead' : name.startsWith('refuse') ? 'rejected' : 'accepted';
      expect(accepted.has(name) ? 'accepted' : rejected.has(name) ? 'rejected' : 'dead', name).toBe(expected);
    }
    for (const [name, count] of deliveries()) {
      expect(count, name).toBeLessThanOrEqual(DELIVERIES_MAX);
      // The last one may have gone to the worker that was killed.
      if (name.startsWith('poison')) expect(count, name).toBeGreaterThanOrEqual(DELIVERIES_MAX - 1);
    }
    const more = stage.programs.reduce((sum, worker) => sum + worker.told('delivered').length, 0);
    process.stdout.write(`  ${RECORDS} records, ${more} deliveries, ${told('late').length} too late\n`);
    expect(stage.broker.log).toBe('');
  });
});
