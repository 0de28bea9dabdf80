import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, test } from 'vitest';

import { openDoor } from './http-door.ts';

const door = await openDoor();
const { http } = door;
afterAll(() => door.close());
const { json: document } = await door.get('/openapi.json');

test('/openapi.json is a valid OpenAPI 3.1 document', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(document);
  expect(errors).toBeUndefined();
  expect([valid, validator.version, document.openapi]).toEqual([true, '3.1', '3.1.0']);
});

test('every route is documented, with a summary, a name of its own and its problems', () => {
  const served = http.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const documented: string[] = [];
  const names: string[] = [];
  for (const [path, item] of Object.entries<Record<string, any>>(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      documented.push(`${method.toUpperCase()} ${path}`);
      names.push(operation.operationId);
      expect(operation.summary).not.toBe('');
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['400', '429', '500']));
      for (const [status, answer] of Object.entries<any>(operation.responses)) {
        if (Number(status) >= 400) expect(answer.content).toHaveProperty('application/problem+json');
      }
    }
  }
  expect(documented.sort()).toEqual([...new Set(served)].sort());
  expect(new Set(names).size).toBe(names.length);
});

describe('headers are documented', () => {
  const PARTITION_RECORDS = '/v1/topics/{topic}/partitions/{partition}/records';
  const asked = (path: string, method: string) =>
    document.paths[path][method].parameters.filter((each: any) => each.in === 'header').map((each: any) => each.name);
  const answered = (path: string, method: string, status: number) =>
    Object.keys(document.paths[path][method].responses[status].headers);

  test('those that are read', () => {
    expect(asked('/v1/topics/{topic}/records', 'post')).toEqual(['Record-Format', 'Idempotency-Key']);
    expect(asked(PARTITION_RECORDS, 'post')).toEqual([
      'Record-Format',
      'Idempotency-Key',
      'If-Match-Offset',
      'Producer-Id',
      'Producer-Epoch',
      'Producer-Seq',
    ]);
    expect(asked(PARTITION_RECORDS, 'get')).toEqual(['Record-Format']);
  });

  test('those that are answered', () => {
    expect(answered('/v1/topics', 'post', 201)).toEqual(['Location']);
    expect(answered('/v1/topics/{topic}/records', 'post', 200)).toEqual(['Duplicate']);
    expect(answered(PARTITION_RECORDS, 'get', 200)).toEqual(['Next-Offset', 'High-Watermark', 'Last-Stable-Offset']);
    expect(answered(PARTITION_RECORDS, 'get', 503)).toEqual(['Retry-After']);
  });
});
