import { collisionKey } from './topic-name.ts';
import type { Topic } from './topics.ts';

/** Active topics in memory: by name, by id, in order of names. */
export class TopicImage {
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #byCollision = new Map<string, string>();
  readonly #partitionsByJournal = new Map<number, number>();
  /** Sorted; rebuilt at the first listing after a change of names. */
  #names: string[] | null = [];
  #version = 0;

  get count(): number {
    return this.#byId.size;
  }

  /** Grows when topics or their partitions come or go. */
  get version(): number {
    return this.#version;
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  byId(topicId: string): Topic | undefined {
    return this.#byId.get(topicId);
  }

  /** The topic whose name is the same, or the same but for "." and "_". */
  colliding(name: string): string | undefined {
    return this.#byCollision.get(collisionKey(name));
  }

  partitionsOf(journal: number): number {
    return this.#partitionsByJournal.get(journal) ?? 0;
  }

  list(prefix: string, after: string, limit: number): readonly Topic[] {
    this.#names ??= [...this.#byName.keys()].sort(compareText);
    const names = this.#names;
    const found: Topic[] = [];
    let index = prefix > after ? firstAtOrAfter(names, prefix) : firstAtOrAfter(names, after);
    if (names[index] === after && after !== '') index++;
    for (; index < names.length && found.length < limit; index++) {
      const name = names[index]!;
      if (!name.startsWith(prefix)) break;
      found.push(this.#byName.get(name)!);
    }
    return found;
  }

  put(topic: Topic): void {
    const before = this.#byId.get(topic.topicId);
    if (before?.name !== topic.name || before.partitions.length !== topic.partitions.length) this.#version++;
    this.#drop(topic.topicId);
    if (!this.#byName.has(topic.name)) this.#names = null;
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.topicId, topic);
    this.#byCollision.set(collisionKey(topic.name), topic.name);
    this.#count(topic, 1);
  }

  remove(topicId: string): void {
    if (this.#byId.has(topicId)) this.#version++;
    this.#drop(topicId);
  }

  #drop(topicId: string): void {
    const topic = this.#byId.get(topicId);
    if (!topic) return;
    this.#byId.delete(topicId);
    this.#byName.delete(topic.name);
    this.#byCollision.delete(collisionKey(topic.name));
    this.#names = null;
    this.#count(topic, -1);
  }

  #count(topic: Topic, sign: 1 | -1): void {
    for (const { journal } of topic.partitions) {
      this.#partitionsByJournal.set(journal, this.partitionsOf(journal) + sign);
    }
  }
}

/** By UTF-16 code units, which for topic names is ASCII order. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function firstAtOrAfter(sorted: readonly string[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
