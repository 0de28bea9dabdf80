/** What a command talks to: data goes to `stdout`, everything else to `stderr`. Tests put streams of their own here. */
import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user interrupts (Ctrl-C, SIGTERM). */
  readonly interrupted: AbortSignal;
}

/** Whoever reads our output has gone (`millrace consume … | head`): nothing is wrong, there is nothing left to do. */
export class OutputClosedError extends Error {
  override readonly name = 'OutputClosedError';
}

/** Writes and waits until the stream takes more. Throws OutputClosedError when its reader has gone. */
export async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (stream.destroyed || stream.errored) throw closedOr(stream.errored);
  if (stream.write(data)) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      stream.off('drain', onDrain).off('error', settle).off('close', onClose);
      if (error) reject(closedOr(error));
      else resolve();
    };
    const onDrain = () => settle();
    const onClose = () => settle(new OutputClosedError('closed'));
    stream.on('drain', onDrain).on('error', settle).on('close', onClose);
  });
}

export function closedOr(error: Error | null | undefined): Error {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
  return !error || code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
    ? new OutputClosedError('nobody reads the output')
    : error;
}

/** One line for people. */
export function note(terminal: Terminal, text: string): void {
  if (!terminal.stderr.destroyed) terminal.stderr.write(`${text}\n`);
}
