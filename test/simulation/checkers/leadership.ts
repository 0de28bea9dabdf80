/**
 * Liveness of a cluster: a bounded time after nothing goes wrong any more, every journal is led by the one broker that it is
 * assigned to, all brokers know of it, nobody leads anything else, and journals are spread evenly.
 */
import { type Checker, type HistoryEvent, type LeadershipSeen, Violation } from '../history.ts';

export function leadership(): Checker {
  return {
    name: 'leadership',
    observe(event: HistoryEvent): void {
      if (event.type !== 'leadershipAtRest') return;
      const disorder = findDisorder(event);
      if (disorder !== null) throw new Violation('leadership', `${disorder}, after ${event.waitedMs} ms of calm`);
    },
  };
}

/** Null when all is as it should be at rest. */
export function findDisorder({ assigned, pinned, drained, journals, brokers }: LeadershipSeen): string | null {
  if (assigned.length !== journals) return `${assigned.length} of ${journals} journals are assigned`;
  for (const [journal, brokerId] of assigned.entries()) {
    const leaders = brokers.filter(({ leads }) => leads.includes(journal));
    const names = leaders.map(({ process }) => process).join(' and ') || 'nobody';
    if (!brokers.some((broker) => broker.brokerId === brokerId)) {
      return `journal ${journal} is assigned to broker ${brokerId}, which is not there`;
    }
    if (leaders.length !== 1 || leaders[0]!.brokerId !== brokerId) {
      return `journal ${journal} is assigned to broker ${brokerId} and led by ${names}`;
    }
  }
  for (const { process, leads, knows } of brokers) {
    if (knows !== journals) return `${process} has heard of ${knows} of ${journals} journals`;
    const stranger = leads.find((journal) => journal >= assigned.length);
    if (stranger !== undefined) return `${process} leads journal ${stranger}, which nobody assigned`;
  }
  return findUnevenness(
    assigned,
    pinned,
    brokers.filter(({ brokerId }) => !drained.includes(brokerId)),
  );
}

/** Those that an administrator moved stay where they are, and who was drained has no share. */
function findUnevenness(
  assigned: readonly number[],
  pinned: readonly number[],
  brokers: LeadershipSeen['brokers'],
): string | null {
  if (pinned.length > 0 || brokers.length === 0) return null;
  const counts = brokers.map(({ brokerId }) => assigned.filter((to) => to === brokerId).length);
  if (Math.max(...counts) - Math.min(...counts) <= 1) return null;
  return `journals are spread as ${brokers.map(({ process }, index) => `${counts[index]} to ${process}`).join(', ')}`;
}
