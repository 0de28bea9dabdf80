/** Groups for people and tools: who takes part, and which partitions each member has, whatever the kind of group. */
import { ClassicGroup } from './classic/classic-group.ts';
import type { LiveGroup } from './live-group.ts';

export interface GroupDetails {
  /** The assignor that this generation or epoch goes by; empty when there is none. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
}

export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Empty while there is a rebalance, and for members whose protocol is not known here. */
  readonly assignment: readonly AssignedTopic[];
}

export interface AssignedTopic {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export function groupDetails(group: LiveGroup): GroupDetails {
  if (group instanceof ClassicGroup) return classicDetails(group);
  return group.details?.() ?? { protocol: '', members: [] };
}

function classicDetails(group: ClassicGroup): GroupDetails {
  const { members, protocolName } = group.snapshot;
  const isStable = group.state === 'Stable';
  const readable = isStable && group.protocolType === 'consumer';
  return {
    protocol: isStable ? (protocolName ?? '') : '',
    members: Array.from(members.values(), ({ memberId, groupInstanceId, clientId, clientHost, assignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      clientHost,
      assignment: readable ? consumerAssignment(Buffer.from(assignment, 'base64')) : [],
    })),
  };
}

/**
 * What protocol type `consumer` assigns: `int16 version, [string topic, [int32 partition]], …`, which all versions begin
 * with. Members write it themselves: what cannot be read is empty.
 */
export function consumerAssignment(bytes: Buffer): readonly AssignedTopic[] {
  let at = 2;
  const int16 = () => bytes.readInt16BE((at += 2) - 2);
  const int32 = () => bytes.readInt32BE((at += 4) - 4);
  try {
    return Array.from({ length: counted(int32(), bytes, at) }, () => {
      const length = int16();
      const topic = bytes.toString('utf8', at, (at += length));
      return { topic, partitions: Array.from({ length: counted(int32(), bytes, at) }, int32) };
    });
  } catch (cause) {
    if (cause instanceof RangeError) return [];
    throw cause;
  }
}

/** Elements take four bytes at least, so that no count can ask for more memory than its bytes did. */
function counted(count: number, bytes: Buffer, at: number): number {
  if (count * 4 > bytes.length - at) throw new RangeError('an array that is longer than its bytes');
  return Math.max(0, count);
}
