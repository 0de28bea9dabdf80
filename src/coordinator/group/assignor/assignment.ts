/** Sets of partitions: what assignments are compared, joined and written down with. */
import { type Assignment, NO_PARTITIONS } from './assignor.ts';

export const partitionCountOf = (assignment: Assignment): number => {
  let count = 0;
  for (const partitions of assignment.values()) count += partitions.length;
  return count;
};

export function hasPartition(assignment: Assignment, topicId: string, partition: number): boolean {
  return assignment.get(topicId)?.includes(partition) ?? false;
}

/** The partitions that the test holds for. */
export function filterPartitions(
  assignment: Assignment,
  test: (topicId: string, partition: number) => boolean,
): Assignment {
  const kept = new Map<string, readonly number[]>();
  for (const [topicId, partitions] of assignment) {
    const some = partitions.filter((partition) => test(topicId, partition));
    if (some.length > 0) kept.set(topicId, some);
  }
  return kept;
}

export function intersection(a: Assignment, b: Assignment): Assignment {
  const sets = setsOf(b);
  return filterPartitions(a, (topicId, partition) => sets.get(topicId)?.has(partition) ?? false);
}

/** Of `a` without what is in `b`. */
export function difference(a: Assignment, b: Assignment): Assignment {
  const sets = setsOf(b);
  return filterPartitions(a, (topicId, partition) => !sets.get(topicId)?.has(partition));
}

/** Both; they share none. */
export function union(a: Assignment, b: Assignment): Assignment {
  if (b.size === 0) return a;
  const both = new Map(a);
  for (const [topicId, partitions] of b) {
    both.set(
      topicId,
      [...(both.get(topicId) ?? []), ...partitions].sort((x, y) => x - y),
    );
  }
  return both;
}

export const isSubset = (a: Assignment, b: Assignment): boolean => difference(a, b).size === 0;

export function equalAssignments(a: Assignment, b: Assignment): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId);
    if (others?.length !== partitions.length) return false;
    if (!partitions.every((partition, index) => partition === others[index])) return false;
  }
  return true;
}

const setsOf = (assignment: Assignment): Map<string, Set<number>> =>
  new Map([...assignment].map(([topicId, partitions]) => [topicId, new Set(partitions)]));

/** As it stands in records: runs of partitions by topic id, `{"<topic id>": "0-3,7"}`. Persisted. */
export type WrittenAssignment = Readonly<Record<string, string>>;

export function writeAssignment(assignment: Assignment): WrittenAssignment {
  return Object.fromEntries([...assignment].map(([topicId, partitions]) => [topicId, writeRuns(partitions)]));
}

/** Throws what `fail` makes of a text that is no list of runs. */
export function readAssignment(written: WrittenAssignment, fail: (text: string) => Error): Assignment {
  const entries = Object.entries(written);
  if (entries.length === 0) return NO_PARTITIONS;
  return new Map(entries.map(([topicId, text]) => [topicId, readRuns(text, fail)]));
}

function writeRuns(partitions: readonly number[]): string {
  const runs: string[] = [];
  for (let index = 0; index < partitions.length; ) {
    const first = partitions[index]!;
    let last = first;
    while (partitions[++index] === last + 1) last++;
    runs.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return runs.join(',');
}

function readRuns(text: string, fail: (text: string) => Error): number[] {
  const partitions: number[] = [];
  for (const run of text.split(',')) {
    const [, first, last] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(run) ?? [];
    if (first === undefined) throw fail(text);
    for (let partition = Number(first); partition <= Number(last ?? first); partition++) partitions.push(partition);
  }
  return partitions;
}
