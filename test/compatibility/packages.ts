/**
 * Real input: every stanza of `apt-cache dumpavail` as one record, keyed by its package. Keys repeat, sizes vary a
 * hundredfold, and there are tens of thousands of them.
 */
import { partitionOfKey } from '../../src/record/partitioner.ts';
import { run } from './run.ts';

/** Between key and value, and behind a record: bytes that no stanza holds. */
export const KEY_END = 0x1f;
export const RECORD_END = 0x1e;

export interface Stanza {
  readonly key: string;
  readonly value: Buffer;
}

/** None where there is no apt, or it knows no packages. */
export async function readStanzas(): Promise<readonly Stanza[]> {
  const { stdout } = await run(['apt-cache', 'dumpavail'], { anyStatus: true }).catch(() => ({
    stdout: Buffer.alloc(0),
  }));
  const stanzas: Stanza[] = [];
  for (let start = 0; start < stdout.length; ) {
    const end = stdout.indexOf('\n\n', start);
    const value = stdout.subarray(start, end === -1 ? stdout.length : end);
    const key = /^Package: (.+)$/m.exec(value.toString('latin1'))?.[1];
    if (key !== undefined) stanzas.push({ key, value });
    start = end === -1 ? stdout.length : end + 2;
  }
  if ([KEY_END, RECORD_END].some((byte) => stdout.includes(byte))) throw new Error('a stanza holds a delimiter');
  return stanzas;
}

/** The form that kcat and `millrace` read with -K and -D. */
export const delimited = (stanzas: readonly Stanza[]): Buffer =>
  Buffer.concat(
    stanzas.flatMap(({ key, value }) => [Buffer.from(key), Buffer.of(KEY_END), value, Buffer.of(RECORD_END)]),
  );

/** What each partition must hold, in order, when keys are spread as Java's default partitioner does. */
export function expectedPartitions(stanzas: readonly Stanza[], count: number): readonly (readonly Stanza[])[] {
  const partitions: Stanza[][] = Array.from({ length: count }, () => []);
  for (const stanza of stanzas) partitions[partitionOfKey(Buffer.from(stanza.key), count)]!.push(stanza);
  return partitions;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Makes kcat and `millrace consume` print what `parsePrinted` reads. */
export const PRINT_FORMAT = '%p\\x1f%o\\x1f%k\\x1f%s\\x1e';

export function* parsePrinted(output: Buffer): Generator<ReadRecord> {
  for (let start = 0; start < output.length; ) {
    const afterPartition = output.indexOf(KEY_END, start);
    const afterOffset = output.indexOf(KEY_END, afterPartition + 1);
    const afterKey = output.indexOf(KEY_END, afterOffset + 1);
    const end = output.indexOf(RECORD_END, afterKey + 1);
    if (end === -1) throw new Error(`cut off at ${start} of ${output.length} bytes`);
    yield {
      partition: Number(output.toString('latin1', start, afterPartition)),
      offset: Number(output.toString('latin1', afterPartition + 1, afterOffset)),
      key: output.subarray(afterOffset + 1, afterKey),
      value: output.subarray(afterKey + 1, end),
    };
    start = end + 1;
  }
}

/** Throws at the first record that is not the expected one, byte for byte, at the offset where it must be. */
export function compare(expected: readonly (readonly Stanza[])[], records: Iterable<ReadRecord>): void {
  const next = expected.map(() => 0);
  for (const { partition, offset, key, value } of records) {
    const at = next[partition]!++;
    const stanza = expected[partition]?.[at];
    const where = `record ${at} of partition ${partition}`;
    if (!stanza) throw new Error(`${where}, at offset ${offset}, is one too many: ${key}`);
    if (offset !== at) throw new Error(`${where} is at offset ${offset}`);
    if (key.toString() !== stanza.key) throw new Error(`${where} has the key ${key} instead of ${stanza.key}`);
    if (!value.equals(stanza.value)) throw new Error(`${where}, ${key}, has ${value.length} other bytes`);
  }
  for (const [partition, stanzas] of expected.entries()) {
    const count = next[partition]!;
    if (count !== stanzas.length) throw new Error(`partition ${partition} has ${count} of ${stanzas.length} records`);
  }
}
