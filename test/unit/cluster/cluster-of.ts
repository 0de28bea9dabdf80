/** Members and leaders that tests make up and change. */
import { aloneLeaders, aloneMembers } from '../../../src/cluster/alone.ts';
import { JournalReport } from '../../../src/cluster/journal-report.ts';
import type { JournalLeader, Leaders, Member, Members } from '../../../src/cluster/members.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { fixedJournals } from '../../../src/journal/journals.ts';

/** A broker whose addresses tell its id. */
export const memberOf = (brokerId: number, changes: Partial<Member> = {}): Member => ({
  brokerId,
  brokerEpoch: 1,
  zone: '',
  kafka: { host: `broker-${brokerId}`, port: 9092 },
  kafkaByZone: {},
  http: { host: `broker-${brokerId}`, port: 8080 },
  internal: { host: `broker-${brokerId}`, port: 7070 },
  version: '1.2.3',
  startedAt: 1_700_000_000_000,
  draining: false,
  ...changes,
});

/** What a broker behind a door needs to be alone. */
export function alone(brokerId: number, journals: Iterable<Journal>, zone = '') {
  const fixed = fixedJournals([...journals]);
  const members = aloneMembers(() => memberOf(brokerId, { zone }));
  const leaders = aloneLeaders(brokerId, fixed);
  return { brokerId, members, leaders, report: new JournalReport({ brokerId, journals: fixed, leaders }) };
}

/** A cluster as the first of its members sees it. */
export class FakeCluster implements Members, Leaders {
  readonly #selfId: number;
  readonly #listeners = new Set<(journal: number) => void>();
  #members: readonly Member[];
  #leaders: Readonly<Record<number, JournalLeader>>;
  #controllerId: number | null;

  constructor(members: readonly Member[], leaders: Readonly<Record<number, JournalLeader>> = {}) {
    this.#selfId = members[0]!.brokerId;
    this.#members = members;
    this.#leaders = leaders;
    this.#controllerId = members[0]!.brokerId;
  }

  get self(): Member {
    return this.get(this.#selfId)!;
  }

  get controllerId(): number | null {
    return this.#controllerId;
  }

  live(): readonly Member[] {
    return this.#members.toSorted((a, b) => a.brokerId - b.brokerId);
  }

  get(brokerId: number): Member | undefined {
    return this.#members.find((member) => member.brokerId === brokerId);
  }

  newestEpoch(journal: number): number {
    return this.#leaders[journal]?.epoch ?? -1;
  }

  of(journal: number): JournalLeader | null {
    return this.#leaders[journal] ?? null;
  }

  onChanged(listener: (journal: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Brokers that are there from now on. */
  become(members: readonly Member[]): void {
    this.#members = members;
    this.#tell();
  }

  change(brokerId: number, changes: Partial<Member>): void {
    this.become(this.#members.map((member) => (member.brokerId === brokerId ? { ...member, ...changes } : member)));
  }

  lead(journal: number, leader: JournalLeader | null): void {
    const { [journal]: _, ...others } = this.#leaders;
    this.#leaders = leader === null ? others : { ...others, [journal]: leader };
    this.#tell();
  }

  control(controllerId: number | null): void {
    this.#controllerId = controllerId;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(0);
  }
}
