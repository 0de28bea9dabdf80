/** `millrace group …` against a real broker on embedded stores in this process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { parseConfig } from '../../../src/config.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { type BrokerServer, startBroker } from '../../../src/server.ts';
import { finish, start } from './run-command.ts';

let directory: string;
let broker: BrokerServer;
let client: Client;
let url: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  const config = parseConfig({ data: join(directory, 'data'), kafka: '127.0.0.1:0', http: '127.0.0.1:0' });
  broker = await startBroker(config, systemRuntime(silentLogger));
  url = `http://127.0.0.1:${broker.http.port}`;
  client = new Client({ url });
  await client.createTopic({ name: 'orders', partitions: 2 });
  await finish(['produce', 'orders', '-p', '0'], { url, input: '1\n2\n3\n4\n5\n' });
});
afterAll(async () => {
  await broker.stop();
  rmSync(directory, { recursive: true });
});
beforeEach(async () => {
  await client.groups.checkpoint('billing', [{ topic: 'orders', partition: 0, offset: 3 }]);
});

const millrace = (...argv: string[]) => finish(['group', ...argv], { url });
const committed = async (group = 'billing') =>
  (await client.groups.offsets(group)).map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`);

test('groups are listed', async () => {
  const table = await millrace('list');
  expect(table).toEqual({
    status: 0,
    stdout: 'GROUP    TYPE     STATE  PROTOCOL TYPE  MEMBERS\nbilling  classic  Empty              -        0\n',
    stderr: '',
  });
  const json = await millrace('list', '--prefix', 'bil', '--state', 'Empty', '--type', 'classic', '--output', 'ndjson');
  expect(JSON.parse(json.stdout)).toMatchObject({ group: 'billing', members: 0 });
  expect((await millrace('list', '--prefix', 'x', '--output', 'json')).stdout).toBe('[]\n');
  expect(await millrace('list', '--state', 'Sleeping')).toMatchObject({ status: 1, stdout: '' });
});

test('a group is described', async () => {
  const { stdout } = await millrace('describe', 'billing', '--output', 'json');
  expect(JSON.parse(stdout)).toMatchObject({ group: 'billing', state: 'Empty', protocol: null, member_details: [] });
  expect((await millrace('describe', 'billing')).stdout).toMatch(/^GROUP .*\nbilling .*\n$/);
});

test('the lag is shown by partition', async () => {
  expect(await millrace('lag', 'billing')).toEqual({
    status: 0,
    stdout:
      'TOPIC   PARTITION  COMMITTED OFFSET  HIGH WATERMARK  LAG  CLIENT ID  CLIENT HOST\n' +
      'orders          0                 3               5    2          -            -\n',
    stderr: 'billing is Empty, 2 records behind\n',
  });
  const { stdout, stderr } = await millrace('lag', 'billing', '--output', 'ndjson');
  expect([JSON.parse(stdout).lag, stderr]).toEqual([2, '']);
});

describe('seek', () => {
  test.each([
    [['--to', 'earliest'], 0],
    [['--to', 'end'], 5],
    [['--to', '4'], 4],
    [['--to', '@0'], 0],
    [['--to', '@2100-01-01T00:00:00Z'], 5],
    [['--shift', '1'], 4],
    [['--shift=-2'], 1],
  ])('%j leads to %i', async (flags, offset) => {
    expect(await millrace('seek', 'billing', ...flags, '--dry-run')).toEqual({
      status: 0,
      stdout: `TOPIC   PARTITION  BEFORE  OFFSET\norders          0       3       ${offset}\n`,
      stderr: 'dry run: nothing was changed\n',
    });
    expect(await committed()).toEqual(['orders/0@3']);
    expect(await millrace('seek', 'billing', ...flags)).toMatchObject({ status: 0, stderr: '' });
    expect(await committed()).toEqual([`orders/0@${offset}`]);
  });

  test('moves the partitions that are named', async () => {
    await millrace('seek', 'fresh', '--to', 'latest', '-t', 'orders');
    expect(await committed('fresh')).toEqual(['orders/0@5', 'orders/1@0']);
    await millrace('seek', 'fresh', '--to', 'earliest', '-t', 'orders', '-p', '0', '--output', 'json');
    expect(await committed('fresh')).toEqual(['orders/0@0', 'orders/1@0']);
    await millrace('delete', 'fresh');
  });

  test.each([
    [[]],
    [['--to', 'earliest', '--shift', '1']],
    [['--to', 'yesterday']],
    [['--shift', 'far']],
    [['--to', 'earliest', '-p', '0']],
    [['--to', 'earliest', '-t', 'orders', '-p', 'x']],
  ])('%j is wrong usage', async (flags) => {
    expect(await millrace('seek', 'billing', ...flags)).toMatchObject({ status: 2, stdout: '' });
  });

  test('of what does not exist fails with status 3', async () => {
    expect(await millrace('seek', 'none', '--to', 'earliest')).toMatchObject({ status: 3, stdout: '' });
    expect(await millrace('seek', 'billing', '--to', 'earliest', '-t', 'none')).toMatchObject({ status: 3 });
  });
});

test('a group is deleted', async () => {
  expect(await millrace('delete', 'billing')).toEqual({ status: 0, stdout: '', stderr: 'deleted billing\n' });
  expect(await millrace('delete', 'billing')).toMatchObject({ status: 3 });
  expect(await millrace('describe', 'billing')).toMatchObject({ status: 3 });
});

test.each([
  ['n', 1],
  ['y', 0],
])('a person is asked, and %j is obeyed', async (answer, status) => {
  const command = start(['group', 'delete', 'billing'], { url, isTerminal: true });
  command.stdin.end(`${answer}\n`);
  expect(await command.status).toBe(status);
  expect(command.stderr()).toMatch(/^Delete group billing with its offsets\? \[y\/N\] /);
  expect(await committed()).toEqual(status === 0 ? [] : ['orders/0@3']);
});

test('a checkpoint that expects something else tells what is committed', async () => {
  const checkpoint = client.groups.checkpoint('billing', [{ topic: 'orders', partition: 0, offset: 5, expected: 1 }]);
  await expect(checkpoint).rejects.toMatchObject({
    code: 'OFFSET_MISMATCH',
    status: 412,
    mismatches: [{ topic: 'orders', partition: 0, expected: 1, actual: 3 }],
  });
});
