/**
 * Rendezvous hashing: each key goes to the broker for which the hash of both is the highest. Who asks needs to know the
 * brokers and nothing else; when one goes only its keys go elsewhere, spread over the others, and come back with it.
 */

/** 32 bits well mixed (the finalizer of MurmurHash3). */
function mix(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A text, such as the id of a segment, as a key (FNV-1a). All brokers must agree: never change. */
export function rendezvousKey(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** A part of something as a key of its own: a partition of a topic, a block of a segment. */
export const rendezvousPart = (key: number, part: number): number => mix(key ^ mix(part + 0x7f4a7c15));

const weight = (key: number, brokerId: number): number => mix(key ^ mix(brokerId + 0x9e3779b9));

/** The broker of a key; undefined when there are none. The order of `brokerIds` does not matter. */
export function rendezvous(key: number, brokerIds: readonly number[]): number | undefined {
  let chosen: number | undefined;
  let highest = -1;
  for (const brokerId of brokerIds) {
    const own = weight(key, brokerId);
    if (own < highest || (own === highest && brokerId > chosen!)) continue;
    highest = own;
    chosen = brokerId;
  }
  return chosen;
}

/** All brokers in the order in which the key would go to them. */
export function rendezvousOrder(key: number, brokerIds: readonly number[]): number[] {
  const weights = new Map(brokerIds.map((brokerId) => [brokerId, weight(key, brokerId)]));
  return [...weights.keys()].sort((a, b) => weights.get(b)! - weights.get(a)! || a - b);
}

/**
 * Parts 0 to `count` of a key, evenly over all brokers: each goes to the first in its order that has not its share yet. Chance
 * alone would give five of six partitions to one of three brokers. Who takes part in it may move a few parts more than
 * those of a broker that came or went.
 */
export function rendezvousSpread(key: number, count: number, brokerIds: readonly number[]): number[] {
  const left = new Map(brokerIds.map((brokerId) => [brokerId, Math.ceil(count / brokerIds.length)]));
  const spread: number[] = [];
  for (let part = 0; part < count; part++) {
    const chosen = rendezvous(rendezvousPart(key, part), [...left.keys()]);
    if (chosen === undefined) break;
    spread.push(chosen);
    const share = left.get(chosen)! - 1;
    if (share === 0) left.delete(chosen);
    else left.set(chosen, share);
  }
  return spread;
}
