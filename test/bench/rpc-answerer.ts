/** The other broker of the benchmark `rpc`, in a process of its own. */

import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { BLOCK, CPU, openPool, QUIET_EVENTS, SMALL } from './rpc.ts';

const MIB = 1024 * 1024;
const small = Buffer.alloc(64, 1);
const block = Buffer.alloc(MIB, 2);

const pool = openPool(2, systemRuntime(silentLogger));
pool.handle(SMALL, () => small);
pool.handle(BLOCK, async () => block);
pool.handle(CPU, () => {
  const { user, system } = process.cpuUsage();
  return Buffer.from(String(user + system));
});
const { port } = await pool.listen({ host: '127.0.0.1', port: 0 });
pool.start(1, QUIET_EVENTS);
process.send!(port);
process.on('disconnect', () => process.exit());
