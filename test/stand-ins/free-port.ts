/**
 * Ports of 127.0.0.1 for servers that are told where to listen, and that listen there again when they start again.
 *
 * They lie below the ports that Linux (from 32,768) and macOS (from 49,152) give to connections that go out: a port from
 * there, asked for with 0 and let go, is now and then some connection's before the server has it.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST_PORT = 20_000;
const LAST_PORT = 32_767;
const ATTEMPTS_MAX = 1000;

/** Those of servers that are down for a while look free. */
const given = new Set<number>();

/** Given once in this process, and nobody's listener now. */
export async function freePort(): Promise<number> {
  for (let attempts = 1; attempts <= ATTEMPTS_MAX; attempts++) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT} in ${ATTEMPTS_MAX} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
