import { expect, test } from 'vitest';
import { advertisedAddresses } from '../../../src/cluster/addresses.ts';
import { type Given, parseConfig } from '../../../src/config.ts';

const at = (host: string, port: number) => ({ host, port });
const bound = {
  kafka: at('127.0.0.1', 9092),
  kafkaByZone: { a: at('127.0.0.1', 9192), b: at('0.0.0.0', 9193) },
  http: at('127.0.0.1', 8080),
  internal: at('127.0.0.1', 7070),
};
const zones = { 'kafka.zones': 'a=127.0.0.1:9192,b=0.0.0.0:9193' };
const told = (given: Given = {}, changes = {}) =>
  advertisedAddresses(parseConfig({ ...zones, ...given }), { ...bound, ...changes }, '10.0.0.7');

test('a broker is told where it listens', () => {
  const { kafka, http, internal, kafkaByZone } = told();
  expect({ kafka, http, internal }).toEqual({ kafka: bound.kafka, http: bound.http, internal: bound.internal });
  expect(kafkaByZone['a']).toEqual(at('127.0.0.1', 9192));
});

test('the address of the machine stands in for all of its addresses', () => {
  const everywhere = { kafka: at('0.0.0.0', 9092), http: at('::', 8080), internal: at('0.0.0.0', 7070) };
  expect(told({}, everywhere)).toEqual({
    kafka: at('10.0.0.7', 9092),
    http: at('10.0.0.7', 8080),
    internal: at('10.0.0.7', 7070),
    kafkaByZone: { a: at('127.0.0.1', 9192), b: at('10.0.0.7', 9193) },
  });
});

test('what is advertised goes first', () => {
  const given = {
    'advertise.kafka': 'kafka.example:1',
    'advertise.http': 'http.example:2',
    'advertise.internal': '[fd00::1]:3',
    'advertise.kafka.zones': 'b=b.example:4',
  };
  expect(told(given)).toEqual({
    kafka: at('kafka.example', 1),
    http: at('http.example', 2),
    internal: at('fd00::1', 3),
    kafkaByZone: { a: at('127.0.0.1', 9192), b: at('b.example', 4) },
  });
});
