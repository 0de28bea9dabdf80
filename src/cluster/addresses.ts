/**
 * Where others are told to find a broker: as it is advertised, or else where it listens. A wildcard is no address that
 * anybody can connect to; the machine's own address stands in for it.
 */
import { type Address, type Config, parseAddress, parseZones } from '../config.ts';

/** Where the doors of a broker really listen. */
export interface BoundAddresses {
  readonly kafka: Address;
  /** Listeners of zones, by zone. */
  readonly kafkaByZone: Readonly<Record<string, Address>>;
  readonly http: Address;
  readonly internal: Address;
}

type AdvertisedSettings = Pick<
  Config,
  'advertise.kafka' | 'advertise.kafka.zones' | 'advertise.http' | 'advertise.internal'
>;

/** `host` is the machine's, for listeners at all of its addresses. */
export function advertisedAddresses(config: AdvertisedSettings, bound: BoundAddresses, host: string): BoundAddresses {
  const reachable = (address: Address) => (isWildcard(address) ? { host, port: address.port } : address);
  const told = (advertised: string, address: Address) =>
    advertised === '' ? reachable(address) : parseAddress(advertised);
  const zones = parseZones(config['advertise.kafka.zones'], '--advertise-kafka-zones');
  return {
    kafka: told(config['advertise.kafka'], bound.kafka),
    kafkaByZone: Object.fromEntries(
      Object.entries(bound.kafkaByZone).map(([zone, address]) => [zone, zones[zone] ?? reachable(address)]),
    ),
    http: told(config['advertise.http'], bound.http),
    internal: told(config['advertise.internal'], bound.internal),
  };
}

export const isWildcard = ({ host }: Address): boolean => host === '0.0.0.0' || host === '::';
