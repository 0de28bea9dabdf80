/**
 * A group that is kept in records, and clients that behave as Kafka's do: each gives up at once what it is not to own any
 * more, owns what it is told to, and joins anew when it is fenced. Answers may get lost: then it says everything again, as
 * Kafka's clients do after a timeout.
 */
import { expect } from 'vitest';
import { type Assignment, NO_PARTITIONS } from '../../../../../src/coordinator/group/assignor/assignor.ts';
import type { AssignorName } from '../../../../../src/coordinator/group/assignor/assignors.ts';
import {
  type ConsumerGroup,
  LEAVES,
  type LEFT_STATICALLY,
  newConsumerGroup,
  stateOf,
} from '../../../../../src/coordinator/group/consumer/consumer-group.ts';
import {
  ConsumerGroupReader,
  recordChanges,
} from '../../../../../src/coordinator/group/consumer/consumer-group-records.ts';
import {
  decideHeartbeat,
  fenceMembers,
  type Heartbeat,
  type HeartbeatAnswer,
  type HeartbeatContext,
} from '../../../../../src/coordinator/group/consumer/heartbeat.ts';
import { KafkaError } from '../../../../../src/errors.ts';
import type { ClusterTopics } from './cluster-topics.ts';

export const heartbeat = (memberId: string, more: Partial<Heartbeat> = {}): Heartbeat => ({
  memberId,
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: null,
  subscribedTopicNames: null,
  subscribedTopicRegex: null,
  serverAssignor: null,
  owned: null,
  clientId: 'client',
  clientHost: '/127.0.0.1',
  ...more,
});

export const joining = (memberId: string, names: readonly string[], more: Partial<Heartbeat> = {}): Heartbeat =>
  heartbeat(memberId, { rebalanceTimeoutMs: 1_000, subscribedTopicNames: names, owned: NO_PARTITIONS, ...more });

export interface WorldOptions {
  readonly sizeMax?: number;
  readonly targetBytesMax?: number;
  readonly assignorDefault?: AssignorName;
}

export class GroupWorld {
  readonly topics: ClusterTopics;
  readonly #options: WorldOptions;
  readonly #records = new Map<string, string>();
  #group = newConsumerGroup('g');
  timestamp = 1_000;
  /** Entries that were written. */
  entries = 0;
  largestEntryBytes = 0;

  constructor(topics: ClusterTopics, options: WorldOptions = {}) {
    this.topics = topics;
    this.#options = options;
  }

  get group(): ConsumerGroup {
    return this.#group;
  }

  get state(): string {
    return stateOf(this.#group);
  }

  send(request: Heartbeat): HeartbeatAnswer {
    return this.decide((group, context) => decideHeartbeat(group, request, context));
  }

  decide<T>(decide: (group: ConsumerGroup, context: HeartbeatContext) => { group: ConsumerGroup; answer: T }): T {
    const { sizeMax = 1_000, targetBytesMax = 100_000, assignorDefault = 'uniform' } = this.#options;
    const outcome = decide(this.#group, {
      timestamp: this.timestamp,
      topics: this.topics,
      checkTopics: true,
      sizeMax,
      targets: { assignorDefault, bytesMax: targetBytesMax },
    });
    this.#write(outcome.group);
    return outcome.answer;
  }

  /** As when a session is over. */
  fence(memberId: string): void {
    if (this.#group.members.has(memberId)) this.#write(fenceMembers(this.#group, [memberId], this));
  }

  /** What is written is what is read: a fresh reader must find the same group. */
  #write(group: ConsumerGroup): void {
    const changes = recordChanges(this.#group, group);
    if (changes.length > 0) this.entries++;
    let bytes = 0;
    for (const { key, value } of changes) {
      bytes += key.length + (value?.length ?? 0);
      if (value === null) this.#records.delete(key);
      else this.#records.set(key, value);
    }
    this.largestEntryBytes = Math.max(this.largestEntryBytes, bytes);
    this.#group = group;
    if (changes.length === 0) return;
    expect(new ConsumerGroupReader('g').read(new Map(this.#records))).toEqual(group);
  }
}

/** A consumer. Whoever is fenced drops everything before anybody else can own it. */
export class Client {
  readonly memberId: string;
  readonly #world: GroupWorld;
  readonly #request: Partial<Heartbeat>;
  memberEpoch = 0;
  owned: Assignment = NO_PARTITIONS;
  #saysAll = true;

  constructor(world: GroupWorld, memberId: string, request: Partial<Heartbeat>) {
    this.#world = world;
    this.memberId = memberId;
    this.#request = request;
  }

  /** One heartbeat; when its answer is lost the client does not change. */
  beat(isAnswerLost = false): void {
    const common = { memberEpoch: this.memberEpoch, owned: this.owned, instanceId: this.#request.instanceId ?? null };
    const request = this.#saysAll
      ? joining(this.memberId, [], { ...this.#request, ...common })
      : heartbeat(this.memberId, common);
    try {
      const answer = this.#world.send(request);
      this.#saysAll = isAnswerLost;
      if (isAnswerLost) return;
      this.memberEpoch = answer.memberEpoch;
      if (answer.assignment !== null) this.owned = answer.assignment;
    } catch (cause) {
      if (!(cause instanceof KafkaError)) throw cause;
      expect(['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID', 'UNRELEASED_INSTANCE_ID']).toContain(cause.error);
      this.drop();
    }
  }

  leave(how: typeof LEAVES | typeof LEFT_STATICALLY = LEAVES): void {
    if (this.memberEpoch > 0 && this.#world.group.members.has(this.memberId)) {
      this.#world.send(heartbeat(this.memberId, { memberEpoch: how, instanceId: this.#request.instanceId ?? null }));
    }
    this.drop();
  }

  drop(): void {
    this.owned = NO_PARTITIONS;
    this.memberEpoch = 0;
    this.#saysAll = true;
  }

  partitions(): string[] {
    return [...this.owned].flatMap(([topicId, partitions]) => partitions.map((partition) => `${topicId}/${partition}`));
  }
}
