import { StartupError } from '../errors.ts';

/** The region that a client of the SDK will use. Asked early: a missing one is a mistake in the settings, not a store that is away. */
export async function regionOf(client: {
  readonly config: { readonly region: () => Promise<string> };
}): Promise<string> {
  try {
    return await client.config.region();
  } catch (cause) {
    throw new StartupError('no AWS region is configured: set AWS_REGION', { cause });
  }
}
