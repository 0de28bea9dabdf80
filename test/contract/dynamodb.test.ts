/**
 * DynamoDbMetadataStore against dynoxide, and against a real server when TEST_DYNAMODB_ENDPOINT names one (credentials
 * and region come from the SDK's environment variables).
 */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { systemTimers } from '../../src/runtime/clock.ts';
import { createDynamoDbClient } from '../../src/storage/dynamodb/client.ts';
import { DynamoDbMetadataStore } from '../../src/storage/dynamodb/metadata-store.ts';
import { createTable } from '../../src/storage/dynamodb/table.ts';
import { DYNOXIDE_MISSING, dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';
import { metadataStoreContract } from './metadata-store.contract.ts';

standInEnvironment();

async function onEndpoint(endpoint: string): Promise<DynamoDbMetadataStore> {
  const client = createDynamoDbClient(systemTimers, { endpoint });
  const table = `millrace-contract-${process.pid}`;
  await createTable(client, table, systemTimers);
  return new DynamoDbMetadataStore({ client, table });
}

describe('dynoxide', () => {
  if (dynoxideBinary() === null) {
    test('stands in for DynamoDB', (context) => context.skip(DYNOXIDE_MISSING));
    return;
  }
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startDynoxide();
  });
  afterAll(() => server.close());
  metadataStoreContract('DynamoDbMetadataStore on dynoxide', () => onEndpoint(server.endpoint));
});

const endpoint = process.env['TEST_DYNAMODB_ENDPOINT'];
if (endpoint !== undefined) metadataStoreContract(`DynamoDbMetadataStore on ${endpoint}`, () => onEndpoint(endpoint));
