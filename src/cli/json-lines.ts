/**
 * `-J`: one record a line, spelled as the HTTP interface spells records. What `consume -J` writes, `produce -J` reads:
 * `topic` and `offset` are left aside, a JSON value keeps every digit.
 */
import { isUtf8 } from 'node:buffer';
import type { EncodedRecord } from '../client/outgoing-record.ts';
import type { RecordFormat } from '../client/producer.ts';
import { InputError } from './exit-code.ts';
import type { RecordFormatter } from './format.ts';

type Json = Record<string, unknown>;

/** Members that say where a record came from, not what it is. */
const LEFT_ASIDE = ['topic', 'offset'];
const RECORD_OVERHEAD_BYTES = 24;

/** Throws InputError for what is not a JSON object; the broker judges the members. */
export function parseJsonLine(bytes: Buffer, format: RecordFormat): EncodedRecord {
  if (!isUtf8(bytes)) throw new InputError('not UTF-8');
  const text = bytes.toString('utf8');
  const record = parseObject(text);
  const { partition } = record;
  if (partition !== undefined && partition !== null && !Number.isSafeInteger(partition)) {
    throw new InputError('partition: expected a whole number');
  }
  const keyIsText = record['key'] === undefined || record['key'] === null || typeof record['key'] === 'string';
  const asWritten =
    keyIsText &&
    record['timestamp'] !== -1 &&
    !LEFT_ASIDE.some((name) => record[name] !== undefined) &&
    !hasLineBreak(text);
  const line = asWritten ? text : rewrite(text);
  return {
    line,
    key: keyOf(record, text, format),
    partition: (partition as number | null | undefined) ?? null,
    storedBytes: RECORD_OVERHEAD_BYTES + Buffer.byteLength(line),
  };
}

const hasLineBreak = (text: string): boolean => /[\r\n]/.test(text.trim());

function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`not JSON: ${(cause as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InputError('not a JSON object');
  return value as Json;
}

function keyOf(record: Json, text: string, format: RecordFormat): Uint8Array | null {
  const { key, key_base64: base64 } = record;
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64');
  if (key === undefined || key === null) return null;
  if (typeof key === 'string') return Buffer.from(key, format === 'base64' ? 'base64' : 'utf8');
  return Buffer.from(JSON.stringify(parseExactly(text)['key']));
}

/** The same record on one line without what is left aside, its numbers digit for digit. */
function rewrite(text: string): string {
  const record = parseExactly(text);
  for (const name of LEFT_ASIDE) delete record[name];
  const { timestamp } = parseObject(text);
  if (timestamp === -1) delete record['timestamp'];
  return JSON.stringify(record);
}

interface RawJson {
  /** Not in TypeScript's library yet: JSON.parse with source text access (Node 22 and newer). */
  rawJSON(source: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}

/** Numbers become what stands in the text, so that `12345678901234567890` and `1.0` survive. */
function parseExactly(text: string): Json {
  const json = JSON as unknown as RawJson;
  return json.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
  ) as Json;
}

/** `{"topic":…,"partition":…,"offset":…,"timestamp":…,"key":…,"value":…,"headers":[…]}` */
export function jsonFormat(format: RecordFormat): RecordFormatter {
  return ({ offset, timestamp, key, value, headers }, { topic, partition }, output) => {
    const pairs = headers.map(([name, bytes]) => `[${JSON.stringify(name)},${headerText(bytes, format)}]`);
    output.push(
      `{"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offset},"timestamp":${timestamp},`,
      `${member('key', key, format === 'json' ? 'text' : format)},${member('value', value, format)},`,
      `"headers":[${pairs.join(',')}]}\n`,
    );
  };
}

function member(name: string, bytes: Buffer | null, format: RecordFormat): string {
  if (bytes === null) return `"${name}":null`;
  if (format === 'base64') return `"${name}":"${bytes.toString('base64')}"`;
  if (!isUtf8(bytes)) return `"${name}_base64":"${bytes.toString('base64')}"`;
  const text = bytes.toString('utf8');
  return `"${name}":${(format === 'json' ? jsonOnOneLine(text) : null) ?? JSON.stringify(text)}`;
}

/** The text itself when it is JSON. Line breaks in it stand between tokens, never inside one. */
function jsonOnOneLine(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return text.replace(/[\r\n]/g, ' ');
}

function headerText(bytes: Buffer | null, format: RecordFormat): string {
  if (bytes === null) return 'null';
  if (format === 'base64') return `"${bytes.toString('base64')}"`;
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : `{"base64":"${bytes.toString('base64')}"}`;
}
