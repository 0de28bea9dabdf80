/** HTTP callers as workers of a history: `node http-clients.ts CONFIG`, events on its output, ends when its input does. */
import { type Chance, chance } from '../../../stand-ins/chance.ts';
import { config, pause, recordOf, runRoles, stopping, valueIn, WorkerClient } from './worker.ts';

const { topics, urls, seed, pauseMs } = config;
const REQUEST_MS = 15_000;
const PATIENCE_MS = 60_000;
const FINAL_MS = 60_000;

/** One request at a time to any broker, repeated under its key until somebody says what became of it. */
async function producer(index: number): Promise<void> {
  const draw = chance(seed + index);
  const client = new WorkerClient('HTTP producer');
  while (!stopping.aborted) {
    const partition = draw.within(0, topics['plain']!);
    const values = Array.from({ length: draw.within(1, 4) }, () => client.nextValue());
    for (const value of values) client.tell({ f: 'send', type: 'invoke', value, partition: `plain/${partition}` });
    const records = values.map((value) => ({ value: recordOf(value, draw.pick([0, 50, 500, 20_000])) }));
    const outcome = await send(`/v1/topics/plain/partitions/${partition}/records`, records, String(values[0]), draw);
    for (const [at, value] of values.entries()) {
      if (typeof outcome === 'string') client.tell({ f: 'send', type: outcome, value });
      else client.tell({ f: 'send', type: 'ok', value, offset: outcome[at]! });
    }
    await pause(pauseMs);
  }
}

type Outcome = readonly number[] | 'fail' | 'info';

async function send(path: string, records: readonly object[], key: string, draw: Chance): Promise<Outcome> {
  let inDoubt = false;
  for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await pause(100)) {
    try {
      const response = await fetch(draw.pick(urls) + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'record-format': 'text', 'idempotency-key': key },
        body: JSON.stringify({ records }),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const answer = (await response.json()) as { readonly results?: readonly { readonly offset: number }[] };
      if (response.status === 200) return answer.results!.map(({ offset }) => offset);
      if (response.status < 500) return inDoubt ? 'info' : 'fail';
    } catch {
      // Nobody there, or nobody answers.
    }
    inDoubt = true;
  }
  return 'info';
}

interface Page {
  readonly records: readonly { readonly offset: number; readonly key: string | null; readonly value: string }[];
  readonly next: number;
  readonly high_watermark: number;
  readonly last_stable_offset?: number;
}

async function read(topic: string, partition: number, from: number, draw: Chance): Promise<Page | null> {
  try {
    const path = `/v1/topics/${topic}/partitions/${partition}/records?from=${from}&limit=1000`;
    const headers = { 'record-format': 'text' };
    const response = await fetch(draw.pick(urls) + path, { headers, signal: AbortSignal.timeout(REQUEST_MS) });
    const page = await response.json();
    return response.status === 200 ? (page as Page) : null;
  } catch {
    return null;
  }
}

/** Goes round all partitions, each time asking another broker. */
async function reader(index: number): Promise<void> {
  const draw = chance(seed + index);
  const client = new WorkerClient('HTTP reader', { isolation: 'read_committed' });
  const partitions = ['plain', 'txn'].flatMap((topic) =>
    Array.from({ length: topics[topic]! }, (_, partition) => ({ topic, partition, next: 0 })),
  );
  while (!stopping.aborted) {
    for (const each of partitions) {
      const page = await read(each.topic, each.partition, each.next, draw);
      if (page) each.next = tell(client, each.topic, each.partition, page);
    }
    await pause(pauseMs * 2);
  }
}

function tell(client: WorkerClient, topic: string, partition: number, { records, next }: Page): number {
  const pairs = records.map(({ offset, value }) => [offset, valueIn(value)] as const);
  if (pairs.length > 0) client.tell({ f: 'poll', records: { [`${topic}/${partition}`]: pairs } });
  return next;
}

/** Every partition of every topic to its end. */
async function final(): Promise<void> {
  const draw = chance(seed);
  const client = new WorkerClient('HTTP final reader', { isolation: 'read_committed' });
  const deadline = performance.now() + FINAL_MS;
  for (const [topic, count] of Object.entries(topics)) {
    for (let partition = 0; partition < count; partition++) {
      for (let next = 0, done = false; !done; ) {
        if (performance.now() > deadline) {
          client.trouble(`${topic}/${partition} was not read to its end in time`);
          break;
        }
        const page = await read(topic, partition, next, draw);
        if (!page) await pause(100);
        else {
          next = tell(client, topic, partition, page);
          done = next >= page.high_watermark;
        }
      }
    }
  }
}

await runRoles({ producer, reader, final });
process.exit(0);
