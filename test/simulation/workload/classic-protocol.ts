/** What consumers write into classic groups: topics they want, and partitions by topic name, assigned by range. */
import {
  type NamedPartitions,
  readAssignment,
  readSubscription,
  writeAssignment,
} from '../../../src/coordinator/group/consumer/consumer-protocol.ts';

const VERSION = 0;
const NO_BYTES = -1;

export function encodeSubscription(topics: readonly string[]): string {
  const parts = [int16(VERSION), int32(topics.length)];
  for (const topic of topics) parts.push(int16(Buffer.byteLength(topic)), Buffer.from(topic));
  return Buffer.concat([...parts, int32(NO_BYTES)]).toString('base64');
}

export const decodeSubscription = (base64: string): readonly string[] =>
  readSubscription(Buffer.from(base64, 'base64'))?.topics ?? [];

export const encodeAssignment = (assignment: readonly NamedPartitions[]): string =>
  writeAssignment(assignment, VERSION).toString('base64');

export const decodeAssignment = (base64: string): readonly NamedPartitions[] =>
  readAssignment(Buffer.from(base64, 'base64')) ?? [];

/** Names of partitions by topic name: what is assigned is compared by these. */
export const assignedNames = (base64: string): string[] =>
  decodeAssignment(base64).flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}-${partition}`));

export interface Subscriber {
  readonly memberId: string;
  readonly topics: readonly string[];
}

/** Kafka's range assignor: each topic in runs over those who want it, in the order of their ids. */
export function assignByRange(
  subscribers: readonly Subscriber[],
  topics: readonly { readonly name: string; readonly partitions: number }[],
): Map<string, string> {
  const assigned = new Map<string, NamedPartitions[]>(subscribers.map(({ memberId }) => [memberId, []]));
  for (const { name, partitions } of topics) {
    const wanting = subscribers.filter((subscriber) => subscriber.topics.includes(name));
    const ids = wanting.map(({ memberId }) => memberId).sort();
    for (const [index, memberId] of ids.entries()) {
      const from = Math.floor((index * partitions) / ids.length);
      const end = Math.floor(((index + 1) * partitions) / ids.length);
      const run = Array.from({ length: end - from }, (_, at) => from + at);
      if (run.length > 0) assigned.get(memberId)!.push({ topic: name, partitions: run });
    }
  }
  return new Map([...assigned].map(([memberId, assignment]) => [memberId, encodeAssignment(assignment)]));
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
