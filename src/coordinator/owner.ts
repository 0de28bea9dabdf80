/**
 * Owners of records in a journal, and the families of their keys, on one page. Values are JSON with a version `v`; what
 * each holds is declared by the file named here.
 *
 * | owner                | key                             | holds                                                      |
 * |----------------------|---------------------------------|------------------------------------------------------------|
 * | `group/<group id>`   | `group`                         | type, generation or epoch: `group/<type>/…-records.ts`     |
 * |                      | `m/<member id>`                 | one member, its subscription and assignment                |
 * |                      | `o/<topic id>/<partition>`      | a committed offset: `group/offsets/offset-records.ts`      |
 * |                      | `p/<producer id>/<topic id>/<partition>` | an offset of a transaction that has not ended     |
 * |                      | `t/<producer id>`               | the guard of that transaction (design §4, rule 8)          |
 * |                      | `s/<topic id>/<partition>`      | state of a share partition: `share/…-records.ts`           |
 * | `transaction/<id>`   | `transaction`                   | `transaction/transaction-records.ts`                       |
 */
export const groupOwner = (groupId: string): string => GROUP + groupId;
export const transactionOwner = (transactionalId: string): string => TRANSACTION + transactionalId;

export const groupIdOf = (owner: string): string | null => after(owner, GROUP);
export const transactionalIdOf = (owner: string): string | null => after(owner, TRANSACTION);

export const partitionPart = (topicId: string, partition: number): string => `${topicId}/${partition}`;

const GROUP = 'group/';
const TRANSACTION = 'transaction/';

const after = (owner: string, prefix: string): string | null =>
  owner.startsWith(prefix) ? owner.slice(prefix.length) : null;
