/**
 * How many groups each client made in this life of the broker, so that one of them alone cannot fill it. A client is what
 * its requests say: client id and address.
 */
import { KafkaError } from '../../errors.ts';

export class CreatorQuota {
  readonly #groupsPerClientMax: number;
  readonly #exists: (groupId: string) => boolean;
  readonly #groupsOf = new Map<string, Set<string>>();
  readonly #creatorOf = new Map<string, string>();

  constructor(groupsPerClientMax: number, exists: (groupId: string) => boolean) {
    this.#groupsPerClientMax = groupsPerClientMax;
    this.#exists = exists;
  }

  /** Counts a group that is about to be made. Throws POLICY_VIOLATION when the client has as many as it may. */
  reserve(groupId: string, client: string): void {
    if (this.#creatorOf.has(groupId)) return;
    const groups = this.#groupsOf.get(client) ?? new Set();
    if (groups.size >= this.#groupsPerClientMax) this.#dropUnmade(groups);
    if (groups.size >= this.#groupsPerClientMax) {
      throw new KafkaError('POLICY_VIOLATION', `client ${client} made ${groups.size} groups, which is all it may make`);
    }
    groups.add(groupId);
    this.#groupsOf.set(client, groups);
    this.#creatorOf.set(groupId, client);
  }

  release(groupId: string): void {
    const client = this.#creatorOf.get(groupId);
    if (client === undefined) return;
    this.#creatorOf.delete(groupId);
    const groups = this.#groupsOf.get(client);
    groups?.delete(groupId);
    if (groups?.size === 0) this.#groupsOf.delete(client);
  }

  /** Groups that were announced and never came to be. */
  #dropUnmade(groups: ReadonlySet<string>): void {
    for (const groupId of [...groups]) if (!this.#exists(groupId)) this.release(groupId);
  }
}
