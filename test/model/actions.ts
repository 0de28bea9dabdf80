/**
 * Everything that can happen next in a world. A process that is frozen is one whose actions are not taken; a put that is
 * delayed becomes a stray. The decisions are those of `src/journal`; what a switched-off rule would decide is put in
 * their place here, so that the product knows nothing of it.
 */
import { type LeadershipEvent, type PutAnswer, START, stepLeadership } from '../../src/journal/leadership.ts';
import { mayTrim } from '../../src/journal/trim-plan.ts';
import type { Chain, Payload, ProposalAnswer } from './chain.ts';
import { Violation } from './violation.ts';
import { authorOf, type ModelPointer, type Process, processHash, type World } from './world.ts';

export interface Rules {
  readonly fence: boolean;
  readonly floor: boolean;
  readonly identicalRetries: boolean;
  readonly keepFences: boolean;
  readonly keepInline: boolean;
  readonly lanes: boolean;
  readonly durableAnswers: boolean;
  /** What coordinators decide is in entries. Off: it is written beside the journal, by whoever believes to lead. */
  readonly entries: boolean;
}

export const ALL_RULES: Rules = {
  fence: true,
  floor: true,
  identicalRetries: true,
  keepFences: true,
  keepInline: true,
  lanes: true,
  durableAnswers: true,
  entries: true,
};

export interface Bounds {
  readonly payloads: readonly Payload['kind'][];
  /** Payloads that one leader lets wait. */
  readonly waitingMax: number;
  /** Entries per page when a candidate reads. */
  readonly pageEntries: number;
  /** Whether leaders ask if they still lead. */
  readonly confirms: boolean;
  /**
   * Whether candidates read on when they have read everything, while the leader lets go. (One that lets go with nothing in
   * flight is one that crashes between two entries.)
   */
  readonly handsOver: boolean;
}

export interface Successor {
  readonly action: string;
  readonly world: World;
}

export class Actions {
  readonly #chain: Chain;
  readonly #rules: Rules;
  readonly #bounds: Bounds;
  readonly #payloads: readonly Payload[];

  constructor(chain: Chain, rules: Rules, bounds: Bounds) {
    this.#chain = chain;
    this.#rules = rules;
    this.#bounds = bounds;
    this.#payloads = bounds.payloads.map((kind, number) => ({ kind, number }));
  }

  /** Process A leads a fresh journal with one partition; the others are about to take over. */
  initial(processes: number, budget: World['budget']): World {
    const chain = this.#chain;
    const fence = chain.fence('A1', 1, 1, 0);
    const created = chain.createPartition(2, 1);
    const link = chain.follow(chain.follow(chain.root, fence.index) as never, created.index) as { id: number };
    const pointer: ModelPointer = { version: 0, snapshotSeq: 0, floor: 0, link: 0 };
    const idle = { life: 1, link: 0, pending: -1, waiting: [], inFlight: [], pointer, snapshot: -1 };
    const leader: Process = {
      ...idle,
      index: 0,
      leadership: { phase: 'leading', snapshotSeq: 0, lastSeq: 2, epoch: 1 },
      link: link.id,
    };
    const candidates = Array.from({ length: processes - 1 }, (_, at): Process => {
      return { ...idle, index: at + 1, leadership: START.leadership };
    });
    const all = [leader, ...candidates];
    return {
      slots: [-1, fence.index, created.index],
      pointer,
      snapshots: [0],
      stray: [],
      processes: all,
      processHashes: all.map(processHash),
      acknowledged: this.#payloads.map(() => -1),
      acknowledgedAt: this.#payloads.map(() => 0),
      budget,
      history: [-1, fence.index, created.index],
      leaders: ['', 'A1'],
    };
  }

  /** Calls `visit` with each possible next world; a thrown Violation belongs to the action named by `doing`. */
  successors(world: World, visit: (action: string, next: () => World) => void): void {
    for (const process of world.processes) this.#ofProcess(world, process, visit);
    for (const index of new Set(world.stray)) {
      visit(`a delayed put of ${this.#name(index)} arrives`, () => this.#strayArrives(world, index));
    }
  }

  #ofProcess(world: World, process: Process, visit: (action: string, next: () => World) => void): void {
    const author = authorOf(process);
    const { leadership } = process;
    switch (leadership.phase) {
      case 'readingPointer':
      case 'checkingFloor':
      case 'doubting':
        visit(`${author} reads the pointer`, () => this.#readPointer(world, process));
        break;
      case 'loadingSnapshot':
        visit(`${author} loads the snapshot`, () => this.#loadSnapshot(world, process));
        break;
      case 'readingEntries':
        visit(`${author} reads entries`, () => this.#readEntries(world, process, false));
        if (this.#bounds.handsOver) {
          visit(`${author} reads entries while the leader lets go`, () => this.#readEntries(world, process, true));
        }
        break;
      case 'putting':
        this.#puts(world, process, visit);
        break;
      case 'leading':
        this.#leads(world, process, visit);
        break;
      default:
        break;
    }
    if (leadership.phase === 'leading' || leadership.phase === 'putting') {
      this.#deliveries(world, process, visit);
      this.#maintenance(world, process, visit);
    }
    if (world.budget.crashes > 0 && leadership.phase !== 'readingPointer') {
      visit(`${author} crashes and starts again`, () => this.#crash(world, process));
    }
  }

  #puts(world: World, process: Process, visit: (action: string, next: () => World) => void): void {
    const author = authorOf(process);
    const name = this.#name(process.pending);
    visit(`${author} puts ${name}`, () => this.#put(world, process, 'told'));
    if (world.budget.faults === 0) return;
    const faulty = spend(world, 'faults');
    const isEntry = process.leadership.phase === 'putting' && process.leadership.purpose === 'entry';
    if (isEntry) {
      visit(`${author} puts ${name}, its acknowledgements are lost`, () => this.#put(faulty, process, 'untold'));
    }
    visit(`${author} puts ${name}, the answer is lost`, () => {
      const { world: after } = this.#apply(faulty, process.pending);
      return this.#step(after, process, { type: 'putAnswered', answer: { type: 'unknown' } });
    });
    const straying = { ...faulty, stray: sorted([...faulty.stray, process.pending]) };
    visit(`${author}'s put of ${name} is delayed`, () =>
      this.#step(straying, process, { type: 'putAnswered', answer: { type: 'unknown' } }),
    );
    visit(`${author} puts ${name} twice, the first one is answered`, () => this.#put(straying, process, 'told'));
  }

  #leads(world: World, process: Process, visit: (action: string, next: () => World) => void): void {
    const author = authorOf(process);
    if (process.waiting.length > 0) {
      visit(`${author} builds an entry of ${process.waiting}`, () => this.#prepare(world, process));
    }
    const { lastSeq } = process.leadership as { lastSeq: number };
    if (this.#bounds.confirms && world.history[lastSeq + 1] !== undefined) {
      visit(`${author} asks whether it leads`, () => this.#confirm(world, process, lastSeq + 1));
    }
  }

  #deliveries(world: World, process: Process, visit: (action: string, next: () => World) => void): void {
    if (process.waiting.length >= this.#bounds.waitingMax) return;
    const first = world.acknowledged.indexOf(-1);
    if (first === -1) return;
    for (const { number } of this.#payloads.slice(first, first + 2)) {
      if (world.acknowledged[number] !== -1 || process.waiting.includes(number)) continue;
      visit(`${authorOf(process)} receives ${number}`, () => this.#deliver(world, process, number));
    }
  }

  #maintenance(world: World, process: Process, visit: (action: string, next: () => World) => void): void {
    const author = authorOf(process);
    const { pointer, snapshot, link } = process;
    const { seq } = this.#chain.link(link);
    if (snapshot === -1 && world.budget.snapshots > 0 && seq > pointer.snapshotSeq) {
      visit(`${author} writes a snapshot of ${seq}`, () => {
        const written = { ...world, snapshots: sorted([...new Set([...world.snapshots, link])]) };
        return replace(spend(written, 'snapshots'), { ...process, snapshot: link });
      });
    }
    if (snapshot !== -1) visit(`${author} moves the pointer`, () => this.#movePointer(world, process));
    const doomed = this.#doomed(world, process);
    if (doomed !== -1) {
      visit(`${author} trims ${doomed}`, () => ({ ...world, slots: world.slots.with(doomed, -1) }));
    }
  }

  #doomed({ slots }: World, { pointer, link }: Process): number {
    const { lastSeq, fences, inlineUses } = this.#chain.link(link).state;
    const view = {
      lastSeq,
      fences: this.#rules.keepFences ? fences : [],
      inlineUses: this.#rules.keepInline ? inlineUses : new Map<number, number>(),
    };
    for (let seq = 1; seq < slots.length; seq++) {
      if (slots[seq] !== -1 && mayTrim(seq, pointer.floor, view)) return seq;
    }
    return -1;
  }

  #readPointer(world: World, process: Process): World {
    const { pointer } = world;
    const blind = process.leadership.phase === 'checkingFloor' && !this.#rules.floor;
    const seen = blind ? { ...pointer, floor: 0 } : pointer;
    return this.#step(world, { ...process, pointer }, { type: 'pointerRead', pointer: seen });
  }

  #loadSnapshot(world: World, process: Process): World {
    const { link } = process.pointer;
    if (!world.snapshots.includes(link)) return this.#step(world, process, { type: 'snapshotGone' });
    const { seq, state } = this.#chain.link(link);
    return this.#step(world, { ...process, link }, { type: 'snapshotLoaded', seq, epoch: state.epoch });
  }

  #readEntries(world: World, process: Process, readsOn: boolean): World {
    const { lastSeq } = process.leadership as { lastSeq: number };
    const present: number[] = [];
    for (let seq = lastSeq + 1; seq < world.slots.length; seq++) if (world.slots[seq] !== -1) present.push(seq);
    const page = present.slice(0, this.#bounds.pageEntries);
    const entries = page.map((seq) => {
      const { epoch, commands } = this.#chain.entries[world.slots[seq]!]!.entry;
      return { seq, epoch, isFence: commands[0]?.type === 'epochStarted' };
    });
    const more = readsOn || present.length > page.length;
    const event: LeadershipEvent = { type: 'entriesRead', entries, more };
    return this.#step(
      world,
      process,
      event,
      page.map((seq) => world.slots[seq]!),
    );
  }

  /** `untold`: the ingest does not hear of it. */
  #put(world: World, process: Process, told: 'told' | 'untold'): World {
    const { world: after, answer } = this.#apply(world, process.pending);
    const naive = !this.#rules.identicalRetries && answer.type === 'occupied' && isDoubtful(process);
    const taken: PutAnswer = naive ? { type: 'occupied', id: this.#idOf(process.pending) } : answer;
    return this.#step(after, process, { type: 'putAnswered', answer: taken }, [], told);
  }

  #apply(world: World, index: number): { world: World; answer: PutAnswer } {
    const { seq } = this.#chain.entries[index]!.entry;
    const standing = world.slots[seq] ?? -1;
    if (standing !== -1) return { world, answer: { type: 'occupied', id: this.#idOf(standing) } };
    const slots = seq < world.slots.length ? world.slots.with(seq, index) : [...world.slots, index];
    const history = seq < world.history.length ? world.history : [...world.history, index];
    return { world: { ...world, slots, history }, answer: { type: 'written' } };
  }

  #strayArrives(world: World, index: number): World {
    const stray = world.stray.toSpliced(world.stray.indexOf(index), 1);
    const { world: after } = this.#apply({ ...world, stray }, index);
    return after;
  }

  #prepare(world: World, process: Process): World {
    if (!this.#rules.entries) return this.#writeBeside(world, process);
    const payloads = process.waiting.map((number) => this.#payloads[number]!);
    const link = this.#chain.link(process.link);
    const built = this.#chain.build(authorOf(process), link, payloads, !this.#rules.lanes);
    if (!('stored' in built)) return this.#acknowledge(replace(world, { ...process, waiting: [] }), built);
    const ready = { ...process, waiting: [], inFlight: process.waiting, pending: built.stored.index };
    return this.#step(world, ready, { type: 'prepared', id: built.stored.entry.id });
  }

  #writeBeside(world: World, process: Process): World {
    const { epoch } = this.#chain.link(process.link).state;
    const newest = world.history.reduce((most, index) => {
      return index === -1 ? most : Math.max(most, this.#chain.entries[index]!.entry.epoch);
    }, 0);
    if (newest > epoch) {
      throw new Violation(`${authorOf(process)} of epoch ${epoch} commits ${process.waiting} in epoch ${newest}`);
    }
    return replace(world, { ...process, waiting: [] });
  }

  #deliver(world: World, process: Process, number: number): World {
    if (!this.#rules.durableAnswers && process.inFlight.includes(number)) {
      const answers = this.#answersOf(process).filter((answer) => answer.number === number);
      return this.#acknowledge(world, answers);
    }
    return replace(world, { ...process, waiting: [...process.waiting, number] });
  }

  #answersOf(process: Process): readonly ProposalAnswer[] {
    const payloads = process.inFlight.map((number) => this.#payloads[number]!);
    const parent = this.#chain.link(process.link);
    const built = this.#chain.build(authorOf(process), parent, payloads, !this.#rules.lanes);
    return 'stored' in built ? built.answers : built;
  }

  #confirm(world: World, process: Process, seq: number): World {
    const standing = world.slots[seq] ?? -1;
    const id = standing === -1 ? null : this.#idOf(standing);
    const next = stepLeadership(process.leadership, { type: 'nextSlotRead', seq, id });
    if (next.effects.some(({ type }) => type === 'confirmed')) {
      throw new Violation(
        `${authorOf(process)} believes to lead although ${this.#name(world.history[seq]!)} is written`,
      );
    }
    return this.#step(world, process, { type: 'nextSlotRead', seq, id });
  }

  #movePointer(world: World, process: Process): World {
    const { seq } = this.#chain.link(process.snapshot);
    if (process.pointer.version !== world.pointer.version) {
      const stale = world.pointer.snapshotSeq >= seq;
      return replace(world, { ...process, pointer: world.pointer, snapshot: stale ? -1 : process.snapshot });
    }
    this.#checkChain(world, process.snapshot, 'a snapshot');
    const pointer: ModelPointer = {
      version: world.pointer.version + 1,
      snapshotSeq: seq,
      floor: seq,
      link: process.snapshot,
    };
    const snapshots = world.snapshots.filter((link) => this.#chain.link(link).seq >= seq);
    return replace({ ...world, pointer, snapshots }, { ...process, pointer, snapshot: -1 });
  }

  #crash(world: World, process: Process): World {
    const { index, life, pointer } = process;
    const reborn: Process = {
      index,
      life: life + 1,
      leadership: START.leadership,
      link: 0,
      pending: -1,
      waiting: [],
      inFlight: [],
      pointer,
      snapshot: -1,
    };
    return replace(spend(world, 'crashes'), reborn);
  }

  /** Steps the protocol and performs what needs no store: folding, building the fence, answering. */
  #step(
    world: World,
    process: Process,
    event: LeadershipEvent,
    read: readonly number[] = [],
    told: 'told' | 'untold' = 'told',
  ): World {
    const { leadership, effects } = stepLeadership(process.leadership, event);
    const before = process.leadership;
    let after: World = world;
    let next: Process = { ...process, leadership };
    for (const effect of effects) {
      if (effect.type === 'fold') for (const index of read) next = this.#fold(next, index);
      else if (effect.type === 'commit') {
        if (before.phase === 'putting' && before.purpose === 'entry') {
          this.#checkCommit(after, process);
          if (told === 'told') after = this.#acknowledge(after, this.#answersOf(process));
        }
        next = { ...this.#fold(next, process.pending), pending: -1, inFlight: [] };
      } else if (effect.type === 'prepareFence') {
        return this.#prepareFence(after, next, effect.seq, effect.epoch);
      }
    }
    if (leadership.phase !== 'putting') next = { ...next, pending: -1, inFlight: [] };
    if (leadership.phase === 'broken') throw new Violation(`${authorOf(process)}: ${leadership.because}`);
    if (leadership.phase === 'deposed') next = { ...next, waiting: [], snapshot: -1 };
    if (leadership.phase === 'readingPointer') next = { ...next, link: 0 };
    if (leadership.phase === 'leading' && before.phase === 'checkingFloor') after = this.#lead(after, next);
    return replace(after, next);
  }

  #prepareFence(world: World, process: Process, seq: number, epoch: number): World {
    const { index, entry } = this.#chain.fence(authorOf(process), seq, epoch, process.index);
    const ready = { ...process, pending: index };
    const prepared = this.#step(world, ready, { type: 'prepared', id: entry.id });
    if (this.#rules.fence) return prepared;
    const putting = prepared.processes[process.index]!;
    return this.#step(prepared, putting, { type: 'putAnswered', answer: { type: 'written' } });
  }

  #fold(process: Process, index: number): Process {
    const link = this.#chain.follow(this.#chain.link(process.link), index);
    if (typeof link === 'string') throw new Violation(`${authorOf(process)} cannot fold ${this.#name(index)}: ${link}`);
    return { ...process, link: link.id };
  }

  #acknowledge(world: World, answers: readonly ProposalAnswer[]): World {
    let { acknowledged, acknowledgedAt } = world;
    for (const { number, offset, seq } of answers) {
      if (offset === -1) continue;
      const told = acknowledged[number]!;
      if (told !== -1 && told !== offset) {
        throw new Violation(`payload ${number} was acknowledged at offset ${told}, now at ${offset}`);
      }
      acknowledged = acknowledged.with(number, offset);
      acknowledgedAt = acknowledgedAt.with(number, seq);
    }
    return acknowledged === world.acknowledged ? world : { ...world, acknowledged, acknowledgedAt };
  }

  #checkCommit({ history }: World, process: Process): void {
    const { seq } = this.#chain.entries[process.pending]!.entry;
    if (history[seq] === process.pending) return;
    const [ours, truth] = [this.#name(process.pending), this.#name(history[seq]!)];
    throw new Violation(`fork: ${authorOf(process)} acknowledges ${ours}, but the entry in that slot is ${truth}`);
  }

  #lead(world: World, process: Process): World {
    const author = authorOf(process);
    this.#checkChain(world, process.link, `the state with which ${author} leads`);
    const link = this.#chain.link(process.link);
    const { epoch } = link.state;
    const other = world.leaders[epoch];
    if (other) throw new Violation(`${author} and ${other} lead the same epoch ${epoch}`);
    const records = this.#chain.records(link);
    for (const [number, offset] of world.acknowledged.entries()) {
      if (offset < 0 || world.acknowledgedAt[number]! > link.seq) continue; // A leader may be old without knowing it.
      if (!records.some((record) => record.number === number && record.offset === offset)) {
        throw new Violation(`${author} leads without payload ${number}, acknowledged at offset ${offset}`);
      }
    }
    for (const [at, { number }] of records.entries()) {
      if (at > 0 && number <= records[at - 1]!.number) {
        throw new Violation(`the lane is out of order: ${records.map((record) => record.number)}`);
      }
    }
    this.#checkInline(world, process);
    const leaders = [...world.leaders];
    while (leaders.length <= epoch) leaders.push('');
    leaders[epoch] = author;
    return { ...world, leaders };
  }

  /** Every entry of the chain is the first that stood in its slot. */
  #checkChain({ history }: World, linkId: number, what: string): void {
    for (let link = this.#chain.link(linkId); link.parent; link = link.parent) {
      if (history[link.seq] === link.entry) continue;
      const truth = history[link.seq];
      const standing = truth === undefined ? 'nothing' : this.#name(truth);
      throw new Violation(`fork: ${what} has ${this.#name(link.entry)}, but the entry in that slot is ${standing}`);
    }
  }

  #checkInline({ slots }: World, { link }: Process): void {
    const { state } = this.#chain.link(link);
    for (const partition of state.partitions()) {
      for (const { source, baseOffset } of partition.extents) {
        if (source.type !== 'inline') continue;
        const standing = slots[source.seq] ?? -1;
        if (standing === -1 || this.#idOf(standing) !== source.entryId) {
          throw new Violation(`the bytes of offset ${baseOffset} are lost: entry ${source.seq} was trimmed`);
        }
      }
    }
  }

  #idOf(index: number): string {
    return this.#chain.entries[index]!.entry.id;
  }

  #name(index: number): string {
    const { entry } = this.#chain.entries[index]!;
    const [command] = entry.commands;
    const what = command?.type === 'epochStarted' ? `fence of epoch ${entry.epoch}` : 'entry';
    return `${what} #${index} at ${entry.seq}`;
  }
}

function isDoubtful({ leadership }: Process): boolean {
  return leadership.phase === 'putting' && leadership.put.doubtful;
}

function replace(world: World, process: Process): World {
  const { index } = process;
  const processHashes = world.processHashes.with(index, processHash(process));
  return { ...world, processes: world.processes.with(index, process), processHashes };
}

function spend(world: World, what: keyof World['budget']): World {
  return { ...world, budget: { ...world.budget, [what]: world.budget[what] - 1 } };
}

const sorted = (values: readonly number[]): readonly number[] => values.toSorted((a, b) => a - b);
