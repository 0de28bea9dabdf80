/**
 * The `-f` format of `millrace consume`, as kcat has it: text, escapes, and
 *
 *   %s value  %k key  %S and %K their lengths (-1 for null)  %R length of the value as 4 bytes, big-endian
 *   %h headers as name=value,…  %t topic  %p partition  %o offset  %T timestamp  %% a percent sign
 */
import type { ConsumedRecord } from '../client/client.ts';
import { unescapeBytes } from './escapes.ts';
import { UsageError } from './exit-code.ts';

export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
}

/** Appends the bytes of one record. */
export type RecordFormatter = (record: ConsumedRecord, place: RecordPlace, output: (string | Uint8Array)[]) => void;

type Field = (record: ConsumedRecord, place: RecordPlace, nullText: string) => string | Uint8Array;

const FIELDS: Readonly<Record<string, Field>> = {
  s: ({ value }, _, nullText) => value ?? nullText,
  S: ({ value }) => String(value?.length ?? -1),
  k: ({ key }, _, nullText) => key ?? nullText,
  K: ({ key }) => String(key?.length ?? -1),
  R: ({ value }) => bigEndian(value?.length ?? -1),
  h: ({ headers }, _, nullText) => headersText(headers, nullText),
  t: (_, { topic }) => topic,
  p: (_, { partition }) => String(partition),
  o: ({ offset }) => String(offset),
  T: ({ timestamp }) => String(timestamp),
};

/** `nullText` stands for null keys and values. Throws UsageError for an unknown field. */
export function compileFormat(format: string, nullText: string): RecordFormatter {
  const steps: (Field | Uint8Array)[] = [];
  let literal = '';
  for (let at = 0; at < format.length; at++) {
    if (format[at] !== '%') {
      literal += format[at];
      continue;
    }
    const name = format[++at];
    if (name === '%') {
      literal += '%';
      continue;
    }
    const field = name === undefined ? undefined : FIELDS[name];
    if (!field) throw new UsageError(`unknown field "%${name ?? ''}" in -f: use %${Object.keys(FIELDS).join(' %')} %%`);
    if (literal !== '') steps.push(unescapeBytes(literal));
    literal = '';
    steps.push(field);
  }
  if (literal !== '') steps.push(unescapeBytes(literal));
  return (record, place, output) => {
    for (const step of steps) output.push(typeof step === 'function' ? step(record, place, nullText) : step);
  };
}

/** What is printed without `-f`: the value, or key and value with `-K`, and the delimiter. */
export function plainFormat(keySeparator: Uint8Array | null, delimiter: Uint8Array, nullText: string): RecordFormatter {
  return ({ key, value }, _, output) => {
    if (keySeparator) output.push(key ?? nullText, keySeparator);
    output.push(value ?? nullText, delimiter);
  };
}

function bigEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function headersText(headers: ConsumedRecord['headers'], nullText: string): Uint8Array {
  const parts: Buffer[] = [];
  for (const [name, value] of headers) {
    parts.push(Buffer.from(`${parts.length > 0 ? ',' : ''}${name}=`), value ?? Buffer.from(nullText));
  }
  return Buffer.concat(parts);
}

/** One buffer of what a formatter appended. */
export const joinOutput = (output: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(output.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
