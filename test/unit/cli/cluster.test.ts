/** `millrace cluster …` against the HTTP door of a cluster in memory. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ranges } from '../../../src/cli/commands/cluster.ts';
import { KafkaError } from '../../../src/errors.ts';
import { type HttpServer, listenHttp } from '../../../src/http/server.ts';
import { FakeOperations } from '../cluster/fake-operations.ts';
import { type HttpDoor, openDoor } from '../http/http-door.ts';
import { finish, start } from './run-command.ts';

let door: HttpDoor;
let server: HttpServer;
let cluster: FakeOperations;
let url: string;

beforeAll(async () => {
  door = await openDoor();
  const operations = new Proxy({} as FakeOperations, {
    get: (_, name) => Reflect.get(cluster, name).bind(cluster),
  });
  server = await listenHttp({ ...door.context, cluster: operations, listen: { host: '127.0.0.1', port: 0 } });
  url = `http://127.0.0.1:${server.address.port}`;
});
afterAll(async () => {
  await server.close();
  await door.close();
});
beforeEach(() => {
  cluster = new FakeOperations();
});

const millrace = (...argv: string[]) => finish(['cluster', ...argv], { url });

test('the cluster is shown in short', async () => {
  expect(await millrace('info')).toEqual({
    status: 0,
    stdout: `cluster     orders-eu
store       s3://streams/prod
table       streams
controller  broker 2
brokers     3 live
journals    4, all led
zones       eu-west-1a, eu-west-1b
version     1.2.3
`,
    stderr: '',
  });
  const { stdout } = await millrace('info', '--output', 'json');
  expect(JSON.parse(stdout)).toMatchObject({ cluster_id: 'orders-eu', controller_id: 2, journals: { count: 4 } });
  expect((await millrace('info', '--output', 'ndjson')).stdout.split('\n')).toHaveLength(2);
});

test('what is not as it should be is seen at once', async () => {
  cluster.controllerId = null;
  cluster.leaders[2] = null;
  cluster.gone = [3];
  await cluster.drain(1);
  const { stdout } = await millrace('info');
  expect(stdout).toContain('controller  none now\n');
  expect(stdout).toContain('brokers     2 live (1 draining), 1 gone\n');
  expect(stdout).toContain('journals    4, 3 led\n');
});

test('brokers are listed', async () => {
  cluster.gone = [3];
  cluster.members[0] = { ...cluster.members[0]!, draining: true };
  expect(await millrace('brokers')).toEqual({
    status: 0,
    stdout: `BROKER  STATE     ROLE        ZONE        JOURNALS  KAFKA          HTTP           VERSION  STARTED
     1  draining  -           eu-west-1a  0,3       broker-1:9092  broker-1:8080  1.2.3    2023-11-14T22:13:20Z
     2  live      controller  eu-west-1b  1         broker-2:9092  broker-2:8080  1.2.3    2023-11-14T22:13:20Z
     3  gone      -           eu-west-1b  2         broker-3:9092  broker-3:8080  1.2.3    2023-11-14T22:13:20Z
`,
    stderr: '',
  });
  const { stdout } = await millrace('brokers', '--output', 'json');
  expect(JSON.parse(stdout)[1]).toEqual({
    broker_id: 2,
    broker_epoch: 1,
    state: 'live',
    controller: true,
    zone: 'eu-west-1b',
    kafka: 'broker-2:9092',
    http: 'broker-2:8080',
    internal: 'broker-2:7070',
    version: '1.2.3',
    started_at: 1_700_000_000_000,
    journals: [1],
  });
});

test('journals are listed with where they move', async () => {
  cluster.leaders[1] = null;
  cluster.assigned[3] = 2;
  expect(await millrace('journals')).toEqual({
    status: 0,
    stdout: `JOURNAL  LEADER  EPOCH  MOVES TO
      0       1      5         -
      1       -      -         2
      2       3      7         -
      3       1      8         2
`,
    stderr: '',
  });
  const { stdout } = await millrace('journals', '--output', 'ndjson');
  expect(JSON.parse(stdout.split('\n')[3]!)).toEqual({ journal: 3, leader_id: 1, epoch: 8, assigned_to: 2 });
});

test('a journal is moved', async () => {
  expect(await millrace('move', '3', '2')).toEqual({
    status: 0,
    stdout: '',
    stderr: 'broker 2 leads journal 3, in epoch 8\n',
  });
  expect(cluster.leaders[3]).toBe(2);
});

test('a broker is drained and given its share again', async () => {
  expect(await millrace('drain', '1')).toEqual({
    status: 0,
    stdout: '',
    stderr: 'broker 1 is drained: others lead journals 0,3\n',
  });
  expect(await millrace('drain', '1')).toMatchObject({ stderr: 'broker 1 is drained: it led no journals\n' });
  expect(await millrace('drain', '3')).toMatchObject({ stderr: 'broker 3 is drained: others lead journal 2\n' });
  expect(await millrace('undrain', '1')).toMatchObject({ status: 0, stderr: 'broker 1 takes its share again\n' });
  expect(cluster.members[0]!.draining).toBe(false);
  cluster.gone = [3];
  const stderr = 'broker 3 is gone, and takes its share when it is back\n';
  expect(await millrace('undrain', '3')).toMatchObject({ status: 0, stderr });
});

test('journals are added', async () => {
  // Without the environment: the option is that of `add`, not of `journals`.
  expect(await finish(['cluster', 'journals', 'add', '2', '--url', url])).toEqual({
    status: 0,
    stdout: '',
    stderr: 'there are 6 journals, 4 before\n',
  });
});

test.each([
  [['drain', '1'], 'Drain broker 1? Others take over its journals, and its clients. [y/N] ', 'n', 1],
  [['drain', '1'], 'Drain broker 1? Others take over its journals, and its clients. [y/N] ', 'y', 0],
  [['journals', 'add', '1'], 'Add 1 journal? They cannot be removed again. [y/N] ', 'n', 1],
])('before %j a person is asked', async (argv, question, answer, status) => {
  const command = start(['cluster', ...argv], { url, isTerminal: true });
  command.stdin.end(`${answer}\n`);
  expect(await command.status).toBe(status);
  expect(command.stderr().startsWith(question)).toBe(true);
  expect(cluster.members[0]!.draining).toBe(status === 0);
  expect(cluster.leaders).toHaveLength(4);
});

test.each([
  [['move', '9', '1'], 3, 'there is no journal 9'],
  [['move', '0', '9'], 3, 'there is no broker 9'],
  [['drain', '9'], 3, 'there is no broker 9'],
  [['undrain', '9'], 3, 'there is no broker 9'],
  [['move', 'x', '1'], 2, '<journal> is "x"'],
  [['drain', 'x'], 2, '<broker> is "x"'],
  [['journals', 'add', '0'], 2, '<count> is "0"'],
  [['move', '0'], 2, "missing required argument 'broker'"],
  [['grow'], 2, "unknown command 'grow'"],
])('%j fails with status %i', async (argv, status, why) => {
  const { stdout, stderr, ...run } = await millrace(...argv);
  expect([run.status, stdout]).toEqual([status, '']);
  expect(stderr).toContain(why);
});

test('what takes longer than one request is asked for again until it is done', async () => {
  cluster.failure = new KafkaError('REQUEST_TIMED_OUT', 'journal 0 is still on its way to broker 2');
  expect(await millrace('move', '0', '2')).toMatchObject({ status: 0 });
  cluster.failure = new KafkaError('INVALID_REQUEST', 'broker 2 is draining');
  expect(await millrace('move', '0', '2')).toMatchObject({ status: 1, stderr: 'millrace: broker 2 is draining\n' });
});

test('runs of numbers are written together', () => {
  expect(ranges([])).toBe('');
  expect(ranges([4])).toBe('4');
  expect(ranges([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
});
