import { KafkaError } from '../errors.ts';
import { TOPIC_NAME_CHARS_MAX } from '../limits.ts';

/** Why a name cannot be a topic's, or null when it can. The rules are those of Kafka's `Topic.validate`. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'Topic name is empty; give 1 to 249 characters of a-z, A-Z, 0-9, ".", "_" and "-"';
  if (name === '.' || name === '..') return `Topic name cannot be "." or ".."`;
  if (name.length > TOPIC_NAME_CHARS_MAX) {
    return `Topic name is ${name.length} characters long, at most ${TOPIC_NAME_CHARS_MAX} are allowed`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `Topic name ${JSON.stringify(name)} contains characters other than a-z, A-Z, 0-9, ".", "_" and "-"`;
  }
  return null;
}

/** Throws INVALID_TOPIC_EXCEPTION. */
export function checkTopicName(name: string): void {
  const problem = topicNameProblem(name);
  if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem);
}

/** Names that differ only in "." and "_" would share one metric name; Kafka refuses the second, and so do we. */
export const collisionKey = (name: string): string => name.replaceAll('.', '_');
