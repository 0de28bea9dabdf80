import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ITEM_BYTES_MAX, SORT_KEY_BYTES_MAX, TRANSACT_COUNT_MAX } from '../../src/limits.ts';
import {
  ABSENT,
  ALWAYS,
  type AttributeValue,
  type Item,
  type ItemPage,
  type ItemRange,
  type MetadataOptions,
  type MetadataStore,
  type Write,
  whenEquals,
} from '../../src/storage/metadata-store.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const options: MetadataOptions = { cause: 'tool' };
/** Above every sort key of these tests. */
const END = '\u{10ffff}';

let partitions = 0;

/** Adapters may answer any Uint8Array; comparisons want one kind. */
const plain = (item: Item | null): Item | null => item && { ...item, body: Buffer.from(item.body) };

/**
 * What every MetadataStore must do. `open` is called once; each test works under a partition key of its own, so a store
 * that holds other items already will do.
 */
export function metadataStoreContract(name: string, open: () => MetadataStore | Promise<MetadataStore>): void {
  describe(`${name} is a MetadataStore`, () => {
    let store: MetadataStore;
    let partitionKey = '';

    beforeAll(async () => {
      store = await open();
    });
    afterAll(async () => {
      await store?.close();
    });
    const check = (title: string, body: () => Promise<void>) =>
      test(title, async () => {
        partitions += 1;
        partitionKey = `contract/${process.pid}-${partitions}-${Math.floor(Math.random() * 1e9)}`;
        await body();
      });

    const keyOf = (sortKey: string) => ({ partitionKey, sortKey });
    const item = (
      sortKey: string,
      body: string | Uint8Array = '',
      attributes: Record<string, AttributeValue> = {},
    ): Item => ({
      partitionKey,
      sortKey,
      body: Buffer.from(body),
      attributes,
    });
    const get = async (sortKey: string) => plain(await store.get(keyOf(sortKey), options));
    const put = (of: Item, condition = ALWAYS) => store.put(of, condition, options);
    const query = (range: Partial<ItemRange> = {}): Promise<ItemPage> =>
      store.query({ partitionKey, from: '', to: END, limit: 1_000, ...range }, options);
    const sortKeys = async (range: Partial<ItemRange> = {}) => (await query(range)).items.map((each) => each.sortKey);

    check('an item reads back as it was put, and an absent one is null', async () => {
      const stored = item('a', Buffer.from([0, 1, 2, 255]), { name: 'x', count: 42 });
      expect(await put(stored)).toEqual({ ok: true });
      expect(await get('a')).toEqual(stored);
      expect(await get('b')).toBeNull();
      expect(await store.get({ partitionKey: `${partitionKey}-other`, sortKey: 'a' }, options)).toBeNull();
    });

    check('a put replaces body and attributes as a whole', async () => {
      await put(item('a', 'old', { one: 1, two: 2 }));
      await put(item('a', 'new', { two: 3 }));
      expect(await get('a')).toEqual(item('a', 'new', { two: 3 }));
    });

    check('a read that begins after a write was acknowledged sees it', async () => {
      for (let version = 0; version < 20; version += 1) {
        await put(item('a', `v${version}`, { version }));
        expect(await get('a')).toEqual(item('a', `v${version}`, { version }));
        expect((await query()).items.map(plain)).toEqual([item('a', `v${version}`, { version })]);
      }
    });

    check('the caller may reuse its buffers once the promise settled', async () => {
      const body = Buffer.alloc(10_000, 1);
      await store.put({ ...item('a'), body }, ALWAYS, options);
      body.fill(2);
      await store.put({ ...item('b'), body }, ALWAYS, options);
      expect((await get('a'))?.body).toEqual(Buffer.alloc(10_000, 1));
      expect((await get('b'))?.body).toEqual(Buffer.alloc(10_000, 2));
    });

    check('bodies may be empty, views into larger buffers, and larger than 128 KiB', async () => {
      const whole = Buffer.from(Array.from({ length: 140 * KIB }, (_, index) => (index * 7) & 0xff));
      await put(item('empty'));
      await store.put({ ...item('view'), body: whole.subarray(1_000, 1_010) }, ALWAYS, options);
      await store.put({ ...item('large'), body: whole }, ALWAYS, options);
      expect((await get('empty'))?.body).toEqual(Buffer.alloc(0));
      expect((await get('view'))?.body).toEqual(whole.subarray(1_000, 1_010));
      expect((await get('large'))?.body.length).toBe(140 * KIB);
      expect(whole.equals((await get('large'))!.body)).toBe(true);
    });

    check('attributes keep strings, empty ones too, and integers up to 2^53 exactly', async () => {
      const attributes = {
        empty: '',
        text: 'größe ✓ 𝄞',
        zero: 0,
        negative: -7,
        large: Number.MAX_SAFE_INTEGER,
        small: Number.MIN_SAFE_INTEGER,
      };
      await put(item('a', '', attributes));
      expect((await get('a'))?.attributes).toEqual(attributes);
    });

    check('a put under `absent` wins once; the loser is told the item that stands there', async () => {
      expect(await put(item('a', 'first', { id: 'one' }), ABSENT)).toEqual({ ok: true });
      const lost = await put(item('a', 'second', { id: 'two' }), ABSENT);
      expect(lost.ok).toBe(false);
      expect(lost.ok === false && plain(lost.existing)).toEqual(item('a', 'first', { id: 'one' }));
      expect(await get('a')).toEqual(item('a', 'first', { id: 'one' }));
    });

    check('a put under `equals` needs every named attribute to be exactly so', async () => {
      await put(item('a', '1', { owner: 'x', epoch: 7, other: 'kept' }));
      const refused = [
        whenEquals({ owner: 'y' }),
        whenEquals({ epoch: 8 }),
        whenEquals({ owner: 'x', epoch: 8 }),
        whenEquals({ missing: 'x' }),
        whenEquals({ epoch: '7' }),
      ];
      for (const condition of refused) {
        const outcome = await put(item('a', '2'), condition);
        expect(outcome.ok, JSON.stringify(condition)).toBe(false);
        expect(outcome.ok === false && plain(outcome.existing)).toEqual(
          item('a', '1', { owner: 'x', epoch: 7, other: 'kept' }),
        );
      }
      expect(await put(item('a', '2', { owner: 'x', epoch: 8 }), whenEquals({ owner: 'x', epoch: 7 }))).toEqual({
        ok: true,
      });
      expect(await get('a')).toEqual(item('a', '2', { owner: 'x', epoch: 8 }));
    });

    check('`equals` fails on an absent item, even when it names no attribute', async () => {
      expect(await put(item('a'), whenEquals({ owner: 'x' }))).toEqual({ ok: false, existing: null });
      expect(await put(item('a'), whenEquals({}))).toEqual({ ok: false, existing: null });
      await put(item('a', 'there'));
      expect(await put(item('a', 'again'), whenEquals({}))).toEqual({ ok: true });
    });

    check('a delete removes the item; deleting an absent one succeeds', async () => {
      await put(item('a', 'x'));
      expect(await store.delete(keyOf('a'), ALWAYS, options)).toEqual({ ok: true });
      expect(await get('a')).toBeNull();
      expect(await sortKeys()).toEqual([]);
      expect(await store.delete(keyOf('a'), ALWAYS, options)).toEqual({ ok: true });
      expect(await put(item('a', 'y'), ABSENT)).toEqual({ ok: true });
    });

    check('a delete under a condition that fails leaves the item and tells it', async () => {
      await put(item('a', 'x', { epoch: 1 }));
      const lost = await store.delete(keyOf('a'), whenEquals({ epoch: 2 }), options);
      expect(lost.ok === false && plain(lost.existing)).toEqual(item('a', 'x', { epoch: 1 }));
      expect(await get('a')).toEqual(item('a', 'x', { epoch: 1 }));
      expect(await store.delete(keyOf('a'), whenEquals({ epoch: 1 }), options)).toEqual({ ok: true });
      expect(await store.delete(keyOf('a'), whenEquals({ epoch: 1 }), options)).toEqual({ ok: false, existing: null });
    });

    check('among 16 racers for an absent item exactly one wins', async () => {
      const racers = Array.from({ length: 16 }, (_, racer) => item('race', `racer ${racer}`, { racer }));
      const outcomes = await Promise.all(racers.map((racer) => put(racer, ABSENT)));
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
      const winner = racers[outcomes.findIndex((outcome) => outcome.ok)]!;
      expect(await get('race')).toEqual(winner);
      for (const outcome of outcomes) if (!outcome.ok) expect(plain(outcome.existing)).toEqual(winner);
    });

    check('among 16 racers who compare and swap one version exactly one wins, round after round', async () => {
      await put(item('race', '', { version: 0 }));
      for (let version = 0; version < 5; version += 1) {
        const outcomes = await Promise.all(
          Array.from({ length: 16 }, (_, racer) =>
            put(item('race', `${racer}`, { version: version + 1 }), whenEquals({ version })),
          ),
        );
        expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
      }
      expect((await get('race'))?.attributes).toEqual({ version: 5 });
    });

    check('a query gives `from` to `to`, the end left out, in order, of one partition key only', async () => {
      for (const sortKey of ['d', 'b', 'a', 'c', 'e', 'bb']) await put(item(sortKey, `body ${sortKey}`));
      await store.put({ ...item('b'), partitionKey: `${partitionKey}-other` }, ALWAYS, options);
      expect(await sortKeys()).toEqual(['a', 'b', 'bb', 'c', 'd', 'e']);
      expect(await sortKeys({ from: 'b', to: 'd' })).toEqual(['b', 'bb', 'c']);
      expect(await sortKeys({ from: 'b\0', to: 'd\0' })).toEqual(['bb', 'c', 'd']);
      expect(await sortKeys({ from: 'x', to: 'z' })).toEqual([]);
      expect(await sortKeys({ from: 'c', to: 'c' })).toEqual([]);
      expect(await sortKeys({ from: 'd', to: 'b' })).toEqual([]);
      expect((await query({ from: 'b', to: 'c' })).items.map(plain)).toEqual([
        item('b', 'body b'),
        item('bb', 'body bb'),
      ]);
      expect(await query({ partitionKey: `${partitionKey}-nothing` })).toEqual({ items: [], more: false });
    });

    check('a reversed query gives the same range, highest first', async () => {
      for (const sortKey of ['a', 'b', 'c', 'd', 'e']) await put(item(sortKey));
      expect(await sortKeys({ reverse: true })).toEqual(['e', 'd', 'c', 'b', 'a']);
      expect(await sortKeys({ from: 'b', to: 'd', reverse: true })).toEqual(['c', 'b']);
      const newest = await query({ reverse: true, limit: 1 });
      expect(newest.items.map((each) => each.sortKey)).toEqual(['e']);
      expect(newest.more).toBe(true);
      expect(await query({ from: 'd', to: 'b', reverse: true })).toEqual({ items: [], more: false });
    });

    check('sort keys are ordered by their UTF-8 bytes', async () => {
      const inOrder = [
        'A',
        'B',
        '_',
        'a',
        'a\0',
        'a!',
        'ab',
        'z',
        'é',
        '߿',
        'ࠀ',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '\u{10000}',
        '𝄞',
      ];
      for (const sortKey of [...inOrder].reverse()) await put(item(sortKey));
      expect(await sortKeys()).toEqual(inOrder);
      expect(await sortKeys({ reverse: true })).toEqual([...inOrder].reverse());
      expect(await sortKeys({ from: '\ue000', to: '𝄞' })).toEqual(['\ue000', '\uffff', '\u{10000}']);
    });

    check('a query pages by limit, forwards and backwards', async () => {
      const all = Array.from({ length: 25 }, (_, index) => String(index).padStart(4, '0'));
      await Promise.all(all.map((sortKey) => put(item(sortKey))));
      const forwards: string[][] = [];
      for (let from = '', more = true; more; ) {
        const page = await query({ from, limit: 10 });
        forwards.push(page.items.map((each) => each.sortKey));
        from = `${forwards.at(-1)!.at(-1)}\0`;
        more = page.more;
      }
      expect(forwards.map((page) => page.length)).toEqual([10, 10, 5]);
      expect(forwards.flat()).toEqual(all);
      const backwards: string[][] = [];
      for (let to = END, more = true; more; ) {
        const page = await query({ to, limit: 10, reverse: true });
        backwards.push(page.items.map((each) => each.sortKey));
        to = backwards.at(-1)!.at(-1)!;
        more = page.more;
      }
      expect(backwards.flat()).toEqual([...all].reverse());
      expect((await query({ limit: 25 })).more).toBe(false);
    });

    check('a query pages by 1 MiB, and every page gets somewhere', async () => {
      const all = Array.from({ length: 12 }, (_, index) => String(index).padStart(4, '0'));
      for (const sortKey of all) await put(item(sortKey, Buffer.alloc(200 * KIB, sortKey)));
      for (const keysOnly of [false, true]) {
        const seen: Item[] = [];
        let pages = 0;
        for (let from = '', more = true; more; pages += 1) {
          const page = await query({ from, keysOnly });
          expect(page.items.length).toBeGreaterThan(0);
          expect(page.items.length * 200 * KIB).toBeLessThanOrEqual(1 * MIB + 200 * KIB);
          seen.push(...page.items);
          from = `${seen.at(-1)!.sortKey}\0`;
          more = page.more;
        }
        expect(pages).toBeGreaterThanOrEqual(2);
        expect(seen.map((each) => each.sortKey)).toEqual(all);
        for (const each of seen) {
          const expected = keysOnly ? Buffer.alloc(0) : Buffer.alloc(200 * KIB, each.sortKey);
          expect(expected.equals(each.body)).toBe(true);
        }
      }
    });

    check('a query for keys only keeps attributes and leaves bodies empty', async () => {
      await put(item('a', 'body', { epoch: 3, name: 'x' }));
      expect((await query({ keysOnly: true })).items.map(plain)).toEqual([item('a', '', { epoch: 3, name: 'x' })]);
      expect((await get('a'))?.body).toEqual(Buffer.from('body'));
    });

    check('a transact writes all', async () => {
      await put(item('gone', 'x', { epoch: 1 }));
      const writes: Write[] = [
        { type: 'put', item: item('a', '1', { n: 1 }), condition: ABSENT },
        { type: 'put', item: { ...item('a', '2'), partitionKey: `${partitionKey}-other` }, condition: ALWAYS },
        { type: 'delete', key: keyOf('gone'), condition: whenEquals({ epoch: 1 }) },
      ];
      expect(await store.transact(writes, options)).toEqual({ ok: true });
      expect(await get('a')).toEqual(item('a', '1', { n: 1 }));
      expect((await store.get({ partitionKey: `${partitionKey}-other`, sortKey: 'a' }, options))?.body).toBeDefined();
      expect(await get('gone')).toBeNull();
    });

    check('a transact of which one condition fails writes nothing and names that write and its item', async () => {
      await put(item('b', 'stands', { epoch: 2 }));
      const outcome = await store.transact(
        [
          { type: 'put', item: item('a', '1'), condition: ABSENT },
          { type: 'put', item: item('b', '2'), condition: whenEquals({ epoch: 1 }) },
          { type: 'put', item: item('c', '3'), condition: ABSENT },
        ],
        options,
      );
      expect(outcome).toMatchObject({ ok: false, failed: 1 });
      expect(outcome.ok === false && plain(outcome.existing)).toEqual(item('b', 'stands', { epoch: 2 }));
      expect(await sortKeys()).toEqual(['b']);
      expect(await get('b')).toEqual(item('b', 'stands', { epoch: 2 }));

      const missing = await store.transact(
        [
          { type: 'put', item: item('a', '1'), condition: ALWAYS },
          { type: 'delete', key: keyOf('missing'), condition: whenEquals({ epoch: 1 }) },
        ],
        options,
      );
      expect(missing).toEqual({ ok: false, failed: 1, existing: null });
      expect(await get('a')).toBeNull();
    });

    check('of racing transacts on one item exactly one wins, whole', async () => {
      await put(item('lock', '', { version: 0 }));
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, racer) =>
          store.transact(
            [
              { type: 'put', item: item('lock', '', { version: 1 }), condition: whenEquals({ version: 0 }) },
              { type: 'put', item: item(`won-${racer}`), condition: ABSENT },
            ],
            options,
          ),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
      expect(await sortKeys({ from: 'won-', to: 'won.' })).toEqual([
        `won-${outcomes.findIndex((outcome) => outcome.ok)}`,
      ]);
    });

    check('a transact takes up to 100 writes', async () => {
      const writes = (count: number): Write[] =>
        Array.from({ length: count }, (_, index) => ({
          type: 'put',
          item: item(String(index).padStart(4, '0'), 'x'),
          condition: ALWAYS,
        }));
      expect(await store.transact(writes(TRANSACT_COUNT_MAX), options)).toEqual({ ok: true });
      expect(await sortKeys()).toHaveLength(TRANSACT_COUNT_MAX);
      await expect(store.transact(writes(TRANSACT_COUNT_MAX + 1), options)).rejects.toThrow('101 writes');
      await expect(store.transact([], options)).rejects.toThrow('0 writes');
    });

    check('a transact with one key twice is refused', async () => {
      await expect(
        store.transact(
          [
            { type: 'put', item: item('a', '1'), condition: ALWAYS },
            { type: 'delete', key: keyOf('a'), condition: ALWAYS },
          ],
          options,
        ),
      ).rejects.toThrow('twice');
      expect(await get('a')).toBeNull();
    });

    check('an item may nearly fill the limit; a larger one is refused', async () => {
      const fits = Buffer.alloc(ITEM_BYTES_MAX - 1 * KIB, 7);
      expect(await store.put({ ...item('fits'), body: fits }, ALWAYS, options)).toEqual({ ok: true });
      expect(fits.equals((await get('fits'))!.body)).toBe(true);
      const tooLarge = { ...item('too-large'), body: Buffer.alloc(ITEM_BYTES_MAX) };
      await expect(store.put(tooLarge, ALWAYS, options)).rejects.toThrow('at most 409600');
      await expect(store.transact([{ type: 'put', item: tooLarge, condition: ALWAYS }], options)).rejects.toThrow(
        'at most 409600',
      );
      expect(await get('too-large')).toBeNull();
    });

    check('a sort key may fill its limit; longer and empty keys are refused', async () => {
      const longest = 'é'.repeat(SORT_KEY_BYTES_MAX / 2);
      expect(await put(item(longest, 'x'))).toEqual({ ok: true });
      expect(await get(longest)).toEqual(item(longest, 'x'));
      await expect(put(item(`${longest}x`))).rejects.toThrow('sort key of 1025 bytes');
      await expect(put(item(''))).rejects.toThrow('at least one character');
      await expect(store.put({ ...item('a'), partitionKey: '' }, ALWAYS, options)).rejects.toThrow(
        'at least one character',
      );
      await expect(store.put({ ...item('a'), partitionKey: 'p'.repeat(2_049) }, ALWAYS, options)).rejects.toThrow(
        'partition key of 2049 bytes',
      );
    });

    check('a number that is no safe integer is refused', async () => {
      for (const bad of [0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(put(item('a', '', { bad })), String(bad)).rejects.toThrow('safe integer');
      }
      expect(await get('a')).toBeNull();
    });

    check('an aborted signal rejects', async () => {
      const aborted = { ...options, signal: AbortSignal.abort(new Error('enough')) };
      await expect(store.put(item('a'), ALWAYS, aborted)).rejects.toThrow();
      await expect(store.get(keyOf('a'), aborted)).rejects.toThrow();
      await expect(store.query({ partitionKey, from: 'a', to: 'b', limit: 1 }, aborted)).rejects.toThrow();
      expect(await get('a')).toBeNull();
    });
  });
}
