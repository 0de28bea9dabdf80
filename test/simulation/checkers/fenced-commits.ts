/**
 * A commit of a fenced member never changes an offset. Each commit of a member carries a name in its metadata; when one
 * shows in a journal, its member has to be one at that entry, at the generation or epoch that it said.
 *
 * And what members commit for a partition never goes back: each begins where the group has committed, and none that lost
 * its partition to another may still commit.
 */
import { type FoldedGroup, GroupFold, groupIdOf } from '../group-fold.ts';
import { type Checker, type HistoryEvent, Violation } from '../history.ts';

type CommitSent = Extract<HistoryEvent, { type: 'commitSent' }>;

export class FencedCommits implements Checker {
  readonly name = 'fenced commits';
  readonly #fold = new GroupFold();
  readonly #sent = new Map<string, CommitSent>();
  /** Names of commits whose members had been told before that they left. */
  readonly #late = new Set<string>();
  /** Who was told to be a member of which generation, written or not. */
  readonly #joined = new Set<string>();
  /** Who was told, by which process, to be a member no more. */
  readonly #left = new Set<string>();
  readonly #committed = new Map<string, number>();

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'memberJoined':
        this.#joined.add(joinedKey(event.groupId, event.memberId, event.generation));
        this.#left.delete(leftKey(event));
        return;
      case 'memberLeft':
        this.#left.add(leftKey(event));
        return;
      case 'commitSent':
        this.#sent.set(event.commitId, event);
        if (this.#left.has(leftKey(event))) this.#late.add(event.commitId);
        return;
      case 'recordsChanged': {
        const groupId = groupIdOf(event.owner);
        if (groupId === null) return;
        for (const { key, value } of event.changes) {
          if (key.startsWith('o/')) this.#changed(groupId, key, value);
        }
        this.#fold.apply(groupId, event.changes);
        return;
      }
      default:
    }
  }

  #changed(groupId: string, key: string, value: string | null): void {
    const place = `${groupId} ${key}`;
    const { offset, metadata } = value === null ? { offset: -1, metadata: '' } : JSON.parse(value);
    const sent = this.#sent.get(metadata);
    if (sent === undefined) {
      this.#committed.delete(place); // Of nobody who is followed here.
      return;
    }
    const why = this.#whyFenced(this.#fold.find(groupId), sent);
    const { commitId, memberId, generation } = sent;
    const where = `commit ${commitId} of ${memberId} at ${generation} changes ${key.slice(2)} of group ${groupId}`;
    if (why !== null) throw new Violation(this.name, `${where}: ${why}`);
    const before = this.#committed.get(place) ?? -1;
    // Who is no member says what it wants.
    if (generation >= 0 && offset < before) throw new Violation(this.name, `${where} from ${before} back to ${offset}`);
    this.#committed.set(place, offset);
  }

  #whyFenced(group: FoldedGroup, { commitId, groupId, memberId, instanceId, generation }: CommitSent): string | null {
    if (this.#late.has(commitId)) return 'it was told that it left';
    const member = group.members.get(memberId);
    if (generation < 0) return group.members.size === 0 ? null : `the group has ${group.members.size} members`;
    if (group.type === 'consumer') {
      if (member === undefined) return 'it is no member';
      return member.epoch === generation ? null : `its epoch is ${member.epoch}`;
    }
    if (generation < group.generation) return `the generation is ${group.generation}`;
    if (generation > group.generation) {
      return this.#joined.has(joinedKey(groupId, memberId, generation)) ? null : 'nobody was told of this generation';
    }
    if (member === undefined) return 'it is no member';
    return instanceId === null || member.instance === instanceId ? null : `its instance is ${member.instance}`;
  }
}

const joinedKey = (groupId: string, memberId: string, generation: number): string =>
  `${generation} ${memberId} ${groupId}`;
const leftKey = ({ process, groupId, memberId }: { process: string; groupId: string; memberId: string }): string =>
  `${process} ${memberId} ${groupId}`;
