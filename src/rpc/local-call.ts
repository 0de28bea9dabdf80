import { KafkaError } from '../errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PeerIdentity, RpcMethod } from './method.ts';
import { type CallOptions, PeerUnavailableError } from './peers.ts';
import { failureOf, type Served, ServedCall } from './serving.ts';

/** A call of a broker to itself: through the same bytes, with the same errors, without a connection. */
export function localCall<Request, Response>(
  served: Served | undefined,
  self: PeerIdentity,
  method: RpcMethod<Request, Response>,
  request: Request,
  { timeoutMs, signal }: CallOptions,
  runtime: Runtime,
): Promise<Response> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  if (served === undefined) {
    return Promise.reject(new KafkaError('UNSUPPORTED_VERSION', `this broker does not know method ${method.id}`));
  }
  const question = Buffer.concat(method.encodeRequest(request));
  const call = new ServedCall(self);
  return new Promise<Response>((resolve, reject) => {
    const giveUp = (cause: unknown, why: string) => {
      settle();
      call.abandon(why);
      reject(cause);
    };
    const onAbort = () => giveUp(signal!.reason, 'the caller gave up');
    const onDeadline = () =>
      giveUp(new PeerUnavailableError(`${method.name} took longer than ${timeoutMs} ms`, true), 'it took too long');
    const timer = runtime.timers.after(timeoutMs, onDeadline, { keepAlive: true });
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    answer(served, question, call)
      .then((bytes) => method.decodeResponse(bytes))
      .catch((cause: unknown) => Promise.reject(call.gone ? cause : failureOf(cause, method.name, runtime)))
      .finally(settle)
      .then(resolve, reject);
  });
}

async function answer({ method, handler }: Served, question: Buffer, call: ServedCall): Promise<Buffer> {
  try {
    const response = await handler(method.decodeRequest(question), call);
    return Buffer.concat(method.encodeResponse(response));
  } finally {
    call.takeRelease()?.();
  }
}
