import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ObjectEntry,
  type ObjectKey,
  type ObjectStore,
  objectKey,
  type RequestOptions,
} from '../../src/storage/object-store.ts';

const MIB = 1024 * 1024;
const options: RequestOptions = { cause: 'tool' };

/** Bytes that differ at every position and from seed to seed, so that a shifted or mixed read shows. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed * 2_654_435_761 + 1;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

let prefixes = 0;

export interface ObjectStoreContractOptions {
  /**
   * False for a gateway that keeps objects as files under their own names: such a one cannot hold `a` beside `a/b`, dot
   * segments, or names beyond 255 characters. No adapter of ours needs it.
   */
  readonly anyKey?: boolean;
}

/**
 * What every ObjectStore must do. `open` is called once; each test works under a prefix of its own, so a store that
 * holds other objects already will do.
 */
export function objectStoreContract(
  name: string,
  open: () => ObjectStore | Promise<ObjectStore>,
  { anyKey = true }: ObjectStoreContractOptions = {},
): void {
  describe(`${name} is an ObjectStore`, () => {
    let store: ObjectStore;
    let prefix = '';
    const key = (suffix: string): ObjectKey => objectKey(`${prefix}${suffix}`);

    beforeAll(async () => {
      store = await open();
    });
    afterAll(async () => {
      await store?.close();
    });
    const check = (title: string, body: () => Promise<void>) =>
      test(title, async () => {
        prefixes += 1;
        prefix = `contract/${process.pid}-${prefixes}-${Math.floor(Math.random() * 1e9)}/`;
        await body();
      });
    const readAll = async (of: ObjectKey): Promise<Buffer | null> => {
      const tail = await store.readLast(of, 64 * MIB, options);
      return tail === null || tail === 'archived' ? null : tail.bytes;
    };

    check('an object reads back as it was created', async () => {
      expect(await store.create(key('a'), [Buffer.from('hello')], options)).toBe('created');
      expect(await store.read(key('a'), { start: 0, end: 5 }, options)).toEqual(Buffer.from('hello'));
    });

    check('the second create of a key loses and leaves the first body', async () => {
      expect(await store.create(key('a'), [Buffer.from('first')], options)).toBe('created');
      expect(await store.create(key('a'), [Buffer.from('second')], options)).toBe('exists');
      expect(await readAll(key('a'))).toEqual(Buffer.from('first'));
    });

    check('among 16 racers for one key exactly one creates it, and its body stands', async () => {
      const bodies = Array.from({ length: 16 }, (_, racer) => pattern(100_000, racer));
      const outcomes = await Promise.all(bodies.map((body) => store.create(key('race'), [body], options)));
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'exists')).toHaveLength(15);
      expect((await readAll(key('race')))?.equals(bodies[outcomes.indexOf('created')]!)).toBe(true);
    });

    check('parts are written in order as one body, empty and uneven ones among them', async () => {
      const parts = [
        pattern(3, 1),
        Buffer.alloc(0),
        pattern(70_000, 2),
        new Uint8Array(pattern(1, 3)),
        pattern(4_096, 4),
      ];
      await store.create(key('parts'), parts, options);
      expect((await readAll(key('parts')))?.equals(Buffer.concat(parts))).toBe(true);
    });

    check('a body of 3,000 parts is whole', async () => {
      const parts = Array.from({ length: 3_000 }, (_, index) => pattern(1 + (index % 7), index));
      await store.create(key('many'), parts, options);
      expect((await readAll(key('many')))?.equals(Buffer.concat(parts))).toBe(true);
    });

    check('parts that are views into a larger buffer write only what they show', async () => {
      const whole = pattern(10_000, 5);
      await store.create(key('views'), [whole.subarray(100, 200), whole.subarray(5_000, 5_010)], options);
      expect(await readAll(key('views'))).toEqual(
        Buffer.concat([whole.subarray(100, 200), whole.subarray(5_000, 5_010)]),
      );
    });

    check('the caller may reuse its buffers once the promise settled', async () => {
      const first = pattern(200_000, 6);
      const reused = Buffer.from(first);
      await store.create(key('reuse-1'), [reused], options);
      reused.fill(0xee);
      await store.create(key('reuse-2'), [reused], options);
      expect((await readAll(key('reuse-1')))?.equals(first)).toBe(true);
    });

    check('an empty object exists', async () => {
      expect(await store.create(key('empty'), [], options)).toBe('created');
      expect(await store.create(key('empty'), [Buffer.from('x')], options)).toBe('exists');
      expect(await store.readLast(key('empty'), 10, options)).toEqual({ bytes: Buffer.alloc(0), size: 0 });
      expect(await store.read(key('empty'), { start: 0, end: 10 }, options)).toEqual(Buffer.alloc(0));
      expect((await store.list(prefix, '', 10, options)).objects).toMatchObject([{ key: key('empty'), bytes: 0 }]);
    });

    check('a large object is whole, and so is any range of it', async () => {
      const body = pattern(9 * MIB + 17, 7);
      await store.create(key('large'), [body.subarray(0, 5 * MIB), body.subarray(5 * MIB)], options);
      expect((await readAll(key('large')))?.equals(body)).toBe(true);
      const ranges: [number, number][] = [
        [0, 1],
        [5 * MIB - 3, 5 * MIB + 3],
        [1 * MIB + 1, 7 * MIB + 5],
        [9 * MIB + 16, 9 * MIB + 17],
      ];
      for (const [start, end] of ranges) {
        const bytes = (await store.read(key('large'), { start, end }, options)) as Buffer;
        expect(bytes.equals(body.subarray(start, end)), `[${start}, ${end})`).toBe(true);
      }
    });

    check('eight large creates at once are all whole', async () => {
      const bodies = Array.from({ length: 8 }, (_, index) => pattern(1 * MIB + index, 100 + index));
      await Promise.all(bodies.map((body, index) => store.create(key(`at-once-${index}`), [body], options)));
      for (const [index, body] of bodies.entries()) {
        expect((await readAll(key(`at-once-${index}`)))?.equals(body)).toBe(true);
      }
    });

    check('a range is cut at the end of the object, and empty beyond it', async () => {
      await store.create(key('a'), [Buffer.from('0123456789')], options);
      expect(await store.read(key('a'), { start: 8, end: 1_000 }, options)).toEqual(Buffer.from('89'));
      expect(await store.read(key('a'), { start: 10, end: 11 }, options)).toEqual(Buffer.alloc(0));
      expect(await store.read(key('a'), { start: 5_000, end: 5_001 }, options)).toEqual(Buffer.alloc(0));
    });

    check('an empty or negative range is refused', async () => {
      await store.create(key('a'), [Buffer.from('0123456789')], options);
      await expect(store.read(key('a'), { start: 3, end: 3 }, options)).rejects.toThrow('range');
      await expect(store.read(key('a'), { start: -1, end: 3 }, options)).rejects.toThrow('range');
    });

    check('the last bytes come with the size, all of them when the object is shorter', async () => {
      await store.create(key('a'), [Buffer.from('0123456789')], options);
      expect(await store.readLast(key('a'), 3, options)).toEqual({ bytes: Buffer.from('789'), size: 10 });
      expect(await store.readLast(key('a'), 10, options)).toEqual({ bytes: Buffer.from('0123456789'), size: 10 });
      expect(await store.readLast(key('a'), 1_000, options)).toEqual({ bytes: Buffer.from('0123456789'), size: 10 });
      const body = pattern(2 * MIB, 8);
      await store.create(key('b'), [body], options);
      expect(await store.readLast(key('b'), 5_000, options)).toEqual({ bytes: body.subarray(-5_000), size: 2 * MIB });
    });

    check('reading a missing object is null', async () => {
      expect(await store.read(key('missing'), { start: 0, end: 1 }, options)).toBeNull();
      expect(await store.readLast(key('missing'), 1, options)).toBeNull();
    });

    check('a deleted object is gone at once, and its key is free again', async () => {
      await store.create(key('a'), [Buffer.from('old')], options);
      await store.read(key('a'), { start: 0, end: 1 }, options);
      await store.delete([key('a')], options);
      expect(await store.read(key('a'), { start: 0, end: 1 }, options)).toBeNull();
      expect((await store.list(prefix, '', 10, options)).objects).toEqual([]);
      expect(await store.create(key('a'), [Buffer.from('new')], options)).toBe('created');
      expect(await readAll(key('a'))).toEqual(Buffer.from('new'));
    });

    check('deleting a missing object succeeds, and so does deleting nothing', async () => {
      await store.delete([key('missing')], options);
      await store.delete([], options);
    });

    check('1,000 keys are deleted at once, missing ones among them; 1,001 are refused', async () => {
      const present = Array.from({ length: 30 }, (_, index) => key(`present-${index}`));
      for (const each of present) await store.create(each, [Buffer.from('x')], options);
      await store.create(key('spared'), [Buffer.from('x')], options);
      const keys = [...present, ...Array.from({ length: 970 }, (_, index) => key(`missing-${index}`))];
      await store.delete(keys, options);
      expect((await store.list(prefix, '', 100, options)).objects.map((each) => each.key)).toEqual([key('spared')]);
      await expect(store.delete([...keys, key('one-too-many')], options)).rejects.toThrow('1001 keys');
    });

    check('list gives the keys with the prefix in byte order, strictly after `after`', async () => {
      const names = ['p/1', 'p/2', 'p/3', 'P/1', 'p-1', 'p.1', 'p/1-x', 'p0', 'q/1', 'p/a', 'p/A', 'p/_'];
      if (anyKey) names.push('p', 'p/1/x'); // An object beside others "inside" it.
      for (const name of names) await store.create(key(name), [Buffer.from(name)], options);
      const expected = (of: string, after: string) =>
        names.filter((name) => name.startsWith(of) && name > after).sort();
      for (const of of ['', 'p', 'p/', 'p/1', 'P', 'q/1', 'nothing/']) {
        for (const after of ['', 'A', 'P/1', 'p', 'p/', 'p/1', 'p/1/x', 'p/25', 'p/a', 'p1', 'z']) {
          const page = await store.list(key(of), after === '' ? '' : key(after), 100, options);
          const listed = page.objects.map((each) => each.key.slice(prefix.length));
          expect(listed, `prefix ${of}, after ${after}`).toEqual(expected(of, after));
        }
      }
    });

    check('list pages: each page continues after the last key, and `more` ends with the last page', async () => {
      const names = Array.from({ length: 23 }, (_, index) => `page/${String(index).padStart(3, '0')}`);
      for (const name of [...names].reverse()) await store.create(key(name), [Buffer.from(name)], options);
      const pages: ObjectEntry[][] = [];
      for (let after = '', more = true; more; ) {
        const page = await store.list(`${prefix}page/`, after, 10, options);
        expect(page.objects.length).toBeGreaterThan(0);
        pages.push([...page.objects]);
        after = page.objects.at(-1)!.key;
        more = page.more;
      }
      expect(pages.map((page) => page.length)).toEqual([10, 10, 3]);
      expect(pages.flat().map((each) => each.key)).toEqual(names.map(key));
      expect((await store.list(`${prefix}page/`, '', 23, options)).more).toBe(false);
    });

    check('list tells size, storage class and age by the clock of the store', async () => {
      const body = pattern(12_345, 9);
      await store.create(key('a'), [body], options);
      const { objects, now } = await store.list(prefix, '', 10, options);
      expect(objects).toMatchObject([{ key: key('a'), bytes: 12_345, storageClass: 'STANDARD' }]);
      // S3 rounds both to whole seconds.
      expect(objects[0]!.modified).toBeLessThanOrEqual(now + 1_000);
      expect(objects[0]!.modified).toBeGreaterThan(now - 60_000);
    });

    check('keys may hold any printable ASCII, dots, and 1,000 characters', async () => {
      if (!anyKey) return;
      const names = [
        'a b/!"#$&\'()*+,;<=>?@[]^_`{|}~',
        '100%/%2F/%25',
        'back\\slash:colon',
        '../../escape',
        'dots/./..',
        '.hidden',
        'CON/nul.txt',
        'x'.repeat(1_000 - prefix.length),
        `${'long/'.repeat(100)}end`,
        `${'Y'.repeat(300)}/${'z'.repeat(300)}`,
      ];
      for (const name of names) {
        expect(await store.create(key(name), [Buffer.from(name)], options), name).toBe('created');
      }
      for (const name of names) expect(await readAll(key(name)), name).toEqual(Buffer.from(name));
      const listed = (await store.list(prefix, '', 100, options)).objects.map((each) => each.key.slice(prefix.length));
      expect(listed).toEqual([...names].sort());
      await store.delete(names.map(key), options);
      expect((await store.list(prefix, '', 100, options)).objects).toEqual([]);
    });

    check('keys that differ only in case are different objects', async () => {
      await store.create(key('Case/Aa'), [Buffer.from('1')], options);
      expect(await store.create(key('case/aa'), [Buffer.from('2')], options)).toBe('created');
      expect(await store.create(key('case/aA'), [Buffer.from('3')], options)).toBe('created');
      expect(await readAll(key('Case/Aa'))).toEqual(Buffer.from('1'));
    });

    check('what is not an object key is refused', async () => {
      for (const bad of ['', '/a', 'a/', 'tab\t', 'ä', 'x'.repeat(1_001)]) {
        await expect(store.create(objectKey(bad), [Buffer.from('x')], options), bad).rejects.toThrow(
          'not an object key',
        );
      }
    });

    check('an aborted signal rejects', async () => {
      const aborted = { ...options, signal: AbortSignal.abort(new Error('enough')) };
      await expect(store.create(key('a'), [Buffer.from('x')], aborted)).rejects.toThrow();
      await expect(store.read(key('a'), { start: 0, end: 1 }, aborted)).rejects.toThrow();
      await expect(store.list(prefix, '', 1, aborted)).rejects.toThrow();
    });
  });
}
