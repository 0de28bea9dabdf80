/**
 * `millrace produce`: records from files or standard input into a topic. Every record reaches the log once and in the
 * order of the input within its partition, however often the broker goes away meanwhile; when that cannot be, it stops at
 * the first record that failed, says which, and exits with 6 when others were appended.
 */
import { constants, createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type EncodedRecord, encodeRecord } from '../../client/outgoing-record.ts';
import { DeliveryError, Producer, type RecordFormat } from '../../client/producer.ts';
import { unescapeBytes } from '../escapes.ts';
import { EXIT, InputError, NotFoundError, UsageError } from '../exit-code.ts';
import { parseJsonLine } from '../json-lines.ts';
import { type Output, renderRows } from '../output.ts';
import { Progress } from '../progress.ts';
import { RecordSplitter } from '../record-splitter.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { type ClientFlags, nameAndValue, openClient, wholeNumber } from './client.ts';

interface ProduceFlags extends ClientFlags {
  readonly partition?: string;
  readonly key?: string;
  readonly keySeparator?: string;
  readonly delimiter: string;
  readonly header?: readonly string[];
  readonly emptyAsNull?: boolean;
  readonly json?: boolean;
  readonly recordFormat: RecordFormat;
  readonly output: Output;
}

/** Above any `max.message.bytes` one would set; a wrong delimiter must not fill the memory. */
const RECORD_BYTES_MAX = 67_108_864;

/** Null for input that is no record: an empty line between JSON records. */
type Parse = (bytes: Buffer) => EncodedRecord | null;

export async function produceCommand(
  topic: string,
  files: readonly string[],
  flags: ProduceFlags,
  terminal: Terminal,
): Promise<number> {
  const parse = parserOf(flags);
  const delimiter = unescapeBytes(flags.delimiter);
  if (delimiter.length === 0) throw new UsageError('-D is empty: a record must end somewhere');
  await checkReadable(files);
  const producer = await Producer.open(openClient(flags), topic, {
    recordFormat: flags.json === true ? flags.recordFormat : 'text',
  });
  const progress = new Progress(terminal);
  const input = new Input(producer, parse, delimiter, progress);
  try {
    for (const source of sourcesOf(files, terminal)) await input.read(source, terminal.interrupted);
    await producer.flush();
  } catch (error) {
    // What stands before a record that cannot be read is fine and is sent.
    if (error instanceof InputError) await producer.flush().catch(() => {});
    producer.abort();
    progress.end();
    throw asFailure(error, producer);
  }
  progress.end();
  const row = { topic, records: producer.delivered, bytes: input.bytes };
  if (flags.output !== 'table') await write(terminal.stdout, renderRows([], [row], flags.output));
  else if (terminal.stderr.isTTY === true) note(terminal, `${row.records} records, ${row.bytes} bytes`);
  return terminal.interrupted.aborted ? EXIT.interrupted : EXIT.ok;
}

/** Before anything is sent: a mistyped name of the last file must not leave the first ones appended. */
async function checkReadable(files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (file === '-') continue;
    try {
      await access(file, constants.R_OK);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw code === 'ENOENT' ? new NotFoundError(`there is no file ${file}`) : new InputError(message);
    }
  }
}

function* sourcesOf(files: readonly string[], terminal: Terminal): Generator<Readable> {
  if (files.length === 0) yield terminal.stdin;
  for (const file of files) {
    yield file === '-' ? terminal.stdin : createReadStream(file, { highWaterMark: 1_048_576 });
  }
}

class Input {
  bytes = 0;
  #records = 0;
  readonly #producer: Producer;
  readonly #parse: Parse;
  readonly #delimiter: Buffer;
  readonly #progress: Progress;

  constructor(producer: Producer, parse: Parse, delimiter: Buffer, progress: Progress) {
    this.#producer = producer;
    this.#parse = parse;
    this.#delimiter = delimiter;
    this.#progress = progress;
  }

  /** Reads to the end, or until the user interrupts: what was read by then is still sent. */
  async read(source: Readable, interrupted: AbortSignal): Promise<void> {
    const splitter = new RecordSplitter(this.#delimiter, RECORD_BYTES_MAX);
    const stop = () => source.destroy();
    interrupted.addEventListener('abort', stop, { once: true });
    try {
      if (!interrupted.aborted) {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          this.bytes += chunk.length;
          await this.#enqueue(splitter.push(chunk));
          this.#progress.update(this.#producer.delivered, this.bytes);
        }
        await this.#enqueue(splitter.end());
      }
    } catch (error) {
      if (!interrupted.aborted) throw error;
    } finally {
      interrupted.removeEventListener('abort', stop);
    }
  }

  async #enqueue(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      this.#records++;
      const record = this.#parseAt(piece);
      if (record === null) continue;
      this.#producer.enqueueEncoded(record);
      if (!this.#producer.hasRoom) await this.#producer.ready();
    }
  }

  #parseAt(piece: Buffer): EncodedRecord | null {
    try {
      return this.#parse(piece);
    } catch (error) {
      if (error instanceof InputError) throw new InputError(`record ${this.#records} of the input: ${error.message}`);
      throw error;
    }
  }
}

function parserOf(flags: ProduceFlags): Parse {
  const partition = flags.partition === undefined ? null : wholeNumber('-p', flags.partition, 0);
  if (flags.json === true) {
    if (flags.key !== undefined || flags.keySeparator !== undefined || flags.header !== undefined) {
      throw new UsageError('-J records carry their own keys and headers: -k, -K and -H do not go with it');
    }
    return jsonParser(flags.recordFormat, partition);
  }
  const fixedKey = flags.key === undefined ? null : Buffer.from(flags.key);
  const separator = flags.keySeparator === undefined ? null : unescapeBytes(flags.keySeparator);
  if (fixedKey !== null && separator !== null) throw new UsageError('-k and -K do not go together');
  if (separator?.length === 0) throw new UsageError('-K is empty');
  const headers = (flags.header ?? []).map((text): readonly [string, Buffer] => {
    const [name, value] = nameAndValue('-H', text);
    return [name, Buffer.from(value)];
  });
  const orNull = (bytes: Buffer) => (flags.emptyAsNull === true && bytes.length === 0 ? null : bytes);
  const place = partition === null ? {} : { partition };
  return (bytes) => {
    const at = separator === null ? -1 : bytes.indexOf(separator);
    const key = at === -1 ? fixedKey : orNull(bytes.subarray(0, at));
    const value = orNull(at === -1 ? bytes : bytes.subarray(at + separator!.length));
    return encodeRecord({ key, value, headers, ...place });
  };
}

function jsonParser(format: RecordFormat, partition: number | null): Parse {
  return (bytes) => {
    if (bytes.length === 0 || (bytes.length === 1 && bytes[0] === 0x0d)) return null;
    const record = parseJsonLine(bytes, format);
    if (partition === null) return record;
    if (record.partition !== null && record.partition !== partition) {
      throw new InputError(`partition ${record.partition}, but -p says ${partition}`);
    }
    return { ...record, partition };
  };
}

/** A failure after some success is a partial one: exit status 6. */
function asFailure(error: unknown, producer: Producer): unknown {
  if (producer.delivered === 0) return error;
  const isInput = error instanceof DeliveryError || error instanceof InputError;
  if (!isInput) return error;
  return new InputError(`${error.message} (at least ${producer.delivered} records were appended)`, true);
}
