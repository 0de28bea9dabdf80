import { expect, test } from 'vitest';
import { zoneOf } from '../../../src/broker/client-zone.ts';

test.each([
  ['zone=eu-west-1a', 'eu-west-1a'],
  ['billing,zone=eu-west-1a', 'eu-west-1a'],
  ['zone=a,billing-StreamThread-1-consumer', 'a'],
  ['billing;zone=b;x=y', 'b'],
  ['billing/zone=c/2', 'c'],
  ['rack zone=d producer', 'd'],
  ['billing-zone=e', 'e'],
  ['zone=', ''],
  ['zone=,zone=f', 'f'],
  ['timezone=utc', ''],
  ['my_zone=utc', ''],
  ['Zone=a', ''],
  ['billing', ''],
  ['', ''],
  [null, ''],
])('the client id %j names the zone %j', (clientId, zone) => {
  expect(zoneOf(clientId)).toBe(zone);
});
