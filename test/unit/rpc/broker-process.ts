/** A process that is a broker as far as other brokers see: prints where it listens, answers echoes, and hangs on request. */
import { PeerPool } from '../../../src/rpc/peer-pool.ts';
import { TlsTransport } from '../../../src/rpc/tls-transport.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { ECHO, RecordedEvents, WAIT } from './brokers.ts';

const [brokerId, brokerEpoch, port] = process.argv.slice(2).map(Number);
const runtime = systemRuntime(silentLogger);
const pool = new PeerPool({
  transport: new TlsTransport({ secret: process.env['MILLRACE_CLUSTER_SECRET']!, clusterId: 'test', runtime }),
  runtime,
  clusterId: 'test',
  incarnation: 'first',
  brokerId: brokerId!,
  version: '0.1.0',
});
pool.handle(ECHO, (text) => text);
pool.handle(WAIT, () => new Promise(() => {}));
const address = await pool.listen({ host: '127.0.0.1', port: port! });
pool.start(brokerEpoch!, new RecordedEvents());
process.stdout.write(`${address.port}\n`);
process.on('SIGTERM', () => void pool.close().then(() => process.exit(0)));
runtime.timers.after(60_000, () => process.exit(1), { keepAlive: true });
