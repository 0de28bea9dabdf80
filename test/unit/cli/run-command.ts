import { PassThrough, Writable } from 'node:stream';
import { run } from '../../../src/cli/program.ts';

export interface CommandRun {
  readonly status: Promise<number>;
  readonly stdin: PassThrough;
  readonly interrupt: AbortController;
  stdout(): string;
  stderr(): string;
  /** Resolves once standard output holds this text. */
  seen(text: string): Promise<void>;
}

export interface RunOptions {
  readonly url?: string;
  readonly input?: string | Uint8Array;
  /** Standard output breaks like a closed pipe after this many bytes. */
  readonly outputBytesMax?: number;
  /** Somebody sits there and may be asked. */
  readonly isTerminal?: boolean;
}

/** Runs a command line on streams in memory. */
export function start(argv: readonly string[], options: RunOptions = {}): CommandRun {
  const { url, input, outputBytesMax = Infinity } = options;
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  const watchers: (() => void)[] = [];
  let bytes = 0;
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      bytes += chunk.length;
      output.push(chunk);
      for (const watch of watchers) watch();
      done(bytes > outputBytesMax ? Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }) : null);
    },
  });
  stdout.on('error', () => {});
  const stderr = new Writable({
    write(chunk: Buffer, _, done) {
      errors.push(chunk);
      done();
    },
  });
  const stdin = Object.assign(new PassThrough(), { isTTY: options.isTerminal === true });
  if (input !== undefined) stdin.end(input);
  const interrupt = new AbortController();
  const environment = url === undefined ? {} : { MILLRACE_URL: url };
  const status = run(argv, { stdin, stdout, stderr, environment, interrupted: interrupt.signal });
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
  return {
    status,
    stdin,
    interrupt,
    stdout: () => text(output),
    stderr: () => text(errors),
    seen: (wanted) =>
      new Promise((resolve) => {
        const watch = () => {
          if (text(output).includes(wanted)) resolve();
        };
        watchers.push(watch);
        watch();
      }),
  };
}

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function finish(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const command = start(argv, options);
  const status = await command.status;
  return { status, stdout: command.stdout(), stderr: command.stderr() };
}
