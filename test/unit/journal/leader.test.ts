/** A leader over stores that fail: nothing is acknowledged early, nothing is lost, nothing is appended twice. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StorageFullError } from '../../../src/errors.ts';
import type { RecordsChanged } from '../../../src/journal/entry.ts';
import type { AppendAnswer } from '../../../src/journal/journal.ts';
import type { OpenedJournal, OpenJournalOptions } from '../../../src/journal/open-journal.ts';
import { QUEUE_COUNT_MAX } from '../../../src/journal/proposals.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import {
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  open,
  type PartitionWish,
  segmentAppend,
  TOPIC,
} from './harness.ts';

const EPOCH = 3_000;
const runtime = virtualRuntime();
let stores = memoryStores();
let faults: Faults;
let journal: OpenedJournal;
let number = 0;
const others: OpenedJournal[] = [];

async function start(options: Partial<OpenJournalOptions> = {}): Promise<void> {
  faults = new Faults(runtime);
  const faulty = {
    metadata: faultyMetadataStore(stores.metadata, faults),
    objects: faultyObjectStore(stores.objects, faults),
  };
  journal = await open(faulty, { brokerEpoch: EPOCH, runtime, ...options });
  await createTopic(journal, [0, 1]);
}

beforeEach(async () => {
  stores = memoryStores();
  number = 0;
  await start();
});
afterEach(async () => {
  faults.heal();
  await journal.close();
  for (const other of others.splice(0)) await other.close();
});

const next = () => ({ lane: lane(EPOCH), number: number++ });
const append = (wishes: readonly PartitionWish[] = [{ batches: [{}] }]): Promise<AppendAnswer> =>
  journal.append(segmentAppend(next(), wishes));
const send = async (): Promise<string> => brief((await append()).answers);
const entryCount = () => [...stores.metadata.items()].filter(({ sortKey }) => sortKey.startsWith('e/')).length;

async function takeOverBy(brokerId: number): Promise<OpenedJournal> {
  const other = await open(stores, { brokerId, runtime });
  others.push(other);
  return other;
}

/** Runs what is ready to run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a put', () => {
  test.each([
    'answer-lost',
    'error-before',
    'late-effect',
    'throttled',
  ] as const)('that ends in %s is repeated until it is known, and appends once', async (fault) => {
    faults.script({ operation: 'put', fault, times: 3 });
    const before = entryCount();
    expect(await Promise.all([send(), send()])).toEqual(['@0', '@1']);
    expect(entryCount()).toBe(before + 1);
    expect(await send()).toBe('@2');
  });

  test('that hangs is sent again after a while', async () => {
    faults.script({ operation: 'put', fault: 'hang' });
    expect(await send()).toBe('@0');
    faults.release();
    await turn();
    expect(await send()).toBe('@1');
  });

  test('of which nothing is known is not acknowledged', async () => {
    faults.plan = { operations: { put: { faults: { 'error-before': 1 } } } };
    let acknowledged = false;
    const sent = send().then((answer) => {
      acknowledged = true;
      return answer;
    });
    for (let at = 0; at < 50; at++) await turn();
    expect(acknowledged).toBe(false);
    faults.heal();
    expect(await sent).toBe('@0');
  });

  test('that loses its answer to a fence is no success', async () => {
    faults.plan = { operations: { put: { faults: { 'error-before': 1 } } } };
    const sent = append();
    await turn();
    const other = await takeOverBy(2);
    faults.heal();
    await expect(sent).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: false });
    expect(journal.role).toBe('deposed');
    expect(other.state.partition(TOPIC, 0)!.nextOffset).toBe(0);
  });

  test('that was written before the fence is found by the new leader and repeated to its sender', async () => {
    faults.script({ operation: 'put', fault: 'answer-lost' });
    const request = segmentAppend(next(), [{ batches: [{}] }]);
    const sent = journal.append(request).catch((cause: unknown) => cause);
    const other = await takeOverBy(2);
    const first = await sent;
    expect(brief((await other.append(request)).answers)).toBe('@0');
    expect(other.state.partition(TOPIC, 0)!.nextOffset).toBe(1);
    expect(first).toBeDefined();
  });
});

describe('a hedged put', () => {
  /** Enough quick puts for the leader to know how long one usually takes. */
  async function warmUp(): Promise<void> {
    await journal.close();
    await start({ hedge: true, brokerEpoch: EPOCH + 1 });
    for (let at = 0; at < 40; at++)
      await journal.append(segmentAppend({ lane: lane(EPOCH + 1), number: at }, [{ batches: [{}] }]));
  }
  const one = (at: number) => journal.append(segmentAppend({ lane: lane(EPOCH + 1), number: at }, [{ batches: [{}] }]));

  test('is sent twice when it is slow, and the answer of the second one counts', async () => {
    await warmUp();
    faults.script({ operation: 'put', fault: 'hang' });
    const before = runtime.elapsedMs;
    expect(brief((await one(40)).answers)).toBe('@40');
    expect(runtime.elapsedMs - before).toBeLessThan(1_000);
    faults.release();
    await turn();
    expect(brief((await one(41)).answers)).toBe('@41');
  });

  test('is not sent twice where there is no need', async () => {
    await warmUp();
    const before = entryCount();
    await one(40);
    expect(faults.count).toBe(0);
    expect(entryCount()).toBe(before + 1);
  });
});

describe('what waits', () => {
  test('shares one entry', async () => {
    const before = journal.state.lastSeq;
    const answers = await Promise.all(Array.from({ length: 50 }, () => append()));
    expect(new Set(answers.map(({ seq }) => seq)).size).toBe(1);
    expect(journal.state.lastSeq).toBe(before + 1);
  });

  test('goes into several entries when it is too much for one', async () => {
    const bodies = Array.from({ length: 20 }, () =>
      journal.append(inlineAppend(next(), [{ batches: [{ length: 20_000 }] }])),
    );
    const seqs = (await Promise.all(bodies)).map(({ seq }) => seq);
    expect(new Set(seqs).size).toBe(4);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  });

  test('is bounded: beyond that an append is rejected, retriably and without a trace', async () => {
    const sent = Array.from({ length: QUEUE_COUNT_MAX + 1 }, () => append().catch((cause: unknown) => cause));
    expect(await sent.at(-1)).toMatchObject({ error: 'KAFKA_STORAGE_ERROR', noSideEffects: true });
    expect(brief(((await sent.at(-2)) as AppendAnswer).answers)).toBe(`@${QUEUE_COUNT_MAX - 1}`);
  });

  test('waits out a store that is away, and is answered in order', async () => {
    faults.plan = { operations: { put: { faults: { 'error-before': 0.6, 'answer-lost': 0.3 } } } };
    const answers = await Promise.all(Array.from({ length: 30 }, () => send()));
    expect(answers).toEqual(Array.from({ length: 30 }, (_, at) => `@${at}`));
  });
});

describe('a full store', () => {
  const fullWhile = (isFull: () => boolean): MetadataStore =>
    new Proxy(stores.metadata, {
      get(target, name) {
        const member = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          if (name === 'put' && isFull()) return Promise.reject(new StorageFullError('no room'));
          return member.apply(target, args);
        };
      },
    });

  test('refuses appends at once, keeps answering reads, and goes on when there is room', async () => {
    let full = false;
    await journal.close();
    journal = await open({ ...stores, metadata: fullWhile(() => full) }, { brokerEpoch: EPOCH + 1, runtime });
    const at = (wanted: number) => ({ lane: lane(EPOCH + 1), number: wanted });
    await journal.append(inlineAppend(at(0), [{ batches: [{}] }]));
    full = true;
    await expect(journal.append(segmentAppend(at(1), [{ batches: [{}] }]))).rejects.toMatchObject({
      error: 'KAFKA_STORAGE_ERROR',
    });
    await expect(journal.skip(lane(EPOCH + 1), 1)).rejects.toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
    expect(await journal.confirmLeadership()).toBe(true);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(1);
    expect(await journal.readInline(journal.state.partition(TOPIC, 0)!.extents.at(0)!)).toHaveLength(100);
    full = false;
    expect(brief((await journal.append(segmentAppend(at(1), [{ batches: [{}] }]))).answers)).toBe('@1');
  });
});

describe('nothing is answered from speculative state', () => {
  test('a duplicate of something in flight waits for that entry', async () => {
    faults.script({ operation: 'put', fault: 'hang' });
    const batches = [{ producerId: 4, baseSequence: 0 }];
    const first = append([{ batches }]);
    await turn();
    let answered = false;
    const repeat = append([{ batches }]).then((answer) => {
      answered = true;
      return brief(answer.answers);
    });
    for (let at = 0; at < 5; at++) await Promise.resolve();
    expect(answered).toBe(false);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(0);
    faults.release();
    expect([brief((await first).answers), await repeat]).toEqual(['@0', '=0']);
  });
});

describe('confirming leadership', () => {
  test('looks at the next slot, once for all who ask in one turn', async () => {
    let gets = 0;
    faults.plan = {};
    const get = stores.metadata.get.bind(stores.metadata);
    stores.metadata.get = (...args) => {
      gets++;
      return get(...args);
    };
    expect(await Promise.all(Array.from({ length: 20 }, () => journal.confirmLeadership()))).toEqual(
      Array(20).fill(true),
    );
    expect(gets).toBe(1);
    await journal.confirmLeadership();
    expect(gets).toBe(2);
  });

  test('is done by a put that began after the question', async () => {
    let gets = 0;
    const get = stores.metadata.get.bind(stores.metadata);
    stores.metadata.get = (...args) => {
      gets++;
      return get(...args);
    };
    const sent = send();
    expect(await journal.confirmLeadership()).toBe(true);
    await sent;
    expect(gets).toBe(0);
  });

  test('is not done by a put that began before: it waits for the next look', async () => {
    faults.script({ operation: 'put', fault: 'hang' });
    const sent = send();
    await turn();
    let confirmed: boolean | undefined;
    const asked = journal.confirmLeadership().then((leads) => {
      confirmed = leads;
      return leads;
    });
    for (let at = 0; at < 20; at++) await Promise.resolve();
    expect(confirmed).toBeUndefined();
    faults.release();
    expect(await asked).toBe(true);
    await sent;
  });

  test('finds out that another one leads', async () => {
    await takeOverBy(2);
    expect(await Promise.all([journal.confirmLeadership(), journal.confirmLeadership()])).toEqual([false, false]);
    expect(journal.role).toBe('deposed');
    await expect(append()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(await journal.confirmLeadership()).toBe(false);
  });

  test('tells of a store that does not answer, and works again later', async () => {
    faults.script({ operation: 'get', fault: 'error-before' });
    await expect(journal.confirmLeadership()).rejects.toMatchObject({ name: 'StorageUnavailableError' });
    expect(await journal.confirmLeadership()).toBe(true);
  });
});

describe('the end', () => {
  test('of a closed journal rejects what waits and what comes', async () => {
    faults.script({ operation: 'put', fault: 'hang' });
    const [first, second] = [append(), append()];
    await turn();
    const third = append();
    const rejections = [first, second, third].map((each) => each.catch((cause: unknown) => cause));
    await journal.close();
    for (const rejection of await Promise.all(rejections))
      expect(rejection).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(journal.role).toBe('stopped');
    await expect(append()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: true });
    expect(await journal.confirmLeadership()).toBe(false);
  });

  test('of a deposed journal ends the reads under way as it ends appends', async () => {
    await journal.append(inlineAppend(next(), [{ batches: [{}] }]));
    const extent = journal.state.partition(TOPIC, 0)!.extents.at(0)!;
    const other = await takeOverBy(2);
    faults.script({ operation: 'get', fault: 'hang' });
    const confirming = journal.confirmLeadership();
    await turn();
    await expect(append()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(await confirming).toBe(false);
    await expect(journal.readInline(extent)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(await other.readInline(extent)).toHaveLength(100);
  });

  test('comes with a bug in what is decided, and leaves nobody without an answer', async () => {
    const command = { type: 'never heard of' } as unknown as RecordsChanged;
    const sent = append();
    const decided = journal.coordinate(() => ({ commands: [command], answer: null }));
    await expect(sent).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    await expect(decided).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(journal.role).toBe('stopped');
  });

  test('comes with a bug in what listens, after everybody was answered', async () => {
    journal.subscribe(() => {
      throw new Error('a bug');
    });
    const [sent, confirming] = [send(), journal.confirmLeadership()];
    expect(await sent).toBe('@0');
    expect(await confirming).toBe(true);
    expect(journal.role).toBe('stopped');
  });

  test('comes when a store does what none should do, and says why', async () => {
    stores.metadata.put = () => Promise.reject(new Error('never heard of'));
    await expect(append()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(journal.role).toBe('stopped');
    expect(journal.deposedBecause).toMatch(/never heard of/);
  });
});

describe('taking over', () => {
  test('waits for a store that is away', async () => {
    await journal.close();
    faults = new Faults(runtime);
    faults.script(
      ...(['get', 'query', 'put'] as const).map((operation) => ({
        operation,
        fault: 'error-before' as const,
        times: 4,
      })),
    );
    const metadata = faultyMetadataStore(stores.metadata, faults);
    journal = await open({ ...stores, metadata }, { brokerEpoch: EPOCH + 1, runtime });
    expect(journal.role).toBe('leading');
    expect(faults.count).toBe(12);
  });

  test('can be given up while it waits', async () => {
    const away = new Faults(runtime, { faults: { 'error-before': 1 } });
    const abort = new AbortController();
    const metadata = faultyMetadataStore(stores.metadata, away);
    const opening = open({ ...stores, metadata }, { signal: abort.signal, runtime });
    await turn();
    abort.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });

  test('of two that start at once both find a leader in the end, and only one of them leads', async () => {
    await journal.close();
    const [one, two] = await Promise.all([takeOverBy(2), takeOverBy(3)]);
    expect(new Set([one.epoch, two.epoch]).size).toBe(2);
    const leading = await Promise.all([one.confirmLeadership(), two.confirmLeadership()]);
    expect(leading.filter(Boolean)).toHaveLength(1);
    expect(leading[0]).toBe(one.epoch > two.epoch);
  });
});
