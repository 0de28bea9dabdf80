/**
 * The zone of a client, so that it is told brokers next to it: `zone=<zone>` anywhere in its client id, up to `,` `;` `/`, a
 * space or the end. What libraries append to a client id stays apart when a comma follows: `zone=eu-west-1a,billing`.
 */
const ZONE = /(?<![A-Za-z0-9_])zone=([^,;/\s]+)/;

/** Empty when the client names none. */
export const zoneOf = (clientId: string | null): string => (clientId === null ? '' : (ZONE.exec(clientId)?.[1] ?? ''));
