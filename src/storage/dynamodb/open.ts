/** The DynamoDB adapter on a table, with the SDK's own settings for endpoint, region and credentials. */
import type { Timers } from '../../runtime/clock.ts';
import { regionOf } from '../aws-region.ts';
import { createDynamoDbClient } from './client.ts';
import { DynamoDbMetadataStore } from './metadata-store.ts';
import { createTable } from './table.ts';

export interface OpenedDynamoDb {
  readonly metadata: DynamoDbMetadataStore;
  /** Creates the table unless it is there, and waits until it can be used; says whether it created it. */
  createTable(): Promise<boolean>;
}

/** Sends nothing yet. Throws StartupError when no region is configured. */
export async function openDynamoDb(table: string, timers: Timers): Promise<OpenedDynamoDb> {
  const client = createDynamoDbClient(timers);
  await regionOf(client);
  return {
    metadata: new DynamoDbMetadataStore({ client, table }),
    createTable: () => createTable(client, table, timers),
  };
}
