/** Sends prepared Kafka requests at a steady pace, whatever the answers take; counts what was acknowledged. */
import { connect, type Socket } from 'node:net';

export interface PacedLoad {
  readonly sent: () => number;
  readonly acknowledged: () => number;
  readonly failed: () => number;
  stop(): Promise<void>;
}

export interface PacedOptions {
  readonly address: string;
  /** Whole frames; each in turn, round and round. */
  readonly frames: readonly Buffer[];
  readonly perSecond: number;
  /** Where the two bytes of the error code are in an answer. */
  readonly checkAt: number;
}

const TICK_MS = 10;
/** A broker that is this far behind gets no more until it answers. */
const IN_FLIGHT_MAX = 256;

export async function startPacedLoad({ address, frames, perSecond, checkAt }: PacedOptions): Promise<PacedLoad> {
  const [host, port] = address.split(':');
  const socket: Socket = connect({ host: host!, port: Number(port), noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let sent = 0;
  let acknowledged = 0;
  let failed = 0;
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      if (rest.readInt16BE(checkAt) === 0) acknowledged++;
      else failed++;
      rest = rest.subarray(4 + rest.readInt32BE(0));
    }
  });
  const begun = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1_000) * perSecond;
    while (sent < due && sent - acknowledged - failed < IN_FLIGHT_MAX) socket.write(frames[sent++ % frames.length]!);
  }, TICK_MS);
  return {
    sent: () => sent,
    acknowledged: () => acknowledged,
    failed: () => failed,
    async stop() {
      clearInterval(timer);
      for (let waited = 0; acknowledged + failed < sent && waited < 10_000; waited += TICK_MS) {
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      socket.destroy();
    },
  };
}
