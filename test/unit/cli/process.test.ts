/** The command as a process of its own: what only a process has, its streams, signals and exit status. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

// Several processes start here, perhaps on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const root = join(import.meta.dirname, '..', '..', '..');
const children: ChildProcess[] = [];
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-process-'));
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Resolves with all of stdout so far once it holds this line. */
  line(wanted: string): Promise<string>;
}

function start(program: string, ...argv: string[]): Run {
  const child = spawn(process.execPath, [program, ...argv], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const line = (wanted: string) =>
    new Promise<string>((resolve, reject) => {
      child.stdout.on('data', () => {
        if (stdout.split('\n').includes(wanted)) resolve(stdout);
      });
      child.once('exit', () => reject(new Error(`ended without ${wanted}: ${stderr}`)));
    });
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
  return { child, ended, line };
}

const main = 'src/cli/main.ts';
const free = ['--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0'];

describe('millrace serve', () => {
  test('says where it listens, says ready, and ends with 0 on SIGTERM', async () => {
    const serve = start(main, 'serve', '--data', join(directory, 'data'), ...free);
    const stdout = await serve.line('ready');
    expect(stdout).toMatch(/^millrace \d+\.\d+\.\d+ kafka=127\.0\.0\.1:\d+ http=127\.0\.0\.1:\d+\nready\n$/);

    const url = `http://${/http=(\S+)/.exec(stdout)![1]}`;
    const list = start('src/cli/millrace.js', 'topic', 'list', '--url', url);
    expect(await list.ended).toEqual({ status: 0, stdout: 'NAME  PARTITIONS  TOPIC ID\n', stderr: '' });

    const second = start(main, 'serve', '--data', join(directory, 'data'), ...free);
    const refused = await second.ended;
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);

    serve.child.kill('SIGTERM');
    expect(await serve.ended).toMatchObject({ status: 0 });
  });

  test('ends in order when the signal of one Ctrl-C arrives twice, from the terminal and from npm', async () => {
    const serve = start(main, 'serve', '--data', join(directory, 'twice'), ...free);
    await serve.line('ready');
    serve.child.kill('SIGINT');
    serve.child.kill('SIGTERM');
    const { status, stderr } = await serve.ended;
    expect(status).toBe(0);
    expect(stderr).toContain('the broker has stopped');
  });

  test.each([
    [['--kafka', '0.0.0.0:0'], /--insecure-listen/],
    [['--kafka', 'nowhere'], /expected HOST:PORT/],
    [['--table', 'x'], /--store and --table go together/],
  ])('refuses %j in one sentence', async (flags, why) => {
    const { status, stdout, stderr } = await start(main, 'serve', '--data', join(directory, 'other'), ...free, ...flags)
      .ended;
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^millrace: .+\n$/);
    expect(stderr).toMatch(why);
  });
});

test('the packed command runs what was built', async () => {
  const packed = join(directory, 'packed');
  mkdirSync(join(packed, 'src/cli'), { recursive: true });
  mkdirSync(join(packed, 'dist/cli'), { recursive: true });
  writeFileSync(join(packed, 'package.json'), '{"type":"module"}');
  copyFileSync(join(root, 'src/cli/millrace.js'), join(packed, 'src/cli/millrace.js'));
  writeFileSync(join(packed, 'dist/cli/main.js'), "export const main = () => process.stdout.write('built\\n');");
  expect(await start(join(packed, 'src/cli/millrace.js')).ended).toEqual({ status: 0, stdout: 'built\n', stderr: '' });
});
