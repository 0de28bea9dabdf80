/** Members of both protocols in one group, whatever happens: no partition is with two of them, and all come to rest. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Join } from '../../../../../src/coordinator/group/classic/classic-membership.ts';
import {
  decideClassicJoin,
  mustRejoin,
  partitionsById,
  partitionsByName,
  requireClassicMember,
  requireSyncable,
} from '../../../../../src/coordinator/group/consumer/classic-join.ts';
import { KafkaError } from '../../../../../src/errors.ts';
import { ClusterTopics } from './cluster-topics.ts';
import { Client, GroupWorld } from './group-world.ts';

const NAMES = ['t1', 't2'];

/** Version 1 of a subscription to all topics. */
function subscription(owned: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): string {
  const parts: Buffer[] = [Buffer.from([0, 1])];
  const int32 = (value: number) => parts.push(Buffer.from([0, 0, value >> 8, value & 0xff]));
  const string = (text: string) => parts.push(Buffer.from([0, text.length]), Buffer.from(text));
  int32(NAMES.length);
  for (const name of NAMES) string(name);
  parts.push(Buffer.alloc(4, 0xff));
  int32(owned.length);
  for (const { topic, partitions } of owned) {
    string(topic);
    int32(partitions.length);
    for (const partition of partitions) int32(partition);
  }
  return Buffer.concat(parts).toString('base64');
}

/** A consumer of the classic protocol; an eager one gives everything up before it joins again. */
class ClassicClient {
  readonly memberId: string;
  readonly #world: GroupWorld;
  readonly #isEager: boolean;
  #generationId = -1;
  #owned: readonly { readonly topic: string; readonly partitions: readonly number[] }[] = [];

  constructor(world: GroupWorld, memberId: string, isEager: boolean) {
    this.#world = world;
    this.memberId = memberId;
    this.#isEager = isEager;
  }

  beat(isAnswerLost = false): void {
    if (this.#generationId === -1) {
      this.#join(isAnswerLost);
      return;
    }
    try {
      const { group } = this.#world;
      const member = requireClassicMember(group, this.#name, this.#generationId);
      if (mustRejoin(group, member)) this.#join(isAnswerLost);
    } catch (cause) {
      this.#onError(cause);
    }
  }

  drop(): void {
    this.#owned = [];
    this.#generationId = -1;
  }

  partitions(): string[] {
    const byId = partitionsById(this.#owned, this.#world.topics);
    return [...byId].flatMap(([topicId, partitions]) => partitions.map((partition) => `${topicId}/${partition}`));
  }

  get #name() {
    return { memberId: this.memberId, groupInstanceId: null };
  }

  #join(isAnswerLost: boolean): void {
    if (this.#isEager) this.#owned = [];
    const protocol = { name: 'p', metadata: subscription(this.#owned) };
    const request: Join = {
      ...this.#name,
      newMemberId: this.memberId,
      clientId: 'classic',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 1_000,
      rebalanceTimeoutMs: 1_000,
      protocolType: 'consumer',
      protocols: [protocol],
      asksForId: false,
      skipsAssignment: false,
    };
    try {
      const member = this.#world.decide((group, context) => {
        const outcome = decideClassicJoin(group, request, context);
        return { group: outcome.group, answer: outcome.member };
      });
      if (isAnswerLost) {
        // It does not know its generation, and asks again.
        this.#generationId = -1;
        return;
      }
      this.#generationId = member.memberEpoch;
      this.#sync();
    } catch (cause) {
      this.#onError(cause);
    }
  }

  #sync(): void {
    const { group, topics } = this.#world;
    const member = requireClassicMember(group, this.#name, this.#generationId);
    const named = { ...this.#name, generationId: this.#generationId, protocolType: 'consumer', protocolName: 'p' };
    requireSyncable(group, member, { ...named, assignments: new Map() });
    this.#owned = partitionsByName(member.assigned, topics);
  }

  #onError(cause: unknown): void {
    if (!(cause instanceof KafkaError)) throw cause;
    if (cause.error === 'REBALANCE_IN_PROGRESS') return;
    expect(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']).toContain(cause.error);
    this.drop();
  }
}

type Event =
  | { readonly type: 'beat' | 'lose' | 'crash' | 'expire'; readonly client: number }
  | { readonly type: 'grow'; readonly name: string };

const client = fc.nat({ max: 3 });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('beat' as const), client }) },
  fc.record({ type: fc.constantFrom('lose' as const, 'crash' as const, 'expire' as const), client }),
  fc.record({ type: fc.constant('grow' as const), name: fc.constantFrom(...NAMES) }),
);

test('no partition is with two members, and all come to rest', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 50 }), (events) => {
      const topics = new ClusterTopics({ t1: 4, t2: 3 });
      const world = new GroupWorld(topics);
      const clients = [
        new Client(world, 'a', { subscribedTopicNames: NAMES }),
        new ClassicClient(world, 'b', false),
        new ClassicClient(world, 'c', true),
        new Client(world, 'd', { subscribedTopicNames: ['t1'] }),
      ];
      const expectOneOwner = () => {
        const owned = clients.flatMap((each) => each.partitions());
        expect(new Set(owned).size, `${owned}`).toBe(owned.length);
      };
      for (const next of events) {
        if (next.type === 'grow') topics.set(next.name, topics.byName(next.name)!.partitionCount + 1);
        else {
          const one = clients[next.client]!;
          if (next.type === 'crash' || next.type === 'expire') one.drop();
          if (next.type === 'beat' || next.type === 'lose') one.beat(next.type === 'lose');
          if (next.type === 'expire') world.fence(one.memberId);
        }
        expectOneOwner();
      }
      for (let round = 0; round < 40; round++) {
        for (const each of clients) {
          each.beat();
          expectOneOwner();
        }
      }
      expect(world.state).toBe('Stable');
      expect(clients.flatMap((each) => each.partitions()).sort()).toEqual(topics.partitions().sort());
    }),
    { numRuns: 100 },
  );
});
