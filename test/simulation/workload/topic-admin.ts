import type { Topic } from '../../../src/cluster/topics.ts';
import { KafkaError } from '../../../src/errors.ts';
import { Client } from '../connection.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { describeError } from '../simulated-runtime.ts';
import type { KnownTopic } from '../topic-directory.ts';
import type { World } from '../world.ts';

const RETENTION_MS = [-1, 5_000, 20_000, 60_000] as const;
export const RETENTION_MS_MAX = Math.max(...RETENTION_MS);
const RETENTION_BYTES = [-1, -1, 20_000, 200_000] as const;

/** Creates topics up to the number wanted, lets them grow, alters and deletes them, and goes on asking after no answer. */
export async function topicAdmin(world: World, random: SeededRandom): Promise<void> {
  const admin = new Admin(world, random);
  await admin.create();
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.topicChangeMs));
    const { topics, scenario } = world;
    const topic = topics.pickTopic(random);
    const change = random.float();
    if (topic === null || (topics.size < scenario.load.topicsMax && change < 0.6)) await admin.create();
    else if (change < 0.7) await admin.grow(topic);
    else if (change < 0.85) await admin.alter(topic);
    else await admin.delete(topic);
  }
}

const isUnknown = (cause: unknown): boolean =>
  cause instanceof KafkaError && cause.error === 'UNKNOWN_TOPIC_OR_PARTITION';

class Admin {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #client: Client;
  #created = 0;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#client = new Client(world, random.fork('client'));
  }

  /** Names come again, so that a new topic meets what its predecessor left. */
  async create(): Promise<void> {
    const { topics, scenario } = this.#world;
    const name = `topic-${this.#created++ % (scenario.load.topicsMax + 1)}`;
    if (topics.all().some((known) => known.name === name)) return;
    const partitions = this.#random.integer(1, scenario.load.partitionsMax + 1);
    const config = this.#drawConfig();
    while (!this.#world.draining) {
      const reply = await this.#client.call<Topic | undefined>({
        what: `create ${name}`,
        at: async (core) => {
          try {
            return await core.topics.create({ name, partitions, config });
          } catch (cause) {
            const standing = core.topics.byName(name);
            if (standing) return standing; // An earlier attempt, whose answer was lost.
            throw cause;
          }
        },
        onAnswer: (topic) => topic && this.#tellRetention(topic),
      });
      if (reply.type === 'answered' && reply.value) {
        const { topicId, partitions: made } = reply.value;
        if (!topics.isForgotten(topicId)) {
          topics.learn(reply.value);
          return;
        }
        await this.delete({ name, topicId, partitions: made.length });
      }
      await this.#world.time.sleep(this.#random.between(50, 500));
    }
  }

  async grow(topic: KnownTopic): Promise<void> {
    const count = topic.partitions + 1;
    if (count > this.#world.scenario.load.partitionsMax + 2) return;
    const reply = await this.#client.call({
      what: `grow ${topic.name}`,
      at: (core) => core.topics.createPartitions(topic.name, count),
    });
    if (reply.type === 'answered' && reply.value.topicId === topic.topicId) this.#world.topics.learn(reply.value);
  }

  async alter(topic: KnownTopic): Promise<void> {
    const retentionMs = this.#random.pick(RETENTION_MS);
    const { topicId, name } = topic;
    await this.#client.call<unknown>({
      what: `alter ${name}`,
      at: (core) => {
        if (core.topics.byName(name)?.topicId !== topicId) return Promise.resolve();
        this.#world.history.add({ type: 'retentionAsked', topicId, retentionMs, retentionBytes: -1 });
        const value = String(retentionMs);
        return core.topics.alterConfig(name, [{ operation: 'SET', name: 'retention.ms', value }]);
      },
    });
  }

  async delete(topic: KnownTopic): Promise<void> {
    const { topics, history, time } = this.#world;
    topics.forget(topic.topicId);
    for (let attempt = 0; attempt < 20; attempt++) {
      let deleting = false;
      const reply = await this.#client.call({
        what: `delete ${topic.name}`,
        at: (core, process) => {
          if (core.topics.byName(topic.name)?.topicId !== topic.topicId) return Promise.resolve();
          deleting = true;
          history.add({ type: 'topicDeleteAsked', topicId: topic.topicId });
          return core.topics.delete(topic.name).catch((cause) => {
            if (isUnknown(cause) && core.topics.byName(topic.name)?.topicId === topic.topicId) {
              const what = `${topic.name} is listed and cannot be deleted: ${describeError(cause)}`;
              history.add({ type: 'internalError', process, what });
            }
            throw cause;
          });
        },
        onAnswer: () => deleting && history.add({ type: 'topicDeleted', topicId: topic.topicId }),
      });
      if (reply.type === 'answered') return;
      await time.sleep(this.#random.between(50, 500));
    }
  }

  #drawConfig(): Record<string, string> {
    const config: Record<string, string> = {
      'retention.ms': String(this.#random.pick(RETENTION_MS)),
      'retention.bytes': String(this.#random.pick(RETENTION_BYTES)),
    };
    if (this.#random.chance(0.2)) config['message.timestamp.type'] = 'LogAppendTime';
    return config;
  }

  #tellRetention({ topicId, overrides }: Topic): void {
    const retentionMs = Number(overrides['retention.ms']);
    const retentionBytes = Number(overrides['retention.bytes']);
    this.#world.history.add({ type: 'retentionAsked', topicId, retentionMs, retentionBytes });
  }
}
