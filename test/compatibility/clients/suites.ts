/** The suites, one for each client: a program in the client's own language, given the broker's address. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import {
  classPath,
  type InstalledClient,
  KAFKA_CLASS_PATH,
  KAFKA_PYTHON_SOURCE,
  missingClient,
  pythonOf,
} from '../../stand-ins/clients.ts';
import { hasProgram, run } from '../run.ts';

export interface Suite {
  /** Of its directory and of its list. */
  readonly name: string;
  /** Why it cannot run here, or null. */
  missing(): string | null;
  /** What has to be done once, into a directory of its own. */
  prepare?(scratch: string): Promise<void>;
  command(broker: string, scratch: string): readonly string[];
}

const file = (...parts: string[]): string => join(import.meta.dirname, ...parts);
const node = (name: string, missing: () => string | null = () => null): Suite => ({
  name,
  missing,
  command: (broker) => [process.execPath, file(name, 'suite.ts'), broker],
});
const python = (name: InstalledClient & ('confluent-kafka' | 'kafka-python'), ...more: string[]): Suite => ({
  name,
  missing: () => missingClient(name),
  command: (broker) => [pythonOf(name), '-u', file(name, 'suite.py'), broker, ...more],
});

/** The longest first. */
export const SUITES: readonly Suite[] = [
  {
    name: 'kafka-tools',
    missing: () => missingClient('kafka-tools') ?? (hasProgram('javac') ? null : 'javac is not installed'),
    prepare: (scratch) => compileJava(scratch, file('kafka-tools')),
    command: (broker, scratch) => java(scratch, 'Suite', broker),
  },
  python('confluent-kafka'),
  python('kafka-python', KAFKA_PYTHON_SOURCE),
  node('kcat', () => (hasProgram('kcat') ? null : 'kcat is not installed')),
  node('kafkajs'),
  node('platformatic'),
];

/** Every source of a directory into `scratch`, with the Apache Kafka tools in reach. */
export async function compileJava(scratch: string, directory: string): Promise<void> {
  const sources = globSync(join(directory, '*.java'));
  await run(['javac', '-proc:none', '-cp', KAFKA_CLASS_PATH, '-d', scratch, ...sources]);
}

/** Flags for a short life on a busy machine. */
export const java = (scratch: string, main: string, ...rest: readonly string[]): readonly string[] => [
  ...['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx512m', '-cp', classPath(scratch, KAFKA_CLASS_PATH)],
  ...[main, ...rest],
];
