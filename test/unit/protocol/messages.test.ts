/** What holds for every message at every version. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { API_NAMES, APIS } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import type { Message } from '../../../src/protocol/schema.ts';
import { arbitraryOf, decodedForm } from './arbitrary.ts';

const messages: Message[] = API_NAMES.flatMap((name) => [APIS[name].request, APIS[name].response]);

const versionsOf = ({ versions: [min, max] }: Message) => Array.from({ length: max - min + 1 }, (_, i) => min + i);

/** Decodes or refuses; anything else fails the test. Answers whether it was refused. */
function refused(decode: (bytes: Buffer) => unknown, bytes: Buffer): boolean {
  try {
    decode(bytes);
    return false;
  } catch (cause) {
    if (!(cause instanceof KafkaError) || cause.error !== 'INVALID_REQUEST') throw cause;
    return true;
  }
}

describe.each(messages)('$name', (message) => {
  const samples = versionsOf(message).map((version) => {
    const { encode, decode } = codec(message, version);
    const [input] = fc.sample(arbitraryOf(message, version), { numRuns: 1, seed: version + 1 });
    return { version, encode, decode, bytes: Buffer.concat(encode(input)) };
  });

  test('survives a round trip at every version, and what a version lacks becomes its default', () => {
    for (const { version, encode, decode } of samples) {
      fc.assert(
        fc.property(arbitraryOf(message, version), (input) => {
          expect(decode(Buffer.concat(encode(input)))).toEqual(decodedForm(message.fields, input, version));
        }),
        { numRuns: 15 },
      );
    }
  });

  test('refuses every truncation at every version', () => {
    for (const { version, decode, bytes } of samples) {
      for (let length = 0; length < bytes.length; length++) {
        expect(refused(decode, bytes.subarray(0, length)), `v${version} cut at ${length}`).toBe(true);
      }
    }
  });

  test('refuses a byte too many at every version', () => {
    for (const { version, decode, bytes } of samples) {
      expect(refused(decode, Buffer.concat([bytes, Buffer.of(0)])), `v${version}`).toBe(true);
    }
  });

  test('decodes or refuses random bytes, never anything else', () => {
    for (const { decode } of samples) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
          refused(decode, Buffer.from(bytes));
        }),
        { numRuns: 30 },
      );
    }
  });

  test('decodes or refuses huge lengths anywhere, without memory for them', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const { decode, bytes } of samples) {
      for (const lie of ['7fffffff', 'ffffffff0f', '7fff', '80000000', 'fffffffe']) {
        for (let at = 0; at < bytes.length; at++) {
          const hostile = Buffer.concat([bytes, Buffer.alloc(8)]);
          hostile.write(lie, at, 'hex');
          refused(decode, hostile);
        }
      }
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});
