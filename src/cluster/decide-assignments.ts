/**
 * Which broker shall lead which journal. Pure: from who is there, what was assigned before, and what administrators asked for.
 * Sticky: a journal moves only because its broker goes, because it was asked for, or one at a time to even out the numbers.
 */

export interface AssignableBroker {
  readonly brokerId: number;
  /** May be given journals. One that is there and may not (it drains) keeps what nobody else can take. */
  readonly eligible: boolean;
  /** Within seconds it will be there or gone: it keeps what it has, and is given nothing. */
  readonly doubtful?: boolean;
}

export interface AssignmentFacts {
  readonly journals: number;
  /** By journal; -1 or missing: nobody. */
  readonly assigned: readonly number[];
  readonly pinned: Readonly<Record<number, number>>;
  /** Brokers that are there, in any order. */
  readonly brokers: readonly AssignableBroker[];
  /** Who leads a journal as far as is known, so that one that lost its assignment may keep it. */
  readonly leaderOf: (journal: number) => number | null;
  /** Whether one journal may be moved to even out the numbers. */
  readonly balance: boolean;
}

export interface Assignments {
  readonly assigned: readonly number[];
  readonly pinned: Readonly<Record<number, number>>;
}

export const NOBODY = -1;

/** What shall hold; the same object as `before` when nothing has to change. */
export function decideAssignments(facts: AssignmentFacts, before: Assignments): Assignments {
  const eligible = facts.brokers.filter((broker) => broker.eligible).map(({ brokerId }) => brokerId);
  const isDoubtful = (broker: AssignableBroker) => broker.doubtful === true;
  const present = facts.brokers.filter((broker) => !isDoubtful(broker)).map(({ brokerId }) => brokerId);
  const takers = eligible.length > 0 ? eligible : present;
  takers.sort((a, b) => a - b);
  const mayLead = new Set([...takers, ...facts.brokers.filter(isDoubtful).map(({ brokerId }) => brokerId)]);
  const pinned = pinsThatHold(facts, mayLead);
  const assigned = Array.from({ length: facts.journals }, (_, journal) => {
    const broker = pinned[journal] ?? facts.assigned[journal] ?? NOBODY;
    return mayLead.has(broker) ? broker : NOBODY;
  });
  if (takers.length > 0) {
    assignOrphans(assigned, takers, facts.leaderOf);
    if (facts.balance) moveOne(assigned, takers, pinned);
  } else {
    // Nobody is there to lead anything: what was assigned stays until somebody is.
    for (const journal of assigned.keys()) assigned[journal] = facts.assigned[journal] ?? NOBODY;
  }
  const same = sameList(assigned, before.assigned) && samePins(pinned, before.pinned);
  return same ? before : { assigned, pinned };
}

/** A pin holds as long as its broker may lead. */
function pinsThatHold(facts: AssignmentFacts, mayLead: ReadonlySet<number>): Record<number, number> {
  const holding: Record<number, number> = {};
  for (const [journal, broker] of Object.entries(facts.pinned)) {
    if (mayLead.has(broker) && Number(journal) < facts.journals) holding[Number(journal)] = broker;
  }
  return mayLead.size === 0 ? { ...facts.pinned } : holding;
}

function assignOrphans(assigned: number[], takers: readonly number[], leaderOf: AssignmentFacts['leaderOf']): void {
  const counts = countsOf(assigned, takers);
  const share = Math.ceil(assigned.length / takers.length);
  for (const [journal, broker] of assigned.entries()) {
    if (broker !== NOBODY) continue;
    const leader = leaderOf(journal);
    const keeps = leader !== null && (counts.get(leader) ?? Number.POSITIVE_INFINITY) < share;
    const taker = keeps ? leader : leastLoaded(counts);
    assigned[journal] = taker;
    counts.set(taker, counts.get(taker)! + 1);
  }
}

/** The one with the most gives one that is not pinned to the one with the least, when that evens out. */
function moveOne(assigned: number[], takers: readonly number[], pinned: Readonly<Record<number, number>>): void {
  const counts = countsOf(assigned, takers);
  const to = leastLoaded(counts);
  const givers = [...counts]
    .filter(([, count]) => count > counts.get(to)! + 1)
    .sort(([a, m], [b, n]) => n - m || a - b);
  for (const [from] of givers) {
    const journal = assigned.findLastIndex((broker, index) => broker === from && pinned[index] === undefined);
    if (journal === -1) continue;
    assigned[journal] = to;
    return;
  }
}

function countsOf(assigned: readonly number[], takers: readonly number[]): Map<number, number> {
  const counts = new Map(takers.map((broker) => [broker, 0]));
  for (const broker of assigned) {
    const count = counts.get(broker);
    if (count !== undefined) counts.set(broker, count + 1);
  }
  return counts;
}

function leastLoaded(counts: ReadonlyMap<number, number>): number {
  let least: number | null = null;
  for (const [broker, count] of counts) if (least === null || count < counts.get(least)!) least = broker;
  return least!;
}

const sameList = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

function samePins(a: Readonly<Record<number, number>>, b: Readonly<Record<number, number>>): boolean {
  const keys = Object.keys(a) as unknown as number[];
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
