/**
 * A signal that is aborted with the first of others, until it is unlinked. `AbortSignal.any` keeps something of each signal
 * that it makes for as long as one of its sources lives: with a source that lives as long as a connection or the broker, that is
 * a leak.
 */
export interface LinkedSignals {
  readonly signal: AbortSignal;
  /** To be called when nobody needs the signal any more. */
  unlink(): void;
}

export function linkSignals(...sources: readonly AbortSignal[]): LinkedSignals {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(sources.find(({ aborted }) => aborted)?.reason);
  const unlink = (): void => {
    for (const source of sources) source.removeEventListener('abort', onAbort);
  };
  for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
  if (sources.some(({ aborted }) => aborted)) onAbort();
  return { signal: controller.signal, unlink };
}
