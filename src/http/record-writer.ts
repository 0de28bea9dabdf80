/**
 * Writes records as JSON straight into bytes: `{"records":[…],"next":…,"high_watermark":…}`, or one record a line. A value
 * that is JSON is copied as it is stored, so that 12345678901234567890 and 1.0 come back as they went in. `Record` in
 * `schemas.ts` describes the same language and a test holds the two together.
 */
import { isUtf8 } from 'node:buffer';
import type { DecodedRecord, RecordHeader } from '../record/records.ts';
import { findJsonValue } from './json-scanner.ts';
import type { RecordFormat } from './record-format.ts';

const FIRST_BYTES = 16 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

export class RecordWriter {
  /** Records written. */
  count = 0;
  readonly #format: RecordFormat;
  readonly #lines: boolean;
  #out = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  constructor(format: RecordFormat, lines: boolean) {
    this.#format = format;
    this.#lines = lines;
    if (!lines) this.#ascii('{"records":[');
  }

  write(record: DecodedRecord): void {
    const comma = this.count > 0 && !this.#lines ? ',' : '';
    this.count++;
    this.#ascii(`${comma}{"offset":${record.offset},"timestamp":${record.timestamp},`);
    this.#key(record.key);
    this.#value(record.value);
    this.#headers(record.headers);
    this.#ascii(this.#lines ? '}\n' : '}');
  }

  /** `lastStableOffset`: null unless it is to be told. */
  finish(next: number, highWatermark: number, lastStableOffset: number | null = null): Buffer<ArrayBuffer> {
    const stable = lastStableOffset === null ? '' : `,"last_stable_offset":${lastStableOffset}`;
    if (!this.#lines) this.#ascii(`],"next":${next},"high_watermark":${highWatermark}${stable}}`);
    return this.#out.subarray(0, this.#at);
  }

  #key(key: Buffer | null): void {
    if (key === null) this.#ascii('"key":null,');
    else if (this.#format === 'base64') this.#ascii(`"key":"${key.toString('base64')}",`);
    else if (isUtf8(key)) {
      this.#ascii('"key":');
      this.#string(key);
      this.#ascii(',');
    } else this.#ascii(`"key_base64":"${key.toString('base64')}",`);
  }

  #value(value: Buffer | null): void {
    if (value === null) this.#ascii('"value":null,');
    else if (this.#format === 'base64') this.#ascii(`"value":"${value.toString('base64')}",`);
    else if (isUtf8(value)) {
      this.#ascii('"value":');
      const json = this.#format === 'json' ? findJsonValue(value) : null;
      if (json === null) this.#string(value);
      else this.#json(value, json.start, json.end);
      this.#ascii(',');
    } else this.#ascii(`"value_base64":"${value.toString('base64')}",`);
  }

  #headers(headers: readonly RecordHeader[]): void {
    this.#ascii('"headers":[');
    for (let index = 0; index < headers.length; index++) {
      const [name, value] = headers[index]!;
      this.#ascii(index === 0 ? '[' : ',[');
      this.#utf8(JSON.stringify(name));
      if (value === null) this.#ascii(',null]');
      else if (this.#format === 'base64') this.#ascii(`,"${value.toString('base64')}"]`);
      else if (isUtf8(value)) {
        this.#ascii(',');
        this.#string(value);
        this.#ascii(']');
      } else this.#ascii(`,{"base64":"${value.toString('base64')}"}]`);
    }
    this.#ascii(']');
  }

  /** UTF-8 as a JSON string. Nearly all of it stands for itself. */
  #string(text: Buffer): void {
    for (let index = 0; index < text.length; index++) {
      const byte = text[index]!;
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) {
        this.#utf8(JSON.stringify(text.toString()));
        return;
      }
    }
    this.#reserve(text.length + 2);
    this.#out[this.#at++] = QUOTE;
    this.#copy(text, 0, text.length);
    this.#out[this.#at++] = QUOTE;
  }

  /** A JSON value as it is. Line breaks in it can only be blanks between tokens: NDJSON needs the line. */
  #json(bytes: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    const from = this.#at;
    this.#copy(bytes, start, end);
    if (!this.#lines) return;
    const out = this.#out;
    for (let at = from; at < this.#at; at++) if (out[at] === NEWLINE || out[at] === RETURN) out[at] = SPACE;
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    bytes.copy(this.#out, this.#at, start, end);
    this.#at += end - start;
  }

  #ascii(text: string): void {
    this.#reserve(text.length);
    this.#at += this.#out.write(text, this.#at, 'latin1');
  }

  #utf8(text: string): void {
    this.#reserve(Buffer.byteLength(text));
    this.#at += this.#out.write(text, this.#at, 'utf8');
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#out.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#out.length * 2, needed));
    this.#out.copy(grown, 0, 0, this.#at);
    this.#out = grown;
  }
}

/** What `max_bytes` counts. */
export function payloadBytes({ key, value, headers }: DecodedRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, headerValue] of headers) bytes += 2 + name.length + (headerValue?.length ?? 0);
  return bytes;
}
