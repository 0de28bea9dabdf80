/** How a server comes to listen: one way for all doors of a broker. */
import type { Server } from 'node:net';
import { StartupError } from '../errors.ts';

/** Clients resolve localhost to ::1 first, and librdkafka waits before it tries the other address. */
export const preferIPv4 = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host);

export interface ListenOptions {
  /** Whom it is for, as the error tells it: `Kafka clients`. */
  readonly what: string;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly backlog?: number;
}

/** Throws StartupError when the address cannot be had. */
export function listen(server: Server, { what, ...options }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error) => {
      const where = `${options.host}:${options.port}`;
      reject(new StartupError(`cannot listen for ${what} on ${where}: ${cause.message}`, { cause }));
    };
    server.once('error', refuse);
    server.listen(options, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}
