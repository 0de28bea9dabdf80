/** What the programs in Node that record a history have in common: see `../checker/history.ts` and `../clients.ts`. */
import { type HistoryEvent, monotonicMicros, VALUES_PER_CLIENT } from '../checker/history.ts';

export interface WorkerConfig {
  /** Kafka addresses. */
  readonly bootstrap: string;
  /** HTTP addresses, `http://HOST:PORT`. */
  readonly urls: readonly string[];
  /** Number of the first client. */
  readonly base: number;
  /** Partitions by topic. */
  readonly topics: Readonly<Record<string, number>>;
  readonly roles: readonly string[];
  readonly seed: number;
  readonly pauseMs: number;
}

type Fields<Event> = Event extends HistoryEvent ? Omit<Event, 'at' | 'client'> : never;

export const config = JSON.parse(process.argv[2]!) as WorkerConfig;

const stop = new AbortController();
/** Aborted when the input ends. */
export const stopping = stop.signal;
process.stdin.on('end', () => stop.abort()).resume();

const print = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

let made = 0;

/** One producer or consumer object of a history. */
export class WorkerClient {
  readonly number = config.base + made++;
  #counter = 0;
  #op = 0;

  constructor(name: string, more: Pick<Extract<HistoryEvent, { f: 'client' }>, 'isolation' | 'ordered'> = {}) {
    this.tell({ f: 'client', name: `${name} ${this.number}`, ...more });
  }

  tell(fields: Fields<HistoryEvent>): void {
    print({ at: monotonicMicros(), client: this.number, ...fields });
  }

  trouble(what: string): void {
    print({ f: 'trouble', at: monotonicMicros(), client: this.number, what });
  }

  nextValue = (): number => this.number * VALUES_PER_CLIENT + this.#counter++;
  nextOp = (): number => ++this.#op;
}

/** The value that a record carries. */
export const valueIn = (text: string): number => Number(text.slice(0, text.indexOf(' ')));
export const recordOf = (value: number, bytes: number): string => `${value} `.padEnd(bytes, 'x');

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Runs them all until they end; one that dies is told. Some clients wait for ever when they are closed at a bad moment:
 * `patienceMs` after they were asked to end they are left as they are.
 */
export async function runRoles(
  roles: Readonly<Record<string, (index: number) => Promise<void>>>,
  patienceMs = 60_000,
): Promise<void> {
  const impatient = new Promise<void>((resolve) => {
    stopping.addEventListener('abort', () => setTimeout(resolve, patienceMs), { once: true });
  });
  const all = Promise.all(
    config.roles.map(async (role, index) => {
      try {
        await roles[role]!(index);
      } catch (cause) {
        print({ f: 'trouble', at: monotonicMicros(), client: config.base, what: `${role} ${index} died: ${cause}` });
      }
    }),
  );
  await Promise.race([all, impatient]);
}
