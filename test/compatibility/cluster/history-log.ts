/** A history while it is made: every event goes to a file, so that a failure can be looked into, and to the checker. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Checker, type Verdict } from './checker/checker.ts';
import type { HistoryEvent, SendEvent } from './checker/history.ts';

const BUFFER_CHARACTERS = 64 * 1024;

export class HistoryLog {
  /** Acknowledged sends so far. */
  acknowledged = 0;
  /** From the beginning of a send to its acknowledgement at most, since it was last set to 0; and whose that was. */
  slowest = { ms: 0, client: '' };
  readonly file: string;
  readonly #names = new Map<number, string>();
  /** When sends that are not acknowledged yet began, microseconds. */
  readonly #open = new Map<number, number>();
  readonly #descriptor: number;
  readonly #checker = new Checker();
  #buffer = '';

  constructor(file: string) {
    this.file = file;
    this.#descriptor = openSync(file, 'w');
  }

  /** A line of a worker's output. */
  addLine(line: string): void {
    const event = JSON.parse(line) as HistoryEvent;
    if (event.f === 'client') this.#names.set(event.client, event.name);
    if (event.f === 'send') this.#time(event);
    this.#checker.add(event);
    this.#write(`${line}\n`);
  }

  #time({ type, value, at, client }: SendEvent): void {
    if (type === 'invoke') {
      this.#open.set(value, at);
      return;
    }
    const ms = (at - this.#open.get(value)!) / 1_000;
    this.#open.delete(value);
    if (type !== 'ok') return;
    this.acknowledged += 1;
    if (ms > this.slowest.ms) this.slowest = { ms, client: this.#names.get(client) ?? `client ${client}` };
  }

  /** What was done to the cluster, for whoever reads the file. */
  note(what: string): void {
    this.#write(`${JSON.stringify({ f: 'note', at: Number(process.hrtime.bigint() / 1_000n), what })}\n`);
  }

  finish(): Verdict {
    this.#flush();
    closeSync(this.#descriptor);
    return this.#checker.finish();
  }

  #write(text: string): void {
    this.#buffer += text;
    if (this.#buffer.length > BUFFER_CHARACTERS) this.#flush();
  }

  #flush(): void {
    writeSync(this.#descriptor, this.#buffer);
    this.#buffer = '';
  }
}
