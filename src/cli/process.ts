import { systemClock } from '../runtime/clock.ts';
import { InterruptError } from './interrupt.ts';
import { run } from './program.ts';
import type { Terminal } from './terminal.ts';

/** A terminal signals all that it runs, and npm, or whoever started us, passes that on: two signals for one Ctrl-C. */
const SAME_SIGNAL_MS = 300;

/** The `millrace` command on this process's own streams. */
export async function runProcess(): Promise<void> {
  const interrupt = new AbortController();
  let firstAt: number | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = systemClock.monotonic();
    firstAt ??= now;
    // The second Ctrl-C is for those who do not want to wait.
    if (now - firstAt > SAME_SIGNAL_MS) process.exit(130);
    interrupt.abort(new InterruptError(signal));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  // A reader that has gone shows at the next write; without a listener the process would die of it.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  let readsInput = false;
  const terminal: Terminal = {
    get stdin() {
      readsInput = true;
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    interrupted: interrupt.signal,
  };
  process.exitCode = await run(process.argv.slice(2), terminal);
  if (readsInput) process.stdin.destroy(); // An open pipe would keep the process alive.
}
