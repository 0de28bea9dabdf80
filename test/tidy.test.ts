/** The style as a test: which folder may import which, where time and chance may come from, how long a file may be. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const log = ['runtime', 'record', 'storage', 'segment', 'journal', 'rpc', 'cluster'];

/** Which folders of `src` a folder may import. This table is the architecture. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  runtime: [],
  record: ['runtime'],
  protocol: ['runtime'],
  storage: ['runtime'],
  segment: ['runtime', 'record'],
  journal: ['runtime', 'record', 'storage', 'segment'],
  rpc: ['runtime', 'protocol'],
  cluster: ['runtime', 'storage', 'journal', 'rpc'],
  security: ['runtime', 'storage', 'cluster'],
  log,
  lifecycle: [...log, 'log'],
  coordinator: ['runtime', 'record', 'protocol', 'journal', 'rpc', 'cluster', 'log'],
  broker: ['runtime', 'record', 'cluster', 'security', 'log', 'lifecycle', 'coordinator', 'protocol'],
  http: ['runtime', 'record', 'cluster', 'security', 'log', 'lifecycle', 'coordinator'],
  client: ['runtime', 'record', 'protocol'],
  cli: ['runtime', 'client', 'record', 'segment', 'storage', 'lifecycle'],
  console: ['client'],
};

/** Root files that are not open to all. */
const ROOT_IMPORTERS: Record<string, readonly string[]> = {
  'stores.ts': ['cli', 'server.ts'],
  'server.ts': ['cli'],
};

/** Nondeterminism enters through `runtime` only, or the simulator cannot replay a seed. */
const BANNED = [
  /\bDate\.now\(/,
  /\bnew Date\(\)/,
  /\bMath\.random\(/,
  /\bsetTimeout\(/,
  /\bsetInterval\(/,
  /\bsetImmediate\(/,
  /\brandomUUID\(/,
  /\brandomBytes\(/,
  /\bperformance\.now\(/,
  /\bprocess\.hrtime/,
  /\bnode:timers/,
  /\bconsole\.\w+\(/,
];

/** What it makes lives as long as what it was made of: `runtime/linked-signals.ts` has another way. */
const LEAKING = /\bAbortSignal\.any\(/;

/** Packages that belong to one place. */
const PACKAGE_OWNERS: [pattern: RegExp, owners: readonly string[]][] = [
  [/^@aws-sdk\/client-s3/, ['storage/s3']],
  [/^@aws-sdk\/client-dynamodb/, ['storage/dynamodb']],
  [/^(hono|@hono\/)/, ['http', 'console']],
  [/^pino|^prom-client/, ['runtime']],
  [/^commander/, ['cli']],
];

const LINES_MAX = 500;

const files = globSync('src/**/*.ts').map((path) => {
  const inside = relative('src', path);
  const text = readFileSync(path, 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return { path, inside, folder: inside.split('/')[0]!, text, code };
});

const specifiers = (code: string) =>
  [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, specifier]) => specifier!);

describe.each(files)('$path', ({ path, inside, folder, text, code }) => {
  test('imports only what the table allows', () => {
    for (const specifier of specifiers(code)) {
      if (!specifier.startsWith('.')) {
        for (const [pattern, owners] of PACKAGE_OWNERS) {
          if (pattern.test(specifier))
            expect(
              owners.some((owner) => inside.startsWith(owner)),
              `${path} imports ${specifier}`,
            ).toBe(true);
        }
        continue;
      }
      const target = relative('src', join(dirname(path), specifier)).split('/')[0]!;
      if (target === folder || folder.endsWith('.ts')) continue;
      if (target.endsWith('.ts')) {
        const importers = ROOT_IMPORTERS[target];
        if (importers) expect(importers, `${path} imports ${target}`).toContain(folder);
        continue;
      }
      expect(MAY_IMPORT[folder], `${path} imports ${target}`).toContain(target);
    }
  });

  test('takes time, chance and output from runtime', () => {
    if (folder === 'runtime') return;
    for (const banned of BANNED) expect(code).not.toMatch(banned);
  });

  test('leaves nothing behind in signals', () => {
    expect(code).not.toMatch(LEAKING);
  });

  test(`has fewer than ${LINES_MAX} lines`, () => {
    expect(text.split('\n').length).toBeLessThan(LINES_MAX);
  });
});

test('adapters are named only in stores.ts, in the adapters themselves and in tools of the command line', () => {
  for (const { path, inside, code } of files) {
    if (inside === 'stores.ts' || inside.startsWith('storage/')) continue;
    for (const specifier of specifiers(code)) {
      expect(specifier, path).not.toMatch(/storage\/(s3|dynamodb|embedded|memory)\//);
    }
  }
});
