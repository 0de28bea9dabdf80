/** The topics of a consumer's subscription: the beginning of what protocol type `consumer` puts into its metadata. */

const INT16_BYTES = 2;
const INT32_BYTES = 4;

/** Null for bytes that are no subscription; only the topics are looked at, which all versions begin with. */
export function subscribedTopics(metadata: Buffer): readonly string[] | null {
  if (metadata.length < INT16_BYTES + INT32_BYTES) return null;
  const count = metadata.readInt32BE(INT16_BYTES);
  const topics: string[] = [];
  let at = INT16_BYTES + INT32_BYTES;
  for (let index = 0; index < count; index++) {
    if (at + INT16_BYTES > metadata.length) return null;
    const end = at + INT16_BYTES + metadata.readInt16BE(at);
    if (end < at + INT16_BYTES || end > metadata.length) return null;
    topics.push(metadata.toString('utf8', at + INT16_BYTES, end));
    at = end;
  }
  return topics;
}
