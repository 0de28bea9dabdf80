/** The user pressed Ctrl-C, or a supervisor asked the process to stop. */
export class InterruptError extends Error {
  override readonly name = 'InterruptError';

  constructor(signal: string) {
    super(`stopped by ${signal}`);
  }
}
