/**
 * Where others are told to find a broker: as it is advertised, or else where it listens. A wildcard is no address that
 * anybody can connect to; the machine's own address stands in for it.
 */
import { type Address, type Config, parseAddress } from '../config.ts';

/** Where the doors of a broker really listen. */
export interface BoundAddresses {
  readonly kafka: Address;
  /** Listeners of zones, by zone. */
  readonly kafkaByZone: Readonly<Record<string, Address>>;
  readonly http: Address;
  readonly internal: Address;
}

/** `host` is the machine's, for listeners at all of its addresses. */
export function advertisedAddresses(
  config: Pick<Config, 'advertise.kafka' | 'advertise.http'>,
  bound: BoundAddresses,
  host: string,
): BoundAddresses {
  const told = (advertised: string, address: Address): Address => {
    if (advertised !== '') return parseAddress(advertised);
    return isWildcard(address) ? { host, port: address.port } : address;
  };
  return {
    kafka: told(config['advertise.kafka'], bound.kafka),
    kafkaByZone: bound.kafkaByZone,
    http: told(config['advertise.http'], bound.http),
    internal: told('', bound.internal),
  };
}

export const isWildcard = ({ host }: Address): boolean => host === '0.0.0.0' || host === '::';
