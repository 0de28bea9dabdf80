/** `millrace storage init`: bucket, table and what binds them together, whichever is missing. Safe to repeat. */
import { type Given, parseConfig } from '../../config.ts';
import { createLogger } from '../../runtime/logger.ts';
import { systemRuntime } from '../../runtime/runtime.ts';
import { initStorage } from '../../stores.ts';
import { type Terminal, write } from '../terminal.ts';

export async function initStorageCommand(given: Given, terminal: Terminal): Promise<void> {
  const config = parseConfig(given, terminal.environment);
  const { bucket, table, incarnation } = await initStorage(config, systemRuntime(createLogger('warn')));
  await write(
    terminal.stdout,
    `bucket of ${config.store}: ${bucket}\ntable ${config.table}: ${table}\nincarnation ${incarnation}\n`,
  );
}
