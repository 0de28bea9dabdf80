import { enableCompileCache } from 'node:module';

/** The `millrace` command. Compiled code is cached between starts, which halves the time until a broker listens. */
export async function main(): Promise<void> {
  // Before anything uses the pool: durable writes wait in it, and with Node's four threads they would hold up reads.
  process.env['UV_THREADPOOL_SIZE'] ??= '8';
  enableCompileCache();
  const { runProcess } = await import('./process.ts'); // After the cache is on: it is what takes long.
  await runProcess();
}

if (import.meta.main) await main();
