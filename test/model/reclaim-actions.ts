/**
 * Segments of one ingest with parts in two journals, brokers that reclaim without knowing of each other, and everything that
 * may sleep meanwhile: appends on their way, a merge whose upload is over, a deletion that was decided long ago, a put of an
 * object that arrives after its deletion. What a journal refers to, and what a recovery of it would read, must exist in every
 * world.
 *
 *   idle ──any segment──► condemning, journal by journal ──all agree──► condemned ──► deleted ──► forgetting ──► idle
 */
import type { Change, ChangeOutcome, ExtentSwap, SegmentReference } from '../../src/journal/journal.ts';
import type { JournalState } from '../../src/journal/state.ts';
import { batchOf, JournalChain, type Outcome, TOPIC } from './journal-chain.ts';
import { Violation } from './violation.ts';

export interface ReclaimRules {
  /** All journals that hold parts of a segment are asked. Off: the first one. */
  readonly everyJournal: boolean;
  /** What a journal answers counts. Off: what is referenced is deleted as well. */
  readonly agreement: boolean;
  /** Entries above the durable snapshot count as references. */
  readonly uncovered: boolean;
  /** What is condemned is refused to appends, and to merges. */
  readonly refusal: boolean;
  readonly mergeRefusal: boolean;
  /** And so it is when it was forgotten. */
  readonly marks: boolean;
}

export const ALL_RECLAIM_RULES: ReclaimRules = {
  everyJournal: true,
  agreement: true,
  uncovered: true,
  refusal: true,
  mergeRefusal: true,
  marks: true,
};

export interface ReclaimBounds {
  /** By segment: the journals that hold parts of it. */
  readonly segments: readonly (readonly number[])[];
  readonly reclaimers: number;
  /** Segments that each of them looks at. */
  readonly looks: number;
  /** Answers to reclaimers that are lost, and puts of objects that arrive once more. */
  readonly faults: number;
  readonly merges: 0 | 1;
}

interface ReclaimerState {
  readonly phase: 'idle' | 'condemning' | 'condemned' | 'deleted';
  readonly segment: number;
  /** How many of its journals have answered in this phase. */
  readonly asked: number;
  readonly looks: number;
}

interface Merge {
  readonly swap: ExtentSwap;
  readonly segment: number;
}

export interface ReclaimWorld {
  /** State of each journal. */
  readonly links: readonly number[];
  /** By journal: segments that its entries above the durable snapshot name. */
  readonly uncovered: readonly (readonly number[])[];
  /** Segments whose objects exist. */
  readonly objects: readonly number[];
  /** `segment/journal` of appends on their way. */
  readonly appends: readonly string[];
  readonly merge: Merge | null;
  readonly merges: number;
  readonly reclaimers: readonly ReclaimerState[];
  readonly faults: number;
}

export const reclaimWorldKey = (world: ReclaimWorld): string => JSON.stringify(world);

type Visit = (action: string, next: () => ReclaimWorld) => void;

const JOURNALS = [0, 1];
const idOf = (segment: number): string => `019aa3b5ec00-1-1-${segment}-9f86d081`;
const numberOf = (segmentId: string): number => Number(segmentId.split('-')[3]);

const referenceOf = (segment: number): SegmentReference => ({
  id: idOf(segment),
  bytes: 200,
  footerPosition: 100,
  footerLength: 50,
  footerCrc: 0,
});

export class ReclaimActions {
  readonly #bounds: ReclaimBounds;
  readonly #rules: ReclaimRules;
  readonly #chains = JOURNALS.map((journal) => new JournalChain(journal));

  constructor(bounds: ReclaimBounds, rules: ReclaimRules = ALL_RECLAIM_RULES) {
    this.#bounds = bounds;
    this.#rules = rules;
  }

  initial(): ReclaimWorld {
    const { segments, reclaimers, looks, faults, merges } = this.#bounds;
    return {
      links: this.#chains.map(({ root }) => root.id),
      uncovered: JOURNALS.map(() => []),
      objects: segments.map((_, segment) => segment),
      appends: segments.flatMap((journals, segment) => journals.map((journal) => `${segment}/${journal}`)),
      merge: null,
      merges,
      reclaimers: Array.from({ length: reclaimers }, () => ({ phase: 'idle', segment: -1, asked: 0, looks })),
      faults,
    };
  }

  successors(world: ReclaimWorld, visit: Visit): void {
    const checked: Visit = (action, next) => visit(action, () => this.#check(next()));
    for (const append of world.appends) {
      checked(`append ${append} arrives`, () => this.#append(world, append));
    }
    for (const journal of JOURNALS) this.#ofJournal(world, journal, checked);
    for (const [at, reclaimer] of world.reclaimers.entries()) this.#ofReclaimer(world, at, reclaimer, checked);
    if (world.merge !== null) checked('the merge arrives', () => this.#merge(world, world.merge!));
    if (world.faults === 0) return;
    for (let segment = 0; segment < this.#journalsOf.length; segment++) {
      if (world.objects.includes(segment)) continue;
      checked(`a delayed put of segment ${segment} arrives`, () => ({
        ...world,
        faults: world.faults - 1,
        objects: sorted([...world.objects, segment]),
      }));
    }
  }

  get #journalsOf(): readonly (readonly number[])[] {
    return [...this.#bounds.segments, [0]];
  }

  #state(world: ReclaimWorld, journal: number): JournalState {
    return this.#chains[journal]!.link(world.links[journal]!).state;
  }

  #ofJournal(world: ReclaimWorld, journal: number, visit: Visit): void {
    const { nextOffset, logStartOffset, extents } = this.#state(world, journal).partition(TOPIC, 0)!;
    if (nextOffset > logStartOffset) {
      visit(
        `journal ${journal} drops its records`,
        () =>
          this.#propose(world, journal, {
            type: 'advanceLogStart',
            topicId: TOPIC,
            partition: 0,
            logStartOffset: nextOffset,
          }).world,
      );
    }
    if (world.uncovered[journal]!.length > 0) {
      visit(`a snapshot of journal ${journal} is durable`, () => ({
        ...world,
        uncovered: world.uncovered.with(journal, []),
      }));
    }
    if (journal !== 0 || world.merges === 0 || extents.length === 0) return;
    visit('a merge of journal 0 is uploaded', () => {
      const remove = [...extents];
      const segment = this.#bounds.segments.length;
      const merged = { ...remove[0]!, endOffset: remove.at(-1)!.endOffset, absolute: true };
      const source = { type: 'segment' as const, segmentId: idOf(segment) };
      const swap = { topicId: TOPIC, partition: 0, remove, add: [{ ...merged, source }] };
      return { ...world, merges: 0, merge: { swap, segment }, objects: sorted([...world.objects, segment]) };
    });
  }

  #ofReclaimer(world: ReclaimWorld, at: number, reclaimer: ReclaimerState, visit: Visit): void {
    const { phase, segment, asked, looks } = reclaimer;
    const become = (next: Partial<ReclaimerState>, from = world): ReclaimWorld => ({
      ...from,
      reclaimers: from.reclaimers.with(at, { ...reclaimer, ...next }),
    });
    const name = `reclaimer ${at}`;
    if (phase === 'idle') {
      if (looks === 0) return;
      for (const found of world.objects) {
        visit(`${name} finds segment ${found}`, () =>
          become({ phase: 'condemning', segment: found, asked: 0, looks: looks - 1 }),
        );
      }
      return;
    }
    if (phase === 'condemned') {
      visit(`${name} deletes segment ${segment}`, () =>
        become(
          { phase: 'deleted', asked: 0 },
          { ...world, objects: world.objects.filter((other) => other !== segment) },
        ),
      );
      return;
    }
    const journals = this.#rules.everyJournal ? this.#journalsOf[segment]! : this.#journalsOf[segment]!.slice(0, 1);
    const journal = journals[asked]!;
    const isLast = asked === journals.length - 1;
    const change: Change = { type: phase === 'condemning' ? 'condemn' : 'forget', segmentIds: [idOf(segment)] };
    const verb = `${change.type}s segment ${segment} in journal ${journal}`;
    visit(`${name} ${verb}`, () => {
      const { world: after, answer } = this.#propose(world, journal, change);
      const isRefused = phase === 'condemning' && this.#rules.agreement && !agrees(answer);
      if (isRefused) return become({ phase: 'idle', segment: -1, asked: 0 }, after);
      if (!isLast) return become({ asked: asked + 1 }, after);
      if (phase === 'condemning') return become({ phase: 'condemned', asked: 0 }, after);
      return become({ phase: 'idle', segment: -1, asked: 0 }, after);
    });
    if (world.faults > 0) {
      visit(`${name} ${verb}, the answer is lost`, () => {
        const { world: after } = this.#propose(world, journal, change);
        return { ...after, faults: after.faults - 1 };
      });
    }
  }

  #append(world: ReclaimWorld, append: string): ReclaimWorld {
    const [segment, journal] = append.split('/').map(Number) as [number, number];
    const appends = world.appends.filter((other) => other !== append);
    // A lane of its own: appends overtake each other.
    const request = {
      lane: { brokerId: 1, brokerEpoch: 1, lane: segment },
      number: 0,
      source: { type: 'segment' as const, segment: referenceOf(segment) },
      partitions: [{ topicId: TOPIC, partition: 0, journal, batches: [batchOf(segment)] }],
    };
    const wish = { type: 'append' as const, request, body: Buffer.alloc(0) };
    const outcome = this.#chain(world, journal, `append ${segment}`, wish);
    return this.#after({ ...world, appends }, journal, outcome);
  }

  #merge(world: ReclaimWorld, { swap, segment }: Merge): ReclaimWorld {
    const change: Change = { type: 'merge', segments: [referenceOf(segment)], swaps: [swap] };
    return { ...this.#propose(world, 0, change).world, merge: null };
  }

  #propose(
    world: ReclaimWorld,
    journal: number,
    change: Change,
  ): { readonly world: ReclaimWorld; readonly answer: ChangeOutcome } {
    const outcome = this.#chain(world, journal, JSON.stringify(change), { type: 'change', change });
    return { world: this.#after(world, journal, outcome), answer: outcome.answer as ChangeOutcome };
  }

  #chain(world: ReclaimWorld, journal: number, what: string, wish: Parameters<JournalChain['propose']>[2]): Outcome {
    const { uncovered, refusal, mergeRefusal, marks } = this.#rules;
    const named = uncovered ? world.uncovered[journal]! : [];
    const isNamed = (segmentId: string) => named.includes(numberOf(segmentId));
    const isMerge = wish.type === 'change' && wish.change.type === 'merge';
    const disarm = (state: JournalState) => {
      if (!isMerge && wish.type !== 'append') return;
      if (isMerge ? !mergeRefusal : !refusal) state.condemnedById.clear();
      if (!marks) state.forgottenByBroker.clear();
    };
    return this.#chains[journal]!.propose(world.links[journal]!, `${named}/${what}`, wish, isNamed, disarm);
  }

  #after(world: ReclaimWorld, journal: number, { link, named }: Outcome): ReclaimWorld {
    const uncovered = new Set([...world.uncovered[journal]!, ...named.map(numberOf)]);
    return {
      ...world,
      links: world.links.with(journal, link.id),
      uncovered: world.uncovered.with(journal, sorted([...uncovered])),
    };
  }

  #check(world: ReclaimWorld): ReclaimWorld {
    for (const journal of JOURNALS) {
      for (const { id } of this.#state(world, journal).segments()) {
        if (world.objects.includes(numberOf(id))) continue;
        throw new Violation(`journal ${journal} refers to segment ${numberOf(id)}, which is deleted`);
      }
      for (const segment of world.uncovered[journal]!) {
        if (world.objects.includes(segment)) continue;
        throw new Violation(
          `a recovery of journal ${journal} needs the footer of segment ${segment}, which is deleted`,
        );
      }
    }
    return world;
  }
}

const agrees = (answer: ChangeOutcome): boolean => answer.type === 'condemned' && answer.segmentIds.length === 1;
const sorted = (values: readonly number[]): readonly number[] => values.toSorted((a, b) => a - b);
