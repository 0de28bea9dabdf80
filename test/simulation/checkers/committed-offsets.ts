/**
 * Invariant 5: a committed offset never moves backwards, except when asked; a consumer is never reset by a stale answer.
 *
 * The journals say what each group's offset of a partition was, one after the other. An answer must be one of those that
 * it had since the request arrived, and a commit that was acknowledged must be among them.
 */
import { type Checker, type HistoryEvent, nameOf, type OffsetTold, type PartitionName, Violation } from '../history.ts';

/** Of an offset that nobody committed, or that is gone. */
const NONE = -1;

export class CommittedOffsets implements Checker {
  readonly name = 'committed offsets';
  /** By group and partition, oldest first. */
  readonly #values = new Map<string, number[]>();

  /** How often the offset has changed. */
  changes(groupId: string, name: PartitionName): number {
    return this.#values.get(keyOf(groupId, name))?.length ?? 0;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'recordsChanged':
        for (const { key, value } of event.changes) this.#changed(event.owner, key, value);
        return;
      case 'offsetCommitted':
        this.#check(event, 'acknowledges');
        return;
      case 'offsetFetched':
        this.#check(event, 'answers');
        return;
      default:
    }
  }

  #changed(owner: string, key: string, value: string | null): void {
    const [family, topicId, partition] = key.split('/');
    if (!owner.startsWith('group/') || family !== 'o') return;
    const place = keyOf(owner.slice('group/'.length), { topicId: topicId!, partition: Number(partition) });
    const values = this.#values.get(place) ?? [];
    this.#values.set(place, values);
    values.push(value === null ? NONE : Number(JSON.parse(value).offset));
  }

  #check({ process, groupId, offset, changesBefore, together, ...name }: OffsetTold, verb: string): void {
    const values = this.#values.get(keyOf(groupId, name)) ?? [];
    const standing = changesBefore === 0 ? NONE : values[changesBefore - 1]!;
    const since = [standing, ...values.slice(changesBefore)];
    // The last one of an entry may be what stood there before: then nothing changes.
    if (together || since.includes(offset)) return;
    const what = `offset ${offset} of group ${groupId} for ${nameOf(name)}`;
    throw new Violation(this.name, `${process} ${verb} ${what}, which had ${since.join(', ')} since it was asked`);
  }
}

const keyOf = (groupId: string, name: PartitionName): string => `${groupId} ${nameOf(name)}`;
