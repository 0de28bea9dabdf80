/** `millrace consume`: the records of a topic on standard output, up to its present end or, with `--follow`, for ever. */
import type { ConsumedRecord } from '../../client/client.ts';
import { type Consumed, consume } from '../../client/consume.ts';
import type { RecordFormat } from '../../client/producer.ts';
import { unescapeBytes } from '../escapes.ts';
import { EXIT, UsageError } from '../exit-code.ts';
import { compileFormat, joinOutput, plainFormat, type RecordFormatter } from '../format.ts';
import { InterruptError } from '../interrupt.ts';
import { jsonFormat } from '../json-lines.ts';
import { parseStartAndEnd } from '../start-offset.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { type ClientFlags, openClient, wholeNumber } from './client.ts';

interface ConsumeFlags extends ClientFlags {
  readonly offset?: readonly string[];
  readonly partition?: readonly string[];
  readonly count?: string;
  readonly follow?: boolean;
  readonly format?: string;
  readonly keySeparator?: string;
  readonly delimiter: string;
  readonly null: string;
  readonly json?: boolean;
  readonly recordFormat: RecordFormat;
}

export async function consumeCommand(topic: string, flags: ConsumeFlags, terminal: Terminal): Promise<number> {
  const formatter = formatterOf(flags);
  const { from, until } = parseStartAndEnd(flags.offset ?? []);
  const countMax = flags.count === undefined ? Infinity : wholeNumber('-n', flags.count, 0);
  const client = openClient(flags);
  const { partitions: partitionCount } = await client.describeTopic(topic);
  const partitions = chosenPartitions(flags.partition, topic, partitionCount);
  const printer = new Printer(topic, formatter, countMax, terminal);
  if (countMax === 0) return EXIT.ok;
  const options = { partitions, from, until, follow: flags.follow === true, signal: terminal.interrupted };
  try {
    for await (const consumed of consume(client, topic, options)) {
      await printer.print(consumed);
      if (printer.isDone) break;
    }
  } catch (error) {
    if (!(error instanceof InterruptError)) throw error;
    printer.tellWhereItStopped();
    // Ctrl-C is how one stops following; elsewhere it cut something short.
    return flags.follow === true ? EXIT.ok : EXIT.interrupted;
  }
  return printer.skippedAny ? EXIT.partial : EXIT.ok;
}

class Printer {
  skippedAny = false;
  #left: number;
  readonly #topic: string;
  readonly #formatter: RecordFormatter;
  readonly #terminal: Terminal;
  readonly #next = new Map<number, number>();

  constructor(topic: string, formatter: RecordFormatter, countMax: number, terminal: Terminal) {
    this.#topic = topic;
    this.#formatter = formatter;
    this.#left = countMax;
    this.#terminal = terminal;
  }

  get isDone(): boolean {
    return this.#left <= 0;
  }

  async print(consumed: Consumed): Promise<void> {
    const { partition } = consumed;
    if (consumed.type === 'skipped') {
      this.skippedAny = true;
      note(this.#terminal, `millrace: partition ${partition}: went on at ${consumed.next}: ${consumed.why.message}`);
      return;
    }
    const records: readonly ConsumedRecord[] = consumed.records.slice(0, this.#left);
    const output: (string | Uint8Array)[] = [];
    for (const record of records) this.#formatter(record, { topic: this.#topic, partition }, output);
    this.#left -= records.length;
    await write(this.#terminal.stdout, joinOutput(output));
    this.#next.set(partition, records.at(-1)!.offset + 1);
  }

  tellWhereItStopped(): void {
    if (this.#next.size === 0) return;
    const places = [...this.#next].sort(([a], [b]) => a - b).map(([partition, next]) => `-p ${partition} -o ${next}`);
    note(this.#terminal, `next: ${places.join(', ')}`);
  }
}

function formatterOf(flags: ConsumeFlags): RecordFormatter {
  if (flags.json === true) {
    if (flags.format !== undefined) throw new UsageError('-f and -J do not go together');
    return jsonFormat(flags.recordFormat);
  }
  if (flags.format !== undefined) return compileFormat(flags.format, flags.null);
  const separator = flags.keySeparator === undefined ? null : unescapeBytes(flags.keySeparator);
  return plainFormat(separator, unescapeBytes(flags.delimiter), flags.null);
}

function chosenPartitions(chosen: readonly string[] | undefined, topic: string, count: number): readonly number[] {
  if (chosen === undefined) return Array.from({ length: count }, (_, partition) => partition);
  const partitions = [...new Set(chosen.map((text) => wholeNumber('-p', text, 0)))];
  const wrong = partitions.find((partition) => partition >= count);
  if (wrong !== undefined) throw new UsageError(`topic ${topic} has no partition ${wrong}: it has ${count}`);
  return partitions;
}
