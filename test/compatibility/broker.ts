/**
 * A broker as a user runs it: a process of its own on either kind of stores, which can be killed and started again on the
 * same ports. With S3 and DynamoDB the stand-ins are processes of their own too and outlive the broker.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endWithUs } from '../stand-ins/children.ts';
import { dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { freePort } from '../stand-ins/free-port.ts';
import { isInstalled, startRealS3 } from '../stand-ins/real-s3.ts';
import { type ServerProcess, startServerProcess } from '../stand-ins/server-process.ts';
import { run } from './run.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
/** The command line of a checkout: `node src/cli/main.ts`. */
export const MILLRACE = [process.execPath, join(ROOT, 'src', 'cli', 'main.ts')] as const;

export type StoresKind = 'embedded' | 'S3 and DynamoDB';

/** The kinds that can be had here. */
export const storesKinds = (): readonly StoresKind[] =>
  dynoxideBinary() === null ? ['embedded'] : ['embedded', 'S3 and DynamoDB'];

/** Where a broker keeps its data, and what it has to be told for it. */
export interface BrokerStores {
  readonly what: string;
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function makeStores(kind: StoresKind): Promise<BrokerStores> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-compatibility-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  if (kind === 'embedded') {
    return { what: kind, flags: ['--data', join(directory, 'data')], environment: {}, close: remove };
  }
  const [s3, dynoxide] = await Promise.all([startS3(join(directory, 's3')), startDynoxide()]);
  const environment = {
    ...standInEnvironment(),
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: dynoxide.endpoint,
  };
  const flags = ['--store', 's3://millrace/data', '--table', 'millrace'];
  await run([...MILLRACE, 'storage', 'init', ...flags], { environment });
  const close = async () => {
    await Promise.all([s3.close(), dynoxide.close()]);
    await remove();
  };
  return {
    what: `${isInstalled('versitygw') ? 'versitygw' : 'S3 test server'} and dynoxide`,
    flags,
    environment,
    close,
  };
}

/** The one that others wrote, where it is installed. */
function startS3(directory: string): Promise<ServerProcess> {
  if (isInstalled('versitygw')) return startRealS3('versitygw', directory);
  const server = join(ROOT, 'test', 'stand-ins', 's3-server.ts');
  return startServerProcess({
    binary: process.execPath,
    arguments: (port) => [server, String(port), directory],
  });
}

export interface BrokerOptions {
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Put in front of the command, such as a shell that sets a limit. */
  readonly wrapper?: readonly string[];
  /** A copy of the checkout to run from. */
  readonly sources?: string;
}

const START_MS = 60_000;
const ANY_PORT = '127.0.0.1:0';

export class Broker {
  /** The same after every start. */
  kafka = ANY_PORT;
  http = ANY_PORT;
  readonly #stores: Pick<BrokerStores, 'flags' | 'environment'>;
  readonly #options: BrokerOptions;
  #child: ChildProcess | null = null;
  #log = '';

  constructor(stores: Pick<BrokerStores, 'flags' | 'environment'>, options: BrokerOptions = {}) {
    this.#stores = stores;
    this.#options = options;
  }

  static async start(stores: Pick<BrokerStores, 'flags' | 'environment'>, options?: BrokerOptions): Promise<Broker> {
    const broker = new Broker(stores, options);
    await broker.start();
    return broker;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get isAlive(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get url(): string {
    return `http://${this.http}`;
  }

  /** What it wrote to its standard error since the last start. */
  get log(): string {
    return this.#log;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    if (this.kafka === ANY_PORT) this.kafka = `127.0.0.1:${await freePort()}`;
    if (this.http === ANY_PORT) this.http = `127.0.0.1:${await freePort()}`;
    const { flags, environment } = this.#stores;
    const command = [
      ...(this.#options.wrapper ?? []),
      process.execPath,
      join(this.#options.sources ?? ROOT, 'src', 'cli', 'main.ts'),
      'serve',
      ...flags,
      ...['--kafka', this.kafka, '--http', this.http],
      ...(this.#options.flags ?? []),
    ];
    const child = spawn(command[0]!, command.slice(1), {
      cwd: this.#options.sources ?? ROOT,
      env: { ...process.env, MILLRACE_LOG_LEVEL: 'warn', ...environment, ...this.#options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#log = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#log += chunk;
    });
    endWithUs(child);
    await this.#ready(child);
  }

  #ready(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready after ${START_MS} ms: ${this.#log}`)), START_MS);
      child.once('close', (code) => {
        clearTimeout(timer);
        reject(new Error(`the broker ended with status ${code} before it was ready: ${this.#log}`));
      });
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const first = /^millrace \S+ kafka=(\S+) http=(\S+)$/.exec(line);
        if (first) [this.kafka, this.http] = [first[1]!, first[2]!];
        if (line !== 'ready') return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Ends it as a power cut would, as far as a process can tell. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Waits until it ends by itself. The exit status. */
  async ended(withinMs: number): Promise<number | null> {
    const child = this.#child!;
    if (child.exitCode === null) await once(child, 'close', { signal: AbortSignal.timeout(withinMs) });
    return child.exitCode;
  }

  /** Asks it to stop. The exit status. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'close');
      child.kill(signal);
      await ended;
    }
    return child.exitCode;
  }
}
