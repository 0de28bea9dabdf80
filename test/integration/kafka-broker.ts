/** A whole broker in this process on embedded stores in a directory of its own, for tests over the Kafka port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Given, parseConfig } from '../../src/config.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { type BrokerServer, startBroker } from '../../src/server.ts';
import { KafkaClient } from './kafka-client.ts';

export interface TestBroker {
  connect(): Promise<KafkaClient>;
  /** Stops it cleanly and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestBroker(given: Given = {}): Promise<TestBroker> {
  const data = mkdtempSync(join(tmpdir(), 'millrace-kafka-'));
  const config = parseConfig({ data, kafka: '127.0.0.1:0', http: '127.0.0.1:0', ...given });
  const clients: KafkaClient[] = [];
  const start = () => startBroker(config, systemRuntime(silentLogger));
  let server: BrokerServer = await start();
  const closeClients = () => Promise.all(clients.splice(0).map((client) => client.close()));
  return {
    async connect() {
      const client = await KafkaClient.connect(server.kafka);
      clients.push(client);
      return client;
    },
    async restart() {
      await closeClients();
      await server.stop();
      server = await start();
    },
    async stop() {
      await closeClients();
      await server.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
