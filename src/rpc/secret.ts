import { hkdfSync } from 'node:crypto';
import { type Address, isLoopback } from '../config.ts';
import { StartupError } from '../errors.ts';

const KEY_BYTES = 32;
/** Part of every key: raised when what the key is used for changes its meaning. */
const PURPOSE = 'millrace internal connections, format 1';
const NAMING = 'millrace names of keys, format 1';
const NAME_BYTES = 8;

/** Throws StartupError when whoever reaches the internal listener would be taken for a broker. */
export function requireSecret(internal: Address, secret: string): void {
  if (secret !== '' || isLoopback(internal.host)) return;
  throw new StartupError(
    `the internal listener is at ${internal.host}, beyond loopback, and MILLRACE_CLUSTER_SECRET is not set: give all brokers of the cluster the same secret of at least 16 characters, or --internal 127.0.0.1:PORT`,
  );
}

/** Tells which of two secrets a key was made of, to who knows them, and nothing to others. Part of what a client names. */
export function keyName(secret: string, clusterId: string): string {
  return Buffer.from(hkdfSync('sha256', secret, NAMING, clusterId, NAME_BYTES)).toString('hex');
}

/** The pre-shared key of a cluster. Without a secret it keeps clusters of one machine apart, and nothing else. */
export function clusterKey(secret: string, clusterId: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, PURPOSE, clusterId, KEY_BYTES));
}
