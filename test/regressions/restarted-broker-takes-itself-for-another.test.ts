/** A broker that was killed and starts again on the same port asked its own listener who it is, and refused its own id. */
import { expect, test } from 'vitest';
import type { Probe } from '../../src/cluster/links.ts';
import { type NewBroker, registerBroker } from '../../src/cluster/registration.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';

const address = (port: number) => ({ host: '127.0.0.1', port });
const broker: NewBroker = {
  brokerId: 2,
  kafka: address(9_092),
  kafkaByZone: {},
  http: address(8_080),
  internal: address(7_070),
  zone: '',
  version: '0.1.0',
};

test('who answers under the id without its epoch is the broker that is starting, not another', async () => {
  const given = { metadata: new MemoryMetadataStore(), clusterId: 'c', broker, runtime: systemRuntime(silentLogger) };
  const first = await registerBroker(given);
  const itself: Probe = async () => ({ brokerId: 2, brokerEpoch: 0 });
  const second = await registerBroker({ ...given, probe: itself });
  expect(second.brokerEpoch).toBe(first.brokerEpoch + 1);
  const another: Probe = async () => ({ brokerId: 2, brokerEpoch: second.brokerEpoch });
  await expect(registerBroker({ ...given, probe: another })).rejects.toThrow('broker id 2 is in use by 127.0.0.1:7070');
});
