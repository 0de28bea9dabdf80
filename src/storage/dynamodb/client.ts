/** The DynamoDB client as the adapter wants it: our request handler and no retries. */
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { Timers } from '../../runtime/clock.ts';
import { AwsRequestHandler, collectedBytes, withoutRetries } from '../aws-request-handler.ts';

const MIB = 1024 * 1024;

const LIMITS = {
  socketsMax: 64,
  connectMs: 2_000,
  /** DynamoDB answers in milliseconds; the journal hedges and a silent one must show soon. */
  silenceMs: 5_000,
  /** A page of 1 MiB in base64, an item of 400 KiB for each of 100 failed conditions. */
  answerBytesMax: 64 * MIB,
};

const UNUSED_MIDDLEWARE = ['loggerMiddleware', 'recursionDetectionMiddleware'];

export interface DynamoDbClientOptions {
  /** For tests; otherwise AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL as the SDK reads them. */
  readonly endpoint?: string;
}

export function createDynamoDbClient(timers: Timers, options: DynamoDbClientOptions = {}): DynamoDBClient {
  const handler = new AwsRequestHandler(LIMITS, timers);
  const client = new DynamoDBClient({
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    maxAttempts: 1,
    requestHandler: handler as unknown as NonNullable<DynamoDBClientConfig['requestHandler']>,
    streamCollector: collectedBytes,
  });
  withoutRetries(client);
  for (const name of UNUSED_MIDDLEWARE) client.middlewareStack.remove(name);
  return client;
}
