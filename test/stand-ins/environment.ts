/** What the AWS SDK asks of its environment, with the values that stand-ins accept, unless something is set already. */
const VALUES: Record<string, string> = {
  AWS_ACCESS_KEY_ID: 'millrace',
  AWS_SECRET_ACCESS_KEY: 'millrace-secret',
  AWS_REGION: 'us-east-1',
};

export function standInEnvironment(): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(VALUES)) process.env[name] ??= value;
  return VALUES;
}
