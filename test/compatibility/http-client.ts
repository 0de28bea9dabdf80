/** What a careful user of the HTTP interface does with nothing but `fetch`: repeats what may be repeated, as it was. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ReadRecord } from './packages.ts';

const PATIENCE_MS = 60_000;
const PAUSE_MS = 50;

interface Page {
  readonly records: readonly { readonly offset: number; readonly key: string | null; readonly value: string }[];
  readonly next: number;
  readonly high_watermark: number;
}

export class HttpClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async createTopic(name: string, partitions: number, config: Readonly<Record<string, string>> = {}): Promise<void> {
    const response = await fetch(`${this.#url}/v1/topics`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, partitions, config }),
    });
    if (response.status !== 201) throw new Error(`creating ${name}: ${response.status} ${await response.text()}`);
  }

  /** Sends lines of records until they are all appended. */
  async produce(topic: string, lines: string, idempotencyKey: string): Promise<void> {
    const response = await this.#untilAnswered(`/v1/topics/${topic}/records`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-ndjson',
        'record-format': 'text',
        'idempotency-key': idempotencyKey,
      },
      body: lines,
    });
    if (response.status !== 200) throw new Error(`producing: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }

  /** High watermarks summed up. */
  async recordCount(topic: string): Promise<number> {
    const response = await this.#untilAnswered(`/v1/topics/${topic}`, {});
    const { partition_details: details } = (await response.json()) as {
      readonly partition_details: readonly { readonly high_watermark: number | null }[];
    };
    return details.reduce((sum, { high_watermark: count }) => sum + (count ?? 0), 0);
  }

  /** A null key comes as an empty one. */
  async *readPartition(topic: string, partition: number): AsyncGenerator<ReadRecord> {
    for (let from = 0; ; ) {
      const path = `/v1/topics/${topic}/partitions/${partition}/records?from=${from}&limit=5000&max_bytes=4194304`;
      const response = await this.#untilAnswered(path, { headers: { 'record-format': 'base64' } });
      if (response.status !== 200) throw new Error(`reading: ${response.status} ${await response.text()}`);
      const page = (await response.json()) as Page;
      for (const { offset, key, value } of page.records) {
        yield { partition, offset, key: Buffer.from(key ?? '', 'base64'), value: Buffer.from(value, 'base64') };
      }
      if (page.next === page.high_watermark) return;
      from = page.next;
    }
  }

  /** Again while nobody answers, the answer may be another next time, or some records failed. */
  async #untilAnswered(path: string, init: RequestInit): Promise<Response> {
    for (const deadline = performance.now() + PATIENCE_MS; ; ) {
      const response = await fetch(this.#url + path, init).catch(() => null);
      const again = response === null || response.status === 207 || response.status >= 500;
      if (response !== null && (!again || performance.now() > deadline)) return response;
      await response?.arrayBuffer().catch(() => {});
      if (performance.now() > deadline) throw new Error(`${path}: nobody answers`);
      await pause(PAUSE_MS);
    }
  }
}
