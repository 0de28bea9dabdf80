/**
 * Reads the records of a produce request straight from the bytes of its body, in one pass: `{"records":[…]}`, or NDJSON
 * with one record a line. Written by hand because it runs once per record; `ProduceBody` in `schemas.ts` describes the same
 * language and a test holds the two together.
 *
 * Keys and values are views into the body wherever no escape or base64 has to be undone, and a JSON value keeps every
 * digit and blank it came with. A member given twice, a member nobody knows, and a lone surrogate (which UTF-8 cannot
 * hold) are refused: nothing is dropped or changed in silence.
 */
import { isUtf8 } from 'node:buffer';
import { KafkaError } from '../errors.ts';
import type { NewRecord, NewRecordHeader } from '../record/records.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  END,
  JsonScanner,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-scanner.ts';
import type { RecordFormat } from './record-format.ts';

/** Bounds the objects that one body of a few megabytes may become. */
export const RECORDS_PER_REQUEST_MAX = 100_000;
export const HEADERS_PER_REQUEST_MAX = 100_000;

export interface ParsedRecord extends NewRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly NewRecordHeader[];
  readonly timestamp: number;
  /** -1 when the record leaves the choice open. */
  readonly partition: number;
}

export interface ParseOptions {
  readonly format: RecordFormat;
  /** True for NDJSON. */
  readonly lines: boolean;
  /** For records that carry no timestamp, milliseconds since 1970. */
  readonly now: number;
}

/** Throws KafkaError: INVALID_REQUEST that names the record and the member, or the position of what is not JSON. */
export function parseRecords(body: Buffer, options: ParseOptions): readonly ParsedRecord[] {
  if (!isUtf8(body)) throw new KafkaError('INVALID_REQUEST', 'the body is not UTF-8');
  const parser = new RecordParser(body, options);
  return options.lines ? parser.lines() : parser.document();
}

const NO_HEADERS: readonly NewRecordHeader[] = Object.freeze([]);

const MEMBERS = ['key', 'value', 'headers', 'timestamp', 'partition', 'key_base64', 'value_base64'] as const;
type Member = (typeof MEMBERS)[number];
const MEMBER_BYTES = MEMBERS.map((name) => Buffer.from(name));
const RECORDS = Buffer.from('records');
const BASE64 = Buffer.from('base64');

const NEWLINE = 0x0a;
const LETTER_N = 0x6e;

const BASE64_DIGITS = new Uint8Array(256);
for (const digit of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  BASE64_DIGITS[digit.charCodeAt(0)] = 1;
}

class RecordParser {
  readonly #body: Buffer;
  readonly #scanner: JsonScanner;
  readonly #format: RecordFormat;
  readonly #ndjson: boolean;
  readonly #now: number;
  readonly #records: ParsedRecord[] = [];
  #headerCount = 0;

  constructor(body: Buffer, { format, lines, now }: ParseOptions) {
    this.#body = body;
    this.#scanner = new JsonScanner(body);
    this.#format = format;
    this.#ndjson = lines;
    this.#now = now;
  }

  document(): readonly ParsedRecord[] {
    const scanner = this.#scanner;
    if (scanner.peek() !== OPEN_OBJECT) throw this.#syntax('an object {"records": […]}');
    scanner.at++;
    this.#name();
    if (!this.#nameIs(RECORDS)) throw new KafkaError('INVALID_REQUEST', 'the body has only one member: "records"');
    if (scanner.peek() !== OPEN_ARRAY) throw new KafkaError('INVALID_REQUEST', 'records: expected an array');
    scanner.at++;
    if (scanner.peek() === CLOSE_ARRAY) throw empty();
    do this.#record();
    while (this.#another(CLOSE_ARRAY));
    if (scanner.peek() === COMMA) throw new KafkaError('INVALID_REQUEST', 'the body has only one member: "records"');
    if (!scanner.take(CLOSE_OBJECT)) throw this.#syntax();
    if (scanner.peek() !== END) throw this.#syntax('nothing after the object');
    return this.#records;
  }

  lines(): readonly ParsedRecord[] {
    const scanner = this.#scanner;
    while (scanner.peek() !== END) {
      const start = scanner.at;
      this.#record();
      const lineEnd = this.#body.indexOf(NEWLINE, start);
      if (lineEnd !== -1 && lineEnd < scanner.at)
        throw this.#wrong('', 'a record over several lines; NDJSON has one record a line');
      const next = scanner.peek();
      if (next !== END && (lineEnd === -1 || scanner.at < lineEnd)) throw this.#syntax('the end of the line');
    }
    if (this.#records.length === 0) throw empty();
    return this.#records;
  }

  #record(): void {
    const scanner = this.#scanner;
    if (this.#records.length === RECORDS_PER_REQUEST_MAX) {
      throw new KafkaError(
        'RECORD_LIST_TOO_LARGE',
        `more than ${RECORDS_PER_REQUEST_MAX} records: send several requests`,
      );
    }
    if (scanner.peek() !== OPEN_OBJECT) throw this.#wrong('', 'expected an object');
    scanner.at++;
    let key: Uint8Array | null = null;
    let value: Uint8Array | null = null;
    let headers = NO_HEADERS;
    let timestamp = this.#now;
    let partition = -1;
    let seen = 0;
    if (scanner.peek() === CLOSE_OBJECT) scanner.at++;
    else {
      do {
        this.#name();
        const member = this.#member();
        const bit = 1 << member;
        if (seen & bit) throw this.#wrong(MEMBERS[member]!, 'given twice');
        seen |= bit;
        const byte = scanner.peek();
        switch (MEMBERS[member] as Member) {
          case 'key':
            key = this.#key(byte);
            break;
          case 'value':
            value = this.#value(byte);
            break;
          case 'headers':
            headers = this.#headers(byte);
            break;
          case 'timestamp':
            timestamp = this.#integer('timestamp', byte, this.#now);
            break;
          case 'partition':
            partition = this.#integer('partition', byte, -1);
            break;
          case 'key_base64':
            key = this.#base64('key_base64', byte);
            break;
          case 'value_base64':
            value = this.#base64('value_base64', byte);
            break;
        }
      } while (this.#another(CLOSE_OBJECT));
      if ((seen & KEYS) === KEYS) throw this.#wrong('key_base64', 'give this or key, not both');
      if ((seen & VALUES) === VALUES) throw this.#wrong('value_base64', 'give this or value, not both');
    }
    this.#records.push({ key, value, headers, timestamp, partition });
  }

  #key(byte: number): Uint8Array | null {
    if (byte === LETTER_N) return this.#null();
    if (this.#format === 'base64') return this.#base64('key', byte);
    if (byte === QUOTE) return this.#text('key');
    if (this.#format === 'json') return this.#raw();
    throw this.#wrong('key', 'expected a string or null');
  }

  #value(byte: number): Uint8Array | null {
    if (byte === LETTER_N) return this.#null();
    if (this.#format === 'json') return this.#raw();
    if (this.#format === 'base64') return this.#base64('value', byte);
    if (byte === QUOTE) return this.#text('value');
    throw this.#wrong('value', 'expected a string or null');
  }

  #headers(byte: number): readonly NewRecordHeader[] {
    const scanner = this.#scanner;
    if (byte === LETTER_N) {
      this.#null();
      return NO_HEADERS;
    }
    if (byte !== OPEN_ARRAY) throw this.#wrong('headers', 'expected an array of pairs [name, value]');
    scanner.at++;
    if (scanner.peek() === CLOSE_ARRAY) {
      scanner.at++;
      return NO_HEADERS;
    }
    const headers: NewRecordHeader[] = [];
    do headers.push(this.#header(headers.length));
    while (this.#another(CLOSE_ARRAY));
    return headers;
  }

  #header(index: number): NewRecordHeader {
    const scanner = this.#scanner;
    if (++this.#headerCount > HEADERS_PER_REQUEST_MAX) {
      throw new KafkaError(
        'RECORD_LIST_TOO_LARGE',
        `more than ${HEADERS_PER_REQUEST_MAX} headers: send several requests`,
      );
    }
    if (scanner.peek() !== OPEN_ARRAY) throw this.#wrong(`headers[${index}]`, 'expected a pair [name, value]');
    scanner.at++;
    if (scanner.peek() !== QUOTE) throw this.#wrong(`headers[${index}][0]`, 'expected a string');
    const name = this.#string(`headers[${index}][0]`);
    if (scanner.peek() !== COMMA) throw this.#wrong(`headers[${index}]`, 'expected a pair [name, value]');
    scanner.at++;
    const value = this.#headerValue(index, scanner.peek());
    if (scanner.peek() === COMMA) throw this.#wrong(`headers[${index}]`, 'expected a pair [name, value]');
    if (!scanner.take(CLOSE_ARRAY)) throw this.#syntax();
    return [name, value];
  }

  #headerValue(index: number, byte: number): Uint8Array | null {
    const scanner = this.#scanner;
    if (byte === LETTER_N) return this.#null();
    if (this.#format === 'base64') return this.#base64(`headers[${index}][1]`, byte);
    if (byte === QUOTE) return this.#text(`headers[${index}][1]`);
    const wrong = () => this.#wrong(`headers[${index}][1]`, 'expected a string, null or {"base64": "…"}');
    if (byte !== OPEN_OBJECT) throw wrong();
    scanner.at++;
    if (scanner.peek() === CLOSE_OBJECT) throw wrong();
    this.#name();
    if (!this.#nameIs(BASE64) || scanner.peek() === LETTER_N) throw wrong();
    const value = this.#base64(`headers[${index}][1].base64`, scanner.peek());
    if (this.#another(CLOSE_OBJECT)) throw wrong();
    return value;
  }

  /** A member's name, whose bytes are left in `#nameStart` and `#nameEnd`, and its colon. */
  #name(): void {
    const scanner = this.#scanner;
    if (scanner.peek() !== QUOTE) throw this.#syntax("a member's name");
    this.#nameStart = scanner.at + 1;
    if (!scanner.skipString()) throw this.#syntax();
    this.#nameEnd = scanner.at - 1;
    this.#nameEscaped = scanner.escaped;
    if (!scanner.take(COLON)) throw this.#syntax();
  }
  #nameStart = 0;
  #nameEnd = 0;
  #nameEscaped = false;

  #nameIs(name: Uint8Array): boolean {
    if (this.#nameEscaped) return this.#unescape(this.#nameStart - 1, this.#nameEnd + 1) === name.toString();
    if (this.#nameEnd - this.#nameStart !== name.length) return false;
    for (let index = 0; index < name.length; index++) {
      if (this.#body[this.#nameStart + index] !== name[index]) return false;
    }
    return true;
  }

  #member(): number {
    for (let member = 0; member < MEMBER_BYTES.length; member++) {
      if (this.#nameIs(MEMBER_BYTES[member]!)) return member;
    }
    const name = this.#unescape(this.#nameStart - 1, this.#nameEnd + 1);
    throw this.#wrong('', `unknown member ${JSON.stringify(name)}; known are ${MEMBERS.join(', ')}`);
  }

  /** After an element: true when a comma promises another one. */
  #another(close: number): boolean {
    const scanner = this.#scanner;
    const byte = scanner.peek();
    scanner.at++;
    if (byte === COMMA) return true;
    if (byte === close) return false;
    scanner.at--;
    throw this.#syntax(`"," or "${String.fromCharCode(close)}"`);
  }

  #null(): null {
    if (!this.#scanner.skipValue()) throw this.#syntax();
    return null;
  }

  /** The bytes of one JSON value as they are. */
  #raw(): Uint8Array {
    const start = this.#scanner.at;
    if (!this.#scanner.skipValue()) throw this.#syntax();
    return this.#body.subarray(start, this.#scanner.at);
  }

  /** The text of a string as UTF-8. */
  #text(member: string): Uint8Array {
    const scanner = this.#scanner;
    const start = scanner.at;
    if (!scanner.skipString()) throw this.#syntax();
    if (!scanner.escaped) return this.#body.subarray(start + 1, scanner.at - 1);
    return Buffer.from(this.#wellFormed(member, start));
  }

  #string(member: string): string {
    const scanner = this.#scanner;
    const start = scanner.at;
    if (!scanner.skipString()) throw this.#syntax();
    if (!scanner.escaped) return this.#body.toString('utf8', start + 1, scanner.at - 1);
    return this.#wellFormed(member, start);
  }

  #wellFormed(member: string, start: number): string {
    const text = this.#unescape(start, this.#scanner.at);
    if (!text.isWellFormed()) throw this.#wrong(member, 'half of a surrogate pair, which UTF-8 cannot hold');
    return text;
  }

  /** The text of a string that the scanner accepted, quotes included in the range. */
  #unescape(start: number, end: number): string {
    return JSON.parse(this.#body.toString('utf8', start, end)) as string;
  }

  #base64(member: string, byte: number): Uint8Array | null {
    if (byte === LETTER_N) return this.#null();
    if (byte !== QUOTE) throw this.#wrong(member, 'expected a string of base64 or null');
    const scanner = this.#scanner;
    const start = scanner.at + 1;
    if (!scanner.skipString()) throw this.#syntax();
    // Buffer.from would skip over what is not base64 in silence.
    const digitsEnd = this.#base64End(start, scanner.at - 1);
    if (digitsEnd === -1 || scanner.escaped) throw this.#wrong(member, 'not base64 (RFC 4648, section 4)');
    return Buffer.from(this.#body.toString('latin1', start, digitsEnd), 'base64');
  }

  /** Where the digits end and the padding begins; -1 when the bytes are not base64. Padding may be left out. */
  #base64End(start: number, end: number): number {
    const body = this.#body;
    let at = start;
    while (at < end && BASE64_DIGITS[body[at]!] === 1) at++;
    const digits = at - start;
    const padding = end - at;
    if (digits % 4 === 1 || (padding > 0 && (digits + padding) % 4 !== 0) || padding > 2) return -1;
    for (let pad = at; pad < end; pad++) if (body[pad] !== 0x3d) return -1;
    return at;
  }

  #integer(member: string, byte: number, absent: number): number {
    if (byte === LETTER_N) {
      this.#null();
      return absent;
    }
    const scanner = this.#scanner;
    const start = scanner.at;
    if (!scanner.skipValue()) throw this.#syntax();
    let integer = 0;
    for (let at = start; at < scanner.at; at++) {
      const digit = this.#body[at]! - 0x30;
      integer = digit >= 0 && digit <= 9 ? integer * 10 + digit : Number.NaN;
    }
    if (!Number.isSafeInteger(integer)) throw this.#wrong(member, `expected a whole number from 0 to ${2 ** 53 - 1}`);
    return integer;
  }

  #wrong(member: string, what: string): KafkaError {
    const record = this.#ndjson ? `line ${this.#position().line}` : `records[${this.#records.length}]`;
    const path = member === '' ? record : this.#ndjson ? `${record}, ${member}` : `${record}.${member}`;
    return new KafkaError('INVALID_REQUEST', `${path}: ${what}`);
  }

  #syntax(expected = this.#scanner.expected): KafkaError {
    const { line, column } = this.#position();
    return new KafkaError(
      'INVALID_REQUEST',
      `invalid JSON at byte ${this.#scanner.at} (line ${line}, column ${column}): expected ${expected}`,
    );
  }

  /** Counted from 1; columns count bytes. */
  #position(): { readonly line: number; readonly column: number } {
    const before = this.#body.subarray(0, this.#scanner.at);
    let line = 1;
    for (const byte of before) if (byte === NEWLINE) line++;
    return { line, column: before.length - before.lastIndexOf(NEWLINE) };
  }
}

const bitOf = (member: Member) => 1 << MEMBERS.indexOf(member);
const KEYS = bitOf('key') | bitOf('key_base64');
const VALUES = bitOf('value') | bitOf('value_base64');

const empty = () => new KafkaError('INVALID_REQUEST', 'no records: send at least one');
