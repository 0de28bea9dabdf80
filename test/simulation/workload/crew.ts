/** The members of one group, and what goes wrong with them. */
import type { Reply } from '../connection.ts';
import { nameOf } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import type { CommitsAs, Position } from './group-reading.ts';

/** What the others see of a member. */
export interface CrewMember {
  /** Lives and dies and lives again, until the crew is over. */
  run(): Promise<void>;
  /** Null while it is not at work. */
  readonly standing: Standing | null;
}

export interface Standing {
  /** Or epoch. */
  readonly generation: number;
  /** Names of partitions. */
  readonly partitions: readonly string[];
}

/** What is left to do. */
export interface Unfinished {
  readonly count: number;
  /** The first of it. */
  readonly what: string;
}

/** Somebody who was a member, and does not know that it is not any more. */
export interface Former extends CommitsAs {
  readonly positions: readonly Position[];
}

export type Mishap = 'crash' | 'leave' | 'stall' | 'rejoin' | 'ghost' | 'intruder';

const MISHAPS: readonly Mishap[] = ['crash', 'leave', 'stall', 'rejoin', 'ghost', 'ghost', 'intruder'];
const MISHAP_CHANCE = 0.06;
const FORMERS_MAX = 8;
/**
 * How long the members of a group may take to share its partitions once nothing goes wrong; and, where they share what is in
 * them as well, until less of it is left. Over slow stores a request brings some twenty records in a second, of the thousands
 * that a run leaves: members that got on all the time were told to be stuck. The phase as a whole has a limit, too.
 */
const SETTLE_MS_MAX = 60_000;
const LOOK_MS = 200;

export class Crew {
  readonly groupId: string;
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Of a group whose members share partitions. */
  readonly #unfinished: ((groupId: string) => Unfinished) | null;
  readonly #formers: Former[] = [];
  #exists = false;
  #over = false;

  constructor(
    world: World,
    groupId: string,
    random: SeededRandom,
    unfinished: ((groupId: string) => Unfinished) | null = null,
  ) {
    this.#world = world;
    this.groupId = groupId;
    this.#random = random;
    this.#unfinished = unfinished;
  }

  /** Nothing is asked of the group any more: members leave. */
  get over(): boolean {
    return this.#over;
  }

  /** What happens to a member between two of its heartbeats. */
  mishap(): Mishap | null {
    if (this.#world.draining || !this.#random.chance(MISHAP_CHANCE)) return null;
    return this.#random.pick(MISHAPS);
  }

  /** Nobody deletes groups here: who has joined once is never told that there is none, which ends consumers. */
  checkExistence(reply: Reply<unknown>, process: string): void {
    if (reply.type === 'answered') this.#exists = true;
    if (!this.#exists || reply.type !== 'failed' || reply.error.error !== 'GROUP_ID_NOT_FOUND') return;
    this.#world.history.add({ type: 'internalError', process, what: `${this.groupId} is said not to exist` });
  }

  remember(former: Former): void {
    this.#formers.push(former);
    if (this.#formers.length > FORMERS_MAX) this.#formers.shift();
  }

  /** A former member; or this one as it was a generation ago, when it would go back. */
  pickFormer(as: CommitsAs | null, positions: readonly Position[]): Former | null {
    if (as !== null && this.#random.chance(0.5)) {
      const before = positions.map((position) => ({ ...position, offset: 0 }));
      return { ...as, generation: as.generation - 1, positions: before };
    }
    return this.#formers.length === 0 ? null : this.#random.pick(this.#formers);
  }

  /** Resolves when the workload has ended, the group has come to rest, and all members have left. */
  async run(members: readonly CrewMember[]): Promise<void> {
    const lives = Promise.all(members.map((member) => member.run()));
    while (!this.#world.draining) await this.#world.time.sleep(LOOK_MS);
    await this.#settle(members);
    this.#over = true;
    await lives;
  }

  async #settle(members: readonly CrewMember[]): Promise<void> {
    const { time, history } = this.#world;
    let leastLeft = Number.POSITIVE_INFINITY;
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const unrest = this.#unrest(members);
      const left = unrest === null ? this.#unfinished?.(this.groupId) : undefined;
      const what = unrest ?? (left?.count ? left.what : null);
      if (what === null) return;
      if (left !== undefined && left.count < leastLeft) {
        leastLeft = left.count;
        waitedMs = 0;
      }
      if (waitedMs >= SETTLE_MS_MAX) {
        history.add({ type: 'unsettled', groupId: this.groupId, what, waitedMs });
        return;
      }
      await time.sleep(LOOK_MS);
    }
  }

  /** Null when all members are of one generation and every partition is with one of them. */
  #unrest(members: readonly CrewMember[]): string | null {
    if (this.#world.topics.size === 0) return null;
    const generations = new Set<number>();
    const taken = new Set<string>();
    for (const [index, { standing }] of members.entries()) {
      if (standing === null) return `member ${index} is not at work`;
      generations.add(standing.generation);
      for (const partition of standing.partitions) {
        if (this.#unfinished === null && taken.has(partition)) return `two members have ${partition}`;
        taken.add(partition);
      }
    }
    if (generations.size > 1) return `members are at ${[...generations].join(', ')}`;
    for (const { topicId, partitions } of this.#world.topics.all()) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = nameOf({ topicId, partition });
        if (!taken.has(name)) return `nobody has ${name}`;
      }
    }
    return null;
  }
}
