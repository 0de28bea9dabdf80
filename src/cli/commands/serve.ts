/** `millrace serve`: a broker until someone stops it. Scripts rely on its first line and on `ready`. */
import { formatAddress, type Given, parseConfig } from '../../config.ts';
import { StartupError } from '../../errors.ts';
import { limitHeapGrowth } from '../../runtime/heap.ts';
import { createLogger, type LogLevel } from '../../runtime/logger.ts';
import { systemRuntime } from '../../runtime/runtime.ts';
import type { BrokerServer } from '../../server.ts';
import { EXIT } from '../exit-code.ts';
import { InterruptError } from '../interrupt.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { VERSION } from '../version.ts';

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** Status 0 when it was asked to stop, 1 when it could not go on. */
export async function serveCommand(given: Given, terminal: Terminal): Promise<number> {
  const { environment, interrupted } = terminal;
  const config = parseConfig(given, environment);
  limitHeapGrowth();
  const runtime = systemRuntime(createLogger(logLevel(config['log.level'])));
  const { startBroker } = await import('../../server.ts'); // After what can be refused without it.
  let broker: BrokerServer;
  try {
    broker = await startBroker(config, runtime, { signal: interrupted });
  } catch (error) {
    if (error instanceof InterruptError) return EXIT.ok;
    throw error;
  }
  try {
    const { kafka, http } = broker;
    await write(
      terminal.stdout,
      `millrace ${VERSION} kafka=${formatAddress(kafka)} http=${formatAddress(http)}\nready\n`,
    );
    const failure = await Promise.race([broker.failed, aborted(interrupted)]);
    if (failure) note(terminal, `millrace: ${failure.message}`);
    else runtime.logger.info({ reason: String(interrupted.reason?.message) }, 'the broker stops');
    return failure ? EXIT.error : EXIT.ok;
  } finally {
    await broker.stop();
    runtime.logger.info({}, 'the broker has stopped');
  }
}

function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level) return level;
  throw new StartupError(`MILLRACE_LOG_LEVEL is ${JSON.stringify(text)}: expected ${LOG_LEVELS.join(', ')}`);
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}
