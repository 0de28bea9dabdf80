/** Groups for people and tools: who takes part, and which partitions each member has, whatever the kind of group. */
import type { Topics } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import { Reader } from '../../protocol/buffer.ts';
import type { Assignment } from './assignor/assignor.ts';
import { ClassicGroup } from './classic/classic-group.ts';
import type { ConsumerGroups } from './consumer/consumer-groups.ts';
import type { LiveGroup } from './live-group.ts';
import { ShareGroup } from './share/share-group.ts';
import { SIMPLE_ASSIGNOR } from './share/simple-assignor.ts';

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

export interface DetailsContext {
  readonly topics: Pick<Topics, 'byId'>;
  readonly consumerGroups: Pick<ConsumerGroups, 'describe'>;
}

/** Throws NOT_COORDINATOR. */
export async function groupDetails(group: LiveGroup, context: DetailsContext): Promise<GroupDetails> {
  const { topics } = context;
  if (group instanceof ClassicGroup) return classicDetails(group);
  if (group instanceof ShareGroup) {
    return { protocol: SIMPLE_ASSIGNOR, members: modernMembers(group.current.members.values(), topics) };
  }
  const { assignor, group: described } = await context.consumerGroups.describe(group.groupId);
  const members = modernMembers(described.members.values(), topics);
  return { protocol: members.length === 0 ? '' : assignor, members };
}

interface ModernMember {
  readonly memberId: string;
  readonly instanceId?: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly assigned: Assignment;
}

/** Their assignments go by topic id; deleted topics are not shown. */
const modernMembers = (members: Iterable<ModernMember>, topics: Pick<Topics, 'byId'>): GroupMember[] =>
  Array.from(members, ({ memberId, instanceId = null, clientId, clientHost, assigned }) => ({
    memberId,
    groupInstanceId: instanceId,
    clientId,
    clientHost,
    assignment: [...assigned].flatMap(([topicId, partitions]) => {
      const topic = topics.byId(topicId)?.name;
      return topic === undefined ? [] : [{ topic, partitions }];
    }),
  }));

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
  const reader = new Reader(bytes, 'ConsumerProtocolAssignment');
  const array = <T>(elementBytesMin: number, read: () => T): T[] => {
    const count = reader.int32();
    reader.claimElements(count, elementBytesMin);
    return Array.from({ length: Math.max(0, count) }, read);
  };
  try {
    reader.int16();
    return array(TOPIC_BYTES_MIN, () => ({
      topic: reader.string(reader.int16()),
      partitions: array(PARTITION_BYTES, () => reader.int32()),
    }));
  } catch (cause) {
    if (cause instanceof KafkaError) return [];
    throw cause;
  }
}

/** The lengths of its name and of its partitions. */
const TOPIC_BYTES_MIN = 6;
const PARTITION_BYTES = 4;
