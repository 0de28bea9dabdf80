/** The S3 client as the adapter wants it: our request handler, no retries, no checksums in JavaScript, no waiting for 100 Continue. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { Timers } from '../../runtime/clock.ts';
import { AwsRequestHandler, collectedBytes, withoutRetries } from '../aws-request-handler.ts';

const MIB = 1024 * 1024;

const LIMITS = {
  socketsMax: 64,
  connectMs: 3_000,
  silenceMs: 15_000,
  answerBytesMax: 512 * MIB,
};

/** Each costs a few percent of a small request and does nothing here: no logger, no Lambda, no directory buckets, no redirects. */
const UNUSED_MIDDLEWARE = [
  'loggerMiddleware',
  'recursionDetectionMiddleware',
  'regionRedirectMiddleware',
  'regionRedirectEndpointMiddleware',
  's3ExpressMiddleware',
];

export interface S3ClientOptions {
  /** For tests; otherwise AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL as the SDK reads them. */
  readonly endpoint?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export function createS3Client(timers: Timers, options: S3ClientOptions = {}): S3Client {
  const environment = options.environment ?? process.env;
  const custom = options.endpoint ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  const config: S3ClientConfig = {
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    forcePathStyle: custom !== undefined, // `bucket.localhost` does not resolve everywhere.
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: new AwsRequestHandler(LIMITS, timers) as unknown as NonNullable<S3ClientConfig['requestHandler']>,
    streamCollector: collectedBytes,
  };
  const client = new S3Client(config);
  withoutRetries(client);
  for (const name of UNUSED_MIDDLEWARE) client.middlewareStack.remove(name);
  const keepDate = (next: (args: any) => Promise<any>) => async (args: any) => {
    const result = await next(args);
    const { headers } = result.response as { headers: Record<string, string> };
    dates.set(result.output.$metadata, Date.parse(headers['date'] ?? ''));
    return result;
  };
  const outside = { relation: 'before', toMiddleware: 'deserializerMiddleware', name: 'keepDateMiddleware' } as const;
  client.middlewareStack.addRelativeTo(keepDate, outside);
  return client;
}

const dates = new WeakMap<object, number>();

/** The server's clock when it answered, milliseconds since 1970; NaN when it did not say. The SDK does not show headers. */
export const answerDate = (output: { readonly $metadata: object }): number => dates.get(output.$metadata) ?? Number.NaN;
