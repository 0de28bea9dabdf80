/**
 * The whole state as bytes:
 *
 *   magic 'MRSN', version uint8, then journal, lastSeq, id of that entry, epoch, next producer id, and as counted lists:
 *   fences, segments, partitions with their transactions and extents, condemned segments, forgotten marks, sessions, lanes
 *   with answers, producers and idempotency keys (both least recent first), coordinators' records by owner; at the end the
 *   CRC-32C of everything before, uint32 LE.
 *
 * What follows from the extents (uses of segments and entries) is not written.
 */
export const MAGIC = 'MRSN';
/** Persisted: never renumber. */
export const VERSION = 2;
export const CRC_BYTES = 4;
/** Persisted: never renumber. */
export const SOURCE_SEGMENT = 0;
export const SOURCE_INLINE = 1;
export const ANSWER_SKIPPED = 0;
export const ANSWER_APPENDED = 1;
export const REMEMBERED_APPENDED = 0;
export const TRANSACTION_NONE = 0;
export const TRANSACTION_OPEN = 1;

/** Stands for the id of the last entry when there is none. */
export const NO_ID = '00000000000000000000000000000000';
