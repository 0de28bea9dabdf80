/**
 * Brokers that may become the controller, who see each other or not, and journals that follow what was assigned: the real
 * decisions (`decide-controller.ts`, `decide-assignments.ts`), writes that are conditional, late and answered or not, and
 * brokers that hear of an assignment at any time after it was made, or never.
 *
 *   look ──► take, lead ──conditional write──► item ──heard──► lead, let go
 */
import { decideAssignments } from '../../src/cluster/decide-assignments.ts';
import { type ControllerFacts, decideController } from '../../src/cluster/decide-controller.ts';
import { Violation } from './violation.ts';

export interface ControllerRules {
  /** Rule 12: a write counts only when its writer knew what stands there. Off: it always does. */
  readonly conditional: boolean;
  /** Rule 12: a leader that is assigned no longer lets go. Off: it leads until somebody fences it. */
  readonly letsGo: boolean;
  /** Rule 1: whoever takes a journal over fences the leader before. Off: it leads in the same epoch. */
  readonly fence: boolean;
}

export const ALL_CONTROLLER_RULES: ControllerRules = { conditional: true, letsGo: true, fence: true };

export interface ControllerBounds {
  readonly brokers: number;
  readonly journals: number;
  /** Brokers that do not see each other could take the lease from each other for ever. */
  readonly versions: number;
  /** Times at which a broker begins or ceases to see another one. */
  readonly changes: number;
  /** Writes that arrive when their writer waits for them no longer, or whose answers are lost. */
  readonly faults: number;
}

interface Item {
  readonly broker: number;
  readonly controllerEpoch: number;
  readonly version: number;
  readonly assigned: readonly number[];
  /** Names the write. */
  readonly nonce: string;
}

interface Write {
  readonly item: Item;
  /** Nonce of the item that its writer knew. */
  readonly expected: string;
}

interface Broker {
  readonly item: Item;
  /** Brokers that it does not see. */
  readonly blind: readonly number[];
  /** Epoch in which it leads each journal, as it believes; 0 when it does not. */
  readonly leads: readonly number[];
}

export interface ControllerWorld {
  readonly item: Item;
  readonly brokers: readonly Broker[];
  /** Who fenced each journal last, and the epoch. */
  readonly journals: readonly { readonly epoch: number; readonly leader: number }[];
  readonly stray: readonly Write[];
  readonly changes: number;
  readonly faults: number;
}

export const controllerWorldKey = (world: ControllerWorld): string => JSON.stringify(world);

type Visit = (action: string, next: () => ControllerWorld) => void;

const NEVER = Number.NEGATIVE_INFINITY;

export class ControllerActions {
  readonly #bounds: ControllerBounds;
  readonly #rules: ControllerRules;

  constructor(bounds: ControllerBounds, rules: ControllerRules = ALL_CONTROLLER_RULES) {
    this.#bounds = bounds;
    this.#rules = rules;
  }

  /** Broker 0 is the controller and leads everything; the others are new. */
  initial(): ControllerWorld {
    const { brokers, journals, changes, faults } = this.#bounds;
    const ids = Array.from({ length: journals }, (_, id) => id);
    const item: Item = { broker: 0, controllerEpoch: 1, version: 1, assigned: ids.map(() => 0), nonce: 'first' };
    return {
      item,
      brokers: Array.from({ length: brokers }, (_, at) => ({
        item,
        blind: [],
        leads: ids.map(() => (at === 0 ? 1 : 0)),
      })),
      journals: ids.map(() => ({ epoch: 1, leader: 0 })),
      stray: [],
      changes,
      faults,
    };
  }

  successors(world: ControllerWorld, visit: Visit): void {
    let actions = 0;
    const counted: Visit = (action, next) => {
      actions++;
      visit(action, () => this.#check(next()));
    };
    const isOver = world.item.version >= this.#bounds.versions;
    for (const at of world.brokers.keys()) this.#ofBroker(world, at, counted);
    for (const [at, write] of world.stray.entries()) {
      counted(`a delayed write of broker ${write.item.broker} arrives`, () => {
        const stray = world.stray.toSpliced(at, 1);
        return this.#apply({ ...world, stray }, write).world;
      });
    }
    if (actions === 0 && !isOver) visit('nothing is left to happen', () => this.#checkEnd(world));
    if (world.changes > 0 && !isOver) this.#sights(world, visit);
  }

  #ofBroker(world: ControllerWorld, at: number, visit: Visit): void {
    const broker = world.brokers[at]!;
    const wanted = world.item.version >= this.#bounds.versions ? null : this.#decide(world, at);
    if (wanted !== null) {
      const what = wanted.controllerEpoch > broker.item.controllerEpoch ? 'takes the lease' : 'assigns';
      const write: Write = { item: wanted, expected: broker.item.nonce };
      visit(`broker ${at} ${what}: ${wanted.assigned}`, () => this.#write(world, at, write));
      if (world.faults > 0) {
        const faulty = { ...world, faults: world.faults - 1 };
        visit(`broker ${at} ${what}: ${wanted.assigned}, the write is delayed`, () => ({
          ...faulty,
          stray: [...world.stray, write],
        }));
        visit(`broker ${at} ${what}: ${wanted.assigned}, the answer is lost`, () => this.#apply(faulty, write).world);
      }
    }
    if (broker.item.version < world.item.version) {
      visit(`broker ${at} reads the assignments`, () => become(world, at, { item: world.item }));
    }
    for (const journal of world.journals.keys()) this.#ofJournal(world, at, journal, visit);
  }

  #ofJournal(world: ControllerWorld, at: number, journal: number, visit: Visit): void {
    const { item, leads } = world.brokers[at]!;
    const { epoch, leader } = world.journals[journal]!;
    const isAssigned = item.assigned[journal] === at;
    const believes = leads[journal]! > 0;
    const leadsAs = (next: number, after = world) => become(after, at, { leads: leads.with(journal, next) });
    if (isAssigned && !believes) {
      visit(`broker ${at} takes journal ${journal} over`, () => {
        const taken = this.#rules.fence ? { epoch: epoch + 1, leader: at } : { epoch, leader: at };
        return leadsAs(taken.epoch, { ...world, journals: world.journals.with(journal, taken) });
      });
    }
    if (believes && this.#rules.fence && (leader !== at || leads[journal] !== epoch)) {
      // It reads who shall lead before it tries again.
      visit(`broker ${at} finds that it leads journal ${journal} no longer`, () =>
        become(leadsAs(0), at, { item: world.item }),
      );
    }
    if (believes && !isAssigned && this.#rules.letsGo) {
      visit(`broker ${at} lets go of journal ${journal}`, () => leadsAs(0));
    }
  }

  #sights(world: ControllerWorld, visit: Visit): void {
    for (const [at, { blind }] of world.brokers.entries()) {
      for (const other of world.brokers.keys()) {
        if (other === at) continue;
        const sees = !blind.includes(other);
        const next = sees ? [...blind, other].sort() : blind.filter((unseen) => unseen !== other);
        visit(`broker ${at} ${sees ? 'sees broker' : 'sees again broker'} ${other}${sees ? ' no longer' : ''}`, () =>
          become({ ...world, changes: world.changes - 1 }, at, { blind: next }),
        );
      }
    }
  }

  /** What the broker would write; null when it has nothing to write. */
  #decide(world: ControllerWorld, at: number): Item | null {
    const { item, blind } = world.brokers[at]!;
    const seen = [...world.brokers.keys()].filter((other) => !blind.includes(other));
    const gone = { type: 'gone', reason: 'silent', since: NEVER, proofs: 0, provenAt: NEVER } as const;
    const standing: ControllerFacts['standing'] =
      item.broker === at ? { type: 'self' } : seen.includes(item.broker) ? { type: 'live' } : gone;
    const facts = {
      standing,
      rank: 0,
      seen: seen.length,
      expected: seen.length,
      vouched: false,
      since: NEVER,
      settled: true,
    };
    const { type } = decideController(facts, 0);
    if (type === 'follow' || type === 'wait') return null;
    const brokers = seen.map((brokerId) => ({ brokerId, eligible: true }));
    const before = { assigned: item.assigned, pinned: {} };
    const wishes = { journals: world.journals.length, ...before, brokers, leaderOf: () => null, balance: true };
    const decided = decideAssignments(wishes, before);
    if (type === 'lead' && decided === before) return null;
    const controllerEpoch = type === 'take' ? item.controllerEpoch + 1 : item.controllerEpoch;
    const { assigned } = decided;
    const version = item.version + 1;
    return { broker: at, controllerEpoch, version, assigned, nonce: `${at}/${controllerEpoch}/${version}/${assigned}` };
  }

  #write(world: ControllerWorld, at: number, write: Write): ControllerWorld {
    const { world: after, standing } = this.#apply(world, write);
    return become(after, at, { item: standing });
  }

  #apply(
    world: ControllerWorld,
    { item, expected }: Write,
  ): { readonly world: ControllerWorld; readonly standing: Item } {
    const { item: standing } = world;
    if (this.#rules.conditional && standing.nonce !== expected) return { world, standing };
    if (item.controllerEpoch < standing.controllerEpoch) {
      throw new Violation(
        `broker ${item.broker}, controller in epoch ${item.controllerEpoch}, writes over what was assigned in epoch ${standing.controllerEpoch}`,
      );
    }
    if (item.controllerEpoch === standing.controllerEpoch && item.broker !== standing.broker) {
      throw new Violation(
        `brokers ${item.broker} and ${standing.broker} are controllers in epoch ${item.controllerEpoch}`,
      );
    }
    return { world: { ...world, item }, standing: item };
  }

  #check(world: ControllerWorld): ControllerWorld {
    for (const journal of world.journals.keys()) {
      const epochs = world.brokers.map(({ leads }) => leads[journal]!).filter((epoch) => epoch > 0);
      if (new Set(epochs).size < epochs.length) throw new Violation(`journal ${journal} has two leaders in one epoch`);
    }
    return world;
  }

  /** Everybody has heard of everything: everybody leads what is assigned to it, and nothing else. */
  #checkEnd(world: ControllerWorld): ControllerWorld {
    for (const [journal, { epoch }] of world.journals.entries()) {
      for (const [at, { leads }] of world.brokers.entries()) {
        const assigned = world.item.assigned[journal] === at;
        if (leads[journal]! > 0 === assigned && (!assigned || leads[journal] === epoch)) continue;
        const how = assigned ? 'does not lead' : 'still takes itself for the leader of';
        throw new Violation(
          `broker ${at} ${how} journal ${journal}, which is assigned to ${world.item.assigned[journal]}`,
        );
      }
    }
    return world;
  }
}

function become(world: ControllerWorld, at: number, change: Partial<Broker>): ControllerWorld {
  return { ...world, brokers: world.brokers.with(at, { ...world.brokers[at]!, ...change }) };
}
