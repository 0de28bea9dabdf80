/** Kafka clients that others wrote, installed by `install.sh` beside this file. */
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CACHE } from './cache.ts';

export type InstalledClient = 'confluent-kafka' | 'kafka-python' | 'kafka-tools';

/** Null when it is installed, else what to do about it. */
export const missingClient = (name: InstalledClient): string | null =>
  existsSync(join(CACHE, name, 'MADE-FROM'))
    ? null
    : `${name} is not installed in ${CACHE}: run test/stand-ins/install.sh ${name}`;

export const pythonOf = (name: 'confluent-kafka' | 'kafka-python'): string => join(CACHE, name, 'bin', 'python');

/** Where the source distribution of kafka-python is, with its tests. */
export const KAFKA_PYTHON_SOURCE = join(CACHE, 'kafka-python', 'source');

/** Of the Apache Kafka tools, for `java -cp`. */
export const KAFKA_CLASS_PATH = join(CACHE, 'kafka-tools', '*');

/** Of the jars that are installed; empty when none are. */
export function kafkaToolsVersion(): string {
  const directory = join(CACHE, 'kafka-tools');
  const jars = existsSync(directory) ? readdirSync(directory) : [];
  return (
    jars.map((jar) => /^kafka-tools-(\d[\d.]*)\.jar$/.exec(jar)?.[1]).find((version) => version !== undefined) ?? ''
  );
}

export const classPath = (...entries: readonly string[]): string => entries.join(delimiter);
