import { describe, expect, test } from 'vitest';
import { type BrokerItem, encodeBroker } from '../../../src/cluster/cluster-items.ts';
import { meetOthers } from '../../../src/cluster/introduction.ts';
import type { ProbeResult } from '../../../src/rpc/peer-events.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';

const address = { host: '127.0.0.1', port: 7_070 };
const SECRET: ProbeResult = { answer: 'unfit', why: 'it did not prove the secret' };

/** Time passes at once; `each` is called every second of it. */
function quick(each: (second: number) => void) {
  let second = 0;
  const after = (_: number, callback: () => void) => {
    each(++second);
    queueMicrotask(callback);
    return { cancel: () => {} };
  };
  const runtime = systemRuntime(silentLogger);
  return { ...runtime, timers: { ...runtime.timers, after } };
}

async function meet(
  answers: (asked: number) => ProbeResult,
  beatsAfter = Infinity,
  state: BrokerItem['state'] = 'running',
) {
  const metadata = new MemoryMetadataStore();
  const item = (counter: number): BrokerItem => ({
    ...{ brokerId: 1, brokerEpoch: 3, session: 's', state, revision: 1, startedAt: 0, counter },
    ...{ kafka: address, kafkaByZone: {}, http: address, internal: address, zone: '', version: '0.1.0' },
  });
  const write = (counter: number) => metadata.put(encodeBroker('c', item(counter)), ALWAYS, { cause: 'startup' });
  await write(7);
  let asked = 0;
  let seconds = 0;
  const runtime = quick((second) => {
    seconds = second;
    if (second === beatsAfter) void write(8);
  });
  const probe = async () => answers(asked++);
  await meetOthers({ metadata, clusterId: 'c', brokerId: 2, runtime, probe });
  return { asked, seconds };
}

describe('a broker that wants to join', () => {
  test('starts at once when one of the others says hello, nobody answers, or the others have stopped', async () => {
    const hello = {
      format: 1,
      minor: 0,
      clusterId: 'c',
      incarnation: 'i',
      brokerId: 1,
      brokerEpoch: 3,
      version: '0.1.0',
    };
    expect(await meet(() => ({ answer: 'hello', hello }))).toEqual({ asked: 1, seconds: 0 });
    expect(await meet(() => ({ answer: 'nobody', why: '' }))).toEqual({ asked: 1, seconds: 0 });
    expect(await meet(() => SECRET, Infinity, 'stopped')).toEqual({ asked: 0, seconds: 0 });
  });

  test('is refused by one that is alive and does not take it, in its words', async () => {
    await expect(meet(() => SECRET, 5)).rejects.toThrow(
      'broker 1 of cluster c at 127.0.0.1:7070 does not take this one: it did not prove the secret',
    );
  });

  test('is not refused by somebody else at the address of one that is gone', async () => {
    expect(await meet(() => SECRET)).toMatchObject({ seconds: 20 });
  });

  test('does not wait for one that was about to stop', async () => {
    const stopping = (asked: number): ProbeResult =>
      asked < 2 ? { answer: 'unfit', why: 'broker 1 stops' } : { answer: 'nobody', why: '' };
    expect(await meet(stopping)).toEqual({ asked: 3, seconds: 2 });
  });
});
