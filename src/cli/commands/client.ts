import { Client } from '../../client/client.ts';
import { UsageError } from '../exit-code.ts';

/** Options of every command that speaks to a broker. */
export interface ClientFlags {
  readonly url: string;
  readonly timeout: string;
}

export function openClient({ url, timeout }: ClientFlags): Client {
  const timeoutMs = wholeNumber('--timeout', timeout, 1);
  try {
    return new Client({ url, timeoutMs });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`--url: ${error.message}`);
    throw error;
  }
}

export function wholeNumber(flag: string, text: string, min: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
    throw new UsageError(`${flag} is ${JSON.stringify(text)}: expected a whole number from ${min}`);
  }
  return value;
}

/** `name=value` into its two halves; the value may hold further equals signs. */
export function nameAndValue(flag: string, text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`${flag} is ${JSON.stringify(text)}: expected NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
