/** What was sent to a topic of one partition and acknowledged, to be found there afterwards, in order and once. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { HttpClient } from '../http-client.ts';
import type { Cluster, Member } from './cluster.ts';

const NAME_CHARACTERS = 40;
const REQUEST_MS = 10_000;

export class Account {
  readonly topic: string;
  readonly #cluster: Cluster;
  /** Offsets of what was acknowledged; null: sent, and nobody knows. */
  readonly #sent = new Map<string, number | null>();
  #number = 0;

  private constructor(cluster: Cluster, topic: string) {
    this.#cluster = cluster;
    this.topic = topic;
  }

  static async open(cluster: Cluster, topic: string): Promise<Account> {
    await cluster.createTopic(topic, 1);
    return new Account(cluster, topic);
  }

  get acknowledged(): number {
    return [...this.#sent.values()].filter((offset) => offset !== null).length;
  }

  /** One attempt at one broker: the status, or null when there was no answer. */
  async attempt(member: Member, bytes = 100): Promise<{ readonly status: number; readonly body: unknown } | null> {
    const value = `${this.topic} ${this.#number++} `.padEnd(bytes, 'x');
    const name = value.slice(0, NAME_CHARACTERS);
    this.#sent.set(name, null);
    try {
      const response = await fetch(`${member.broker.url}/v1/topics/${this.topic}/partitions/0/records`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'record-format': 'text' },
        body: JSON.stringify({ records: [{ value }] }),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const body = (await response.json()) as { readonly results?: readonly { readonly offset: number }[] };
      if (response.status === 200) this.#sent.set(name, body.results![0]!.offset);
      return { status: response.status, body };
    } catch {
      return null;
    }
  }

  /** Until one is acknowledged. */
  async send(member: Member, bytes = 100, withinMs = 30_000): Promise<void> {
    let last: unknown = null;
    for (const deadline = performance.now() + withinMs; performance.now() < deadline; await pause(50)) {
      const answer = await this.attempt(member, bytes);
      if (answer?.status === 200) return;
      last = answer;
    }
    throw new Error(
      `${member.name} took no record in ${withinMs} ms: ${JSON.stringify(last)} ${member.broker.log.slice(-2_000)}`,
    );
  }

  /** Sends all the time, to whoever is there, until the answer is called. */
  sendOn(): () => Promise<void> {
    let stopped = false;
    const sending = (async () => {
      for (let turn = 0; !stopped; turn++) {
        const { running } = this.#cluster;
        await this.attempt(running[turn % running.length]!, turn % 10 === 0 ? 200_000 : 100);
        await pause(20);
      }
    })();
    return async () => {
      stopped = true;
      await sending;
    };
  }

  /** Everything acknowledged is where it was said to be, and nothing is there twice. */
  async expectAll(member: Member = this.#cluster.running[0]!): Promise<void> {
    const found = new Map<string, number>();
    let next = 0;
    for await (const { offset, value } of new HttpClient(member.broker.url).readPartition(this.topic, 0)) {
      expect(offset).toBe(next++);
      const name = value.toString('utf8', 0, NAME_CHARACTERS);
      expect(found.has(name), `${name} is there twice`).toBe(false);
      expect(this.#sent.has(name), `${name} was not sent`).toBe(true);
      found.set(name, offset);
    }
    for (const [name, offset] of this.#sent) if (offset !== null) expect(found.get(name), name).toBe(offset);
  }
}
