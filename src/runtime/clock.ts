/** The only door for time. The simulator replaces it; nothing outside `runtime/` reads a clock or sets a timer. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. Only for timestamps that people or records see. */
  now(): number;
  /** Milliseconds with fraction since some fixed moment. Never goes back. For durations. */
  monotonic(): number;
}

export type TimerHandle = { readonly cancel: () => void };

export interface Timers {
  /** Runs `callback` once after `delayMs`, soon when that is past already. A pending timer does not keep the process alive unless `keepAlive`. */
  after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): TimerHandle;
  /** Runs `callback` once all work that is already queued had its turn (setImmediate). */
  soon(callback: () => void): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

export const systemTimers: Timers = {
  after(delayMs, callback, options) {
    // Node warns of moments that are past.
    const timer = setTimeout(callback, Math.max(0, delayMs));
    if (options?.keepAlive !== true) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon(callback) {
    setImmediate(callback);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
export function sleep(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = timers.after(
      delayMs,
      () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      },
      { keepAlive: true },
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Gives every other task of the event loop a turn. */
export function yieldTurn(timers: Timers): Promise<void> {
  return new Promise((resolve) => timers.soon(resolve));
}
