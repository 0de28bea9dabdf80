/**
 * DynamoDB for tests: the dynoxide binary, which npm installs where a build of it exists. It keeps tables in memory and
 * never throttles, never conflicts and never forgets an answer: the fault decorators do that.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type ServerProcess, startServerProcess } from './server-process.ts';

const PACKAGE = `@dynoxide/${process.platform}-${process.arch}`;

export const DYNOXIDE_MISSING = `the npm package ${PACKAGE} is not installed, so there is no DynamoDB to test against`;

/** The binary's path, or null when npm has none for this platform. */
export function dynoxideBinary(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)), 'dynoxide');
  } catch {
    return null;
  }
}

/** Starts one on a free port, or on `port`; one that is `apart` outlives a Ctrl-C in the terminal. */
export async function startDynoxide(port?: number, apart = false): Promise<ServerProcess> {
  const binary = dynoxideBinary();
  if (binary === null) throw new Error(DYNOXIDE_MISSING);
  return startServerProcess({
    binary,
    apart,
    arguments: (listen) => ['serve', '--host', '127.0.0.1', '--port', String(listen)],
    ...(port !== undefined && { port }),
  });
}
