/** One moment of the model: the store, the network, the processes, and what the checkers remember. Immutable. */
import type { Leadership } from '../../src/journal/leadership.ts';

export interface World {
  /** Index of the entry in each slot; -1 when empty. Index 0 is not used: the first seq is 1. */
  readonly slots: readonly number[];
  readonly pointer: ModelPointer;
  /** Links whose snapshot objects exist. */
  readonly snapshots: readonly number[];
  /** Entries of puts that somebody sent and nobody waits for: each may still happen, at any time. */
  readonly stray: readonly number[];
  readonly processes: readonly Process[];
  /** Hash of each process. */
  readonly processHashes: readonly number[];
  /** Offset that the ingest was told for each payload; -1 before, -2 for an acknowledged skip. */
  readonly acknowledged: readonly number[];
  /** Seq of the entry that carries it. */
  readonly acknowledgedAt: readonly number[];
  readonly budget: Budget;
  /** The first entry that ever stood in each slot: the truth, also after trimming. */
  readonly history: readonly number[];
  /** Author who led each epoch; empty when nobody did. */
  readonly leaders: readonly string[];
}

export interface ModelPointer {
  readonly version: number;
  readonly snapshotSeq: number;
  readonly floor: number;
  /** Link of the snapshot; 0 is the empty state. */
  readonly link: number;
}

export interface Process {
  readonly index: number;
  /** Grows with every crash: lives of a process are different authors. */
  readonly life: number;
  readonly leadership: Leadership;
  /** The state folded so far. */
  readonly link: number;
  /** Entry being put; -1 when none is. */
  readonly pending: number;
  /** Payloads waiting for the next entry. */
  readonly waiting: readonly number[];
  /** Payloads in the pending entry. */
  readonly inFlight: readonly number[];
  /** The pointer as this process saw or wrote it last. */
  readonly pointer: ModelPointer;
  /** Link of a snapshot that is written but not yet pointed to; -1 when there is none. */
  readonly snapshot: number;
}

/** How often something may still go wrong or be done. */
export interface Budget {
  /** Lost answers, delayed puts, twins of hedged puts, lost acknowledgements. */
  readonly faults: number;
  readonly snapshots: number;
  readonly crashes: number;
}

export const authorOf = ({ index, life }: Process): string => `${'ABC'[index]}${life}`;

const PHASES: readonly Leadership['phase'][] = [
  'readingPointer',
  'loadingSnapshot',
  'readingEntries',
  'preparing',
  'putting',
  'checkingFloor',
  'leading',
  'doubting',
  'deposed',
  'broken',
];

/** A number behind every list, so that lists of different lengths differ. */
const END = 0x7fffffff;

/** Two 32-bit hashes over a sequence of numbers. */
class Mixer {
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;

  add(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high ^ value, 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
  }

  addAll(values: readonly number[]): void {
    for (const value of values) this.add(value);
    this.add(END);
  }

  addPointer({ version, snapshotSeq, floor, link }: ModelPointer): void {
    this.add(version);
    this.add(snapshotSeq);
    this.add(floor);
    this.add(link);
  }

  /** 53 bits: among a million worlds two collide with a chance of about one in 20,000. */
  finish(): number {
    const low = Math.imul(this.#low ^ (this.#low >>> 16), 0x7feb352d);
    const high = Math.imul(this.#high ^ (this.#high >>> 15), 0x846ca68b);
    return (low >>> 0) * 0x200000 + ((high >>> 11) & 0x1fffff);
  }
}

export function processHash(process: Process): number {
  const mixer = new Mixer();
  const { life, leadership, link, pending, waiting, inFlight, pointer, snapshot } = process;
  mixer.add(life);
  mixer.add(PHASES.indexOf(leadership.phase));
  if ('lastSeq' in leadership) {
    mixer.add(leadership.snapshotSeq);
    mixer.add(leadership.lastSeq);
    mixer.add(leadership.epoch);
  }
  mixer.add(leadership.phase === 'putting' && leadership.put.doubtful ? 1 : 0);
  mixer.add(link);
  mixer.add(pending);
  mixer.addAll(waiting);
  mixer.addAll(inFlight);
  mixer.addPointer(pointer);
  mixer.add(snapshot);
  return mixer.finish();
}

/** Equal worlds have equal hashes. */
export function worldHash(world: World): number {
  const mixer = new Mixer();
  mixer.addAll(world.slots);
  mixer.addPointer(world.pointer);
  mixer.addAll(world.snapshots);
  mixer.addAll(world.stray);
  mixer.addAll(world.acknowledged);
  mixer.addAll(world.acknowledgedAt);
  mixer.addAll(world.history);
  for (const author of world.leaders) mixer.add(author === '' ? 0 : author.charCodeAt(0) * 256 + author.charCodeAt(1));
  mixer.add(world.budget.faults * 256 + world.budget.snapshots * 16 + world.budget.crashes);
  for (const hash of world.processHashes) {
    mixer.add(hash % 0x100000000);
    mixer.add(hash / 0x100000000);
  }
  return mixer.finish();
}
