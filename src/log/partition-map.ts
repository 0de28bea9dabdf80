/** A map by topic id and partition that makes no key strings. */
export class PartitionMap<Value> {
  readonly #topics = new Map<string, Map<number, Value>>();

  get(topicId: string, partition: number): Value | undefined {
    return this.#topics.get(topicId)?.get(partition);
  }

  set(topicId: string, partition: number, value: Value): void {
    const topic = this.#topics.get(topicId);
    if (topic === undefined) this.#topics.set(topicId, new Map([[partition, value]]));
    else topic.set(partition, value);
  }

  getOrAdd(topicId: string, partition: number, make: () => Value): Value {
    const found = this.get(topicId, partition);
    if (found !== undefined) return found;
    const made = make();
    this.set(topicId, partition, made);
    return made;
  }

  delete(topicId: string, partition: number): void {
    const topic = this.#topics.get(topicId);
    topic?.delete(partition);
    if (topic?.size === 0) this.#topics.delete(topicId);
  }

  *values(): Iterable<Value> {
    for (const topic of this.#topics.values()) yield* topic.values();
  }
}
