/** What the AWS SDK asks of its environment, with the values that stand-ins accept, unless something is set already. */
const VALUES = {
  AWS_ACCESS_KEY_ID: 'millrace',
  AWS_SECRET_ACCESS_KEY: 'millrace-secret',
  AWS_REGION: 'us-east-1',
};

/** Tells the values that hold now. */
export function standInEnvironment(): typeof VALUES {
  const environment = process.env as Partial<typeof VALUES>;
  for (const name of Object.keys(VALUES) as (keyof typeof VALUES)[]) environment[name] ??= VALUES[name];
  return environment as typeof VALUES;
}
