/** A history while it is made: every event goes to a file, so that a failure can be looked into, and to the checker. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Checker, type Verdict } from './checker/checker.ts';
import type { HistoryEvent } from './checker/history.ts';

const BUFFER_CHARACTERS = 64 * 1024;

export class HistoryLog {
  /** Acknowledged sends so far. */
  acknowledged = 0;
  readonly file: string;
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
    if (event.f === 'send' && event.type === 'ok') this.acknowledged += 1;
    this.#checker.add(event);
    this.#write(`${line}\n`);
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
