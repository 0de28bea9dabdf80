/** Files of the embedded stores with one wrong bit: told exactly, and no other partition suffers. */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Broker, type BrokerStores, makeStores } from './broker.ts';
import { HttpClient } from './http-client.ts';

/** Too large for a journal entry. */
const LARGE_BYTES = 400_000;

let stores: BrokerStores;
let broker: Broker;
afterEach(async () => {
  await broker?.kill();
  await stores?.close();
});

/** A broker with a topic of one partition for each name. */
async function brokerWith(topics: readonly string[], journals: number): Promise<void> {
  stores = await makeStores('embedded');
  broker = await Broker.start(stores, { environment: { MILLRACE_JOURNALS: String(journals) } });
  const client = new HttpClient(broker.url);
  for (const topic of topics) await client.createTopic(topic, 1);
}

const send = (topic: string, value: string): Promise<void> =>
  new HttpClient(broker.url).produce(topic, `${JSON.stringify({ value })}\n`, value.slice(0, 50));

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly detail?: string;
  readonly records?: readonly { readonly value: string }[];
}

async function read(topic: string): Promise<Answer> {
  const response = await fetch(`${broker.url}/v1/topics/${topic}/partitions/0/records`);
  return { ...((await response.json()) as object), status: response.status };
}

/** Turns over one bit of the first file of the data directory that holds `text`. Tells which file, and where. */
function damage(pattern: string, text: string): { readonly file: string; readonly position: number } {
  const directory = stores.flags[1]!;
  for (const path of globSync(join(directory, pattern))) {
    const bytes = readFileSync(path);
    const position = bytes.indexOf(text);
    if (position === -1) continue;
    bytes[position]! ^= 1;
    writeFileSync(path, bytes);
    return { file: relative(directory, path), position };
  }
  throw new Error(`nothing under ${pattern} holds ${text}`);
}

test('a damaged segment is named with partition and offsets, the other partitions in it are read', async () => {
  await brokerWith(['whole', 'damaged'], 1);
  const large = (topic: string) => `${topic} `.padEnd(LARGE_BYTES, 'x');
  await Promise.all([send('whole', large('whole')), send('damaged', large('damaged'))]);
  await send('damaged', 'behind it');
  await broker.stop();
  const { file } = damage('objects/*/*/*', 'damaged xxx');
  await broker.start();

  const answer = await read('damaged');
  expect(answer).toMatchObject({ status: 503, code: 'KAFKA_STORAGE_ERROR' });
  const segment = file.split('/').at(-1)!;
  expect(answer.detail).toMatch(
    new RegExp(
      `^segment ${segment} is damaged at byte \\d+: partition \\S+-0, offsets 0 to 1: the CRC of a batch is wrong$`,
    ),
  );
  expect(broker.log).toContain(answer.detail);
  expect((await read('whole')).records).toMatchObject([{ value: large('whole') }]);
  const behind = await fetch(`${broker.url}/v1/topics/damaged/partitions/0/records?from=1`);
  expect(((await behind.json()) as Answer).records).toMatchObject([{ value: 'behind it' }]);
  await send('damaged', 'and on');
});

test('a damaged journal is named with item, file and byte, the partitions of the other journals work', async () => {
  const topics = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
  await brokerWith(topics, 4);
  for (const topic of topics) await send(topic, `${topic}, inline`);
  await broker.kill();
  const { file, position } = damage('metadata/*.log', 'five, inline');
  await broker.start();

  const told = /item \\"millrace\/journal\/(\d)\\" \/ \\"\S+\\" is damaged: (\S+) at byte (\d+)/.exec(broker.log);
  expect(told?.[2]).toBe(file);
  expect(position - Number(told?.[3])).toBeLessThan(4_096);
  const answers = await Promise.all(topics.map(read));
  const unavailable = answers.filter(({ status }) => status === 503);
  expect(answers[topics.indexOf('five')]).toMatchObject({ status: 503, code: 'NOT_LEADER_OR_FOLLOWER' });
  for (const { detail } of unavailable) expect(detail).toBe(`nobody is known to lead journal ${told?.[1]}`);
  const working = topics.filter((_, index) => answers[index]!.status === 200);
  expect(working.length).toBeGreaterThan(0);
  for (const topic of working) {
    await send(topic, 'and on');
    expect((await read(topic)).records).toMatchObject([{ value: `${topic}, inline` }, { value: 'and on' }]);
  }
});

test('with its only journal damaged the broker does not start, and says where the damage is', async () => {
  await brokerWith(['only'], 1);
  await send('only', 'only, inline');
  await send('only', 'behind it'); // Damage at the very end cannot be told from a write that a crash cut short.
  await broker.kill();
  const { file } = damage('metadata/*.log', 'only, inline');
  await expect(broker.start()).rejects.toThrow(
    new RegExp(
      `ended with status 1 .*millrace: item "millrace/journal/0" / "\\S+" is damaged: ${file} at byte \\d+`,
      's',
    ),
  );
});
