/** The package as `npm publish` would send it: what is in it, and that it works in an empty folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './broker.ts';
import { HttpClient } from './http-client.ts';
import { run } from './run.ts';
import { copyTree, type Tree } from './tree.ts';

let tree: Tree;
/** The empty folder, and in it what a user gets. */
let folder = '';
let installed = '';
let packed: readonly string[] = [];
/** Node 24 before anything else, and nothing of this project's own commands. */
const PATH = [dirname(process.execPath), ...(process.env['PATH'] ?? '').split(delimiter)]
  .filter((directory) => !directory.includes('node_modules/.bin'))
  .join(delimiter);

beforeAll(async () => {
  tree = await copyTree();
  await symlink(join(ROOT, 'node_modules'), join(tree.directory, 'node_modules'));
  folder = await mkdtemp(join(tmpdir(), 'millrace-install-'));
  await run(['npm', 'pack', '--pack-destination', folder], { cwd: tree.directory });
  const tarball = join(folder, (await readdir(folder))[0]!);
  packed = (await run(['tar', '-tzf', tarball])).stdout.toString().trim().split('\n').sort();
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const flags = ['--no-audit', '--no-fund', '--prefer-offline'];
  await run(['npm', 'install', ...flags, tarball], { cwd: folder, environment: { PATH }, timeoutMs: 300_000 });
  installed = join(folder, 'node_modules', 'millrace');
}, 400_000);

afterAll(async () => {
  await tree?.remove();
  if (folder !== '') await rm(folder, { recursive: true, force: true });
});

test('it holds what was built, its licence and its papers, and nothing else', () => {
  const others = packed.filter((file) => !file.startsWith('package/dist/'));
  const expected = ['CHANGELOG.md', 'LICENSE', 'package.json', 'src/cli/millrace.js'];
  if (existsSync(join(ROOT, 'README.md'))) expected.push('README.md');
  expect(others).toEqual(expected.sort().map((file) => `package/${file}`));
});

test('every source was built, with declarations, and nothing is built that has no source', async () => {
  const { stdout } = await run(['find', 'src', '-name', '*.ts'], { cwd: tree.directory });
  const sources = stdout.toString().trim().split('\n');
  const built = sources.flatMap((source) => {
    const stem = `package/dist/${source.slice('src/'.length, -'.ts'.length)}`;
    return [`${stem}.js`, `${stem}.d.ts`];
  });
  expect(packed.filter((file) => file.startsWith('package/dist/'))).toEqual(built.sort());
});

test('installing it brings no tests, no compilers and no binaries for tests', async () => {
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  expect(manifest.optionalDependencies).toBeUndefined();
  const there = await readdir(join(folder, 'node_modules'));
  for (const name of ['@dynoxide', 'vitest', 'typescript', 'node', '@biomejs']) expect(there).not.toContain(name);
  const { stdout } = await run(['du', '-sm', 'node_modules'], { cwd: folder });
  process.stdout.write(`  installed: ${there.length} folders, ${stdout.toString().split('\t')[0]} MB\n`);
});

test('a program can be type-checked against its declarations', async () => {
  const program = `
    import { Client } from 'millrace/dist/client/client.js';
    import { Producer } from 'millrace/dist/client/producer.js';
    const client = new Client({ url: 'http://127.0.0.1:8080' });
    const producer: Producer = await Producer.open(client, 'orders');
    producer.enqueue({ key: Buffer.from('k'), value: Buffer.from('v') });
    export const offsets: readonly number[] = (await client.read('orders', 0, { from: 'earliest' })).records.map((record) => record.offset);
    // @ts-expect-error a number is no topic
    await client.describeTopic(1);
  `;
  await writeFile(join(folder, 'program.ts'), program);
  await mkdir(join(folder, 'node_modules', '@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    const target = join(folder, 'node_modules', name);
    if (!existsSync(target)) await symlink(join(ROOT, 'node_modules', name), target);
  }
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node'];
  const { stdout } = await run([tsc, ...flags, 'program.ts'], { cwd: folder, anyStatus: true });
  expect(stdout.toString()).toBe('');
});

test('`npx millrace serve` serves, keeps its data in the folder, and ends cleanly', async () => {
  const flags = ['--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const child = spawn('npx', ['--no', 'millrace', 'serve', ...flags], {
    cwd: folder,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  try {
    const url = await whenReady(child);
    const client = new HttpClient(url);
    await client.createTopic('orders', 1);
    const records = join(folder, 'records.txt');
    await writeFile(records, 'first\nsecond\n');
    const millrace = ['npx', '--no', 'millrace'];
    const options = { cwd: folder, environment: { PATH, MILLRACE_URL: url } };
    await run([...millrace, 'produce', 'orders', records], options);
    const { stdout } = await run([...millrace, 'consume', 'orders'], options);
    expect(stdout.toString()).toBe('first\nsecond\n');
    expect(existsSync(join(folder, 'millrace-data', 'format'))).toBe(true);
  } finally {
    const ended = once(child, 'exit');
    process.kill(-child.pid!, 'SIGTERM'); // As a terminal does: npx, its shell and the broker.
    await ended;
  }
  const owner = [process.execPath, join(installed, 'src', 'cli', 'millrace.js'), 'serve', ...flags];
  const again = spawn(owner[0]!, owner.slice(1), { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await whenReady(again);
  expect(await new HttpClient(url).recordCount('orders')).toBe(2);
  const ended = once(again, 'exit');
  again.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

test('an older Node is told what is needed, in one sentence and before anything is imported', async (context) => {
  const old = await olderNode();
  if (old === null) return context.skip('there is no Node older than 24 in the PATH');
  // Alone in a folder: whatever it imported would be missing.
  const alone = join(folder, 'alone');
  await mkdir(alone);
  const launcher = join(alone, 'millrace.js');
  await writeFile(join(alone, 'package.json'), '{ "type": "module" }');
  await writeFile(launcher, await readFile(join(installed, 'src', 'cli', 'millrace.js')));
  const { status, stdout, stderr } = await run([old.path, launcher, 'serve'], { anyStatus: true });
  expect({ status, stdout: stdout.toString(), stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: `millrace needs Node 24 or newer, this is ${old.version}.\n`,
  });
});

/** The address of HTTP. */
function whenReady(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let url = '';
    child.once('exit', (code) => reject(new Error(`it ended with status ${code} before it was ready`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const first = /^millrace \d+\.\d+\.\d+ kafka=\S+ http=(\S+)$/.exec(line);
      if (first) url = `http://${first[1]}`;
      if (line === 'ready') resolve(url);
    });
  });
}

async function olderNode(): Promise<{ readonly path: string; readonly version: string } | null> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, 'node');
    if (!existsSync(path)) continue;
    const version = (await run([path, '--version'])).stdout.toString().trim().slice(1);
    if (Number(version.split('.')[0]) < 24) return { path, version };
  }
  return null;
}
