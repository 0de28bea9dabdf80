/**
 * Registrations of brokers that are gone for good go, too: where each start draws a new id they would be read with every heartbeat
 * for ever. The epochs of an id must never be given twice, so one item remembers the highest epoch of all that were dropped, and an
 * id without a registration begins above it. Both sides write that item in one transaction with the registration, under the
 * condition that it is as they read it: who read it before a registration was dropped does not register after it.
 */
import { brokerKey, retiredKey } from '../storage/keys.ts';
import {
  ABSENT,
  type Item,
  type MetadataOptions,
  type MetadataStore,
  type Write,
  whenEquals,
} from '../storage/metadata-store.ts';
import type { BrokerItem } from './cluster-items.ts';

/** A registration as it was read from the table. */
export type Registered = Pick<BrokerItem, 'brokerId' | 'brokerEpoch' | 'session' | 'counter'>;

/** The highest epoch of all registrations that were dropped, as it was read. */
export interface Retired {
  readonly epoch: number;
  /** For a transaction: it is still so, or is `to` from then on. */
  become(to?: number): Write;
}

export async function readRetired(
  metadata: MetadataStore,
  clusterId: string,
  options: MetadataOptions,
): Promise<Retired> {
  const key = retiredKey(clusterId);
  const standing: Item | null = await metadata.get(key, options);
  const epoch = Number(standing?.attributes['epoch'] ?? 0);
  return {
    epoch,
    become: (to = epoch) => ({
      type: 'put',
      item: { ...key, body: Buffer.alloc(0), attributes: { epoch: to } },
      condition: standing === null ? ABSENT : whenEquals({ epoch }),
    }),
  };
}

/** Drops a registration unless it has changed since it was read: the broker lives. False then, and when others were at it. */
export async function retireBroker(
  metadata: MetadataStore,
  clusterId: string,
  { brokerId, brokerEpoch: epoch, session, counter }: Registered,
  options: MetadataOptions,
): Promise<boolean> {
  const retired = await readRetired(metadata, clusterId, options);
  const unchanged = whenEquals({ epoch, session, counter });
  const outcome = await metadata.transact(
    [
      { type: 'delete', key: brokerKey(clusterId, brokerId), condition: unchanged },
      retired.become(Math.max(retired.epoch, epoch)),
    ],
    options,
  );
  return outcome.ok;
}
