/** The README's commands, word for word, in a clean copy of the tree: each must print what the README says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from './broker.ts';
import { consoleExamples, type Example, isAsSaid } from './console-blocks.ts';
import { hasProgram, mustHaveEverything } from './run.ts';
import { copyTree, type Tree } from './tree.ts';

const README = join(ROOT, 'README.md');
/** These do not end by themselves. */
const STAYS = /\bnpm (?:start|run cluster)\b/;
/** Would run this test within itself; `.ci/run` types them. */
const OTHERS = ['npm test'];
/** What npm says on some machines and not on others. */
const NPM_REMARKS = /^npm (?:warn|notice)\b.*\n/gm;
const START_MS = 240_000;
const EXAMPLE_MS = 60_000;
/** As a user's shell has it: nothing of this project. */
const PATH = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((directory) => !directory.includes('node_modules'))
  .join(delimiter);

test('console blocks are commands and what they print', () => {
  const markdown = 'Text.\n\n```console\n$ one \\\n  more\nfirst\n$ two\n```\n\n```sh\nthree\n```\n';
  expect(consoleExamples(markdown)).toEqual([
    { command: 'one \\\n  more', output: 'first\n' },
    { command: 'two', output: '' },
  ]);
  const said = 'a … c\n…\nend.\n';
  expect(isAsSaid('a bc c\nend.\n', said)).toBe(true);
  expect(isAsSaid('a b c\nx\ny\nend.\n', said)).toBe(true);
  expect(isAsSaid('a b c\nendx\n', said)).toBe(false);
  expect(isAsSaid('a b c\nend.\nmore\n', said)).toBe(false);
  expect(isAsSaid('something', '')).toBe(false);
});

describe('the README', () => {
  const examples = existsSync(README) ? consoleExamples(readFileSync(README, 'utf8')) : [];
  if (examples.length === 0) {
    test('has commands', (context) => context.skip('there is no README.md with console blocks'));
    return;
  }
  let tree: Tree;
  const staying: ChildProcess[] = [];
  beforeAll(async () => {
    tree = await copyTree();
  });
  afterAll(async () => {
    for (const child of staying) {
      const ended = once(child, 'close');
      process.kill(-child.pid!, 'SIGINT'); // As Ctrl-C does.
      await ended;
    }
    await tree?.remove();
  });

  for (const { command, output } of examples) {
    test(command, { timeout: START_MS + 10_000 }, async (context) => {
      if (OTHERS.includes(command)) return context.skip('.ci/run runs it');
      const needsKcat = /\bkcat\b/.test(command) && !hasProgram('kcat');
      if (needsKcat && !mustHaveEverything) return context.skip('kcat is not installed');
      await runExample({ command, output });
    });
  }

  /** With its own process group, so that what it starts ends with it. */
  function start(command: string): ChildProcess {
    const env: NodeJS.ProcessEnv = { ...process.env, PATH };
    for (const name of Object.keys(env)) if (/^(npm_|MILLRACE_|VITEST|NODE_)/.test(name)) delete env[name];
    return spawn('bash', ['-c', `{ ${command}\n} 2>&1`], {
      cwd: tree.directory,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
  }

  async function runExample({ command, output }: Example): Promise<void> {
    const stays = STAYS.test(command);
    const child = start(command);
    if (stays) staying.push(child);
    let printed = '';
    let ended = false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, stays ? START_MS : EXAMPLE_MS);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      child.stdout!.on('data', (chunk: Buffer) => {
        printed += chunk;
        if (stays && isAsSaid(printed, output)) done();
      });
      child.once('close', () => {
        ended = true;
        done();
      });
    });
    if (!stays && !ended) process.kill(-child.pid!, 'SIGKILL');
    expect(ended, 'it ended by itself').toBe(!stays);
    const said = printed.replace(NPM_REMARKS, '');
    if (!isAsSaid(said, output)) expect(said).toBe(output);
    if (!stays) expect(child.exitCode).toBe(0);
  }
});
