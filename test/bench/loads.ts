/** What the benchmark drives a broker with: two small C programs, built here, and the requests they replay. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeRequest } from '../../src/protocol/header.ts';
import { ProduceRequest } from '../../src/protocol/messages/produce.ts';
import { buildBatch } from '../../src/record/records.ts';

export interface Programs {
  readonly driver: string;
  readonly replayer: string;
  readonly directory: string;
  close(): void;
}

/** Null, with the reason printed, where there is no compiler or no librdkafka. */
export function buildPrograms(): Programs | null {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-bin-'));
  const build = (name: string, libraries: readonly string[]) => {
    const program = join(directory, name);
    execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, `${name}.c`), ...libraries], { stdio: 'pipe' });
    return program;
  };
  try {
    const close = () => rmSync(directory, { recursive: true, force: true });
    return { replayer: build('replayer', []), driver: build('driver', ['-lrdkafka']), directory, close };
  } catch (cause) {
    process.stderr.write(`bench: cannot build the load programs (cc and librdkafka-dev are needed): ${cause}\n`);
    rmSync(directory, { recursive: true, force: true });
    return null;
  }
}

export interface Measured {
  readonly ms: number;
  readonly failed: number;
  readonly records?: number;
  readonly requests?: number;
  readonly bytes?: number;
  /** Milliseconds. */
  readonly p50?: number;
  readonly p99?: number;
}

export function run(program: string, parameters: readonly (string | number)[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`${program} ended with status ${code}`));
      else resolve(JSON.parse(output) as Measured);
    });
  });
}

const noise = (bytes: number, seed: number): Buffer => {
  const buffer = Buffer.allocUnsafe(bytes);
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    buffer[at] = state >>> 16;
  }
  return buffer;
};

/** Produce v7 requests, one partition each, as files for the replayer. The error code of the answer is at `checkAt`. */
export function writeProduceRequests(
  directory: string,
  topic: string,
  partitions: number,
  recordCount: number,
  recordBytes: number,
  /** A replayed timestamp grows old; without one, retention judges by when a record was appended. */
  timestamps: 'now' | 'none' = 'now',
): { readonly files: readonly string[]; readonly checkAt: number } {
  const files = Array.from({ length: partitions }, (_, index) => {
    const value = noise(recordBytes, index);
    const records = buildBatch(
      Array.from({ length: recordCount }, () => ({ key: null, value, headers: [] })),
      { timestamp: timestamps === 'now' ? Date.now() : -1 },
    );
    const body = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topics: [{ name: topic, partitions: [{ index, records: [records] }] }],
    };
    const file = join(directory, `${topic}-${recordCount}-${index}.produce`);
    const parts = encodeRequest(ProduceRequest, 7, { correlationId: 1, clientId: 'replayer' }, body as never);
    writeFileSync(file, Buffer.concat(parts));
    return file;
  });
  // size, correlation id, topics, name, partitions, index, then the error code.
  return { files, checkAt: 4 + 4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4 };
}

/** HTTP requests of `recordCount` small JSON records with keys. */
export function writeHttpRequest(directory: string, topic: string, host: string, recordCount: number): string {
  const records = Array.from({ length: recordCount }, (_, index) => ({
    key: `customer-${index % 37}`,
    value: { order: 100_000 + index, item: 'millstone', quantity: index % 9, price: 19.99, express: index % 2 === 0 },
  }));
  const body = JSON.stringify({ records });
  const head = `POST /v1/topics/${topic}/records HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const file = join(directory, `${topic}.http`);
  writeFileSync(file, head + body);
  return file;
}
