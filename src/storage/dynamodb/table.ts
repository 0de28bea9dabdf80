/** Creating the table, for `millrace storage init` and for tests: on demand, no index, no TTL. */
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  ResourceInUseException,
  ResourceNotFoundException,
} from '@aws-sdk/client-dynamodb';
import { StartupError } from '../../errors.ts';
import { sleep, type Timers } from '../../runtime/clock.ts';
import { toStorageError } from '../aws-errors.ts';
import { PARTITION_KEY, SORT_KEY } from './keys.ts';

const POLL_MS = 500;
const POLLS_MAX = 240;

/** Creates the table unless it is there, and waits until it can be used. Says whether it was this call that created it. */
export async function createTable(client: DynamoDBClient, table: string, timers: Timers): Promise<boolean> {
  const created = await create(client, table);
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    if ((await tableStatus(client, table)) === 'ACTIVE') return created;
    await sleep(timers, POLL_MS);
  }
  throw new StartupError(`table ${table} did not become ACTIVE in ${(POLLS_MAX * POLL_MS) / 1_000} s`);
}

async function create(client: DynamoDBClient, table: string): Promise<boolean> {
  try {
    await client.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: PARTITION_KEY, KeyType: 'HASH' },
          { AttributeName: SORT_KEY, KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: PARTITION_KEY, AttributeType: 'S' },
          { AttributeName: SORT_KEY, AttributeType: 'S' },
        ],
      }),
    );
    return true;
  } catch (cause) {
    if (cause instanceof ResourceInUseException) return false;
    throw toStorageError(cause, 'CreateTable');
  }
}

/** `ACTIVE`, `CREATING` and so on; null when there is no such table. Refuses one with another key schema. */
export async function tableStatus(client: DynamoDBClient, table: string): Promise<string | null> {
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    const keys = (Table?.KeySchema ?? []).map((key) => `${key.KeyType} ${key.AttributeName}`).sort();
    const expected = [`HASH ${PARTITION_KEY}`, `RANGE ${SORT_KEY}`];
    if (keys.join() !== expected.join()) {
      throw new StartupError(`table ${table} has the keys ${keys.join(', ')}; expected ${expected.join(', ')}`);
    }
    return Table?.TableStatus ?? null;
  } catch (cause) {
    if (cause instanceof ResourceNotFoundException) return null;
    if (cause instanceof StartupError) throw cause;
    throw toStorageError(cause, 'DescribeTable');
  }
}
