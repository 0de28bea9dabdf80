import { enableCompileCache } from 'node:module';

/** The `millrace` command. Compiled code is cached between starts, which halves the time until a broker listens. */
export async function main(): Promise<void> {
  enableCompileCache();
  const { runProcess } = await import('./process.ts'); // After the cache is on: it is what takes long.
  await runProcess();
}

if (import.meta.main) await main();
