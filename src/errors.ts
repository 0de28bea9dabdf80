/**
 * Every failure a client can be told about, once, with both of its spellings: the Kafka error code and the HTTP status.
 * Handlers throw the name; the TCP and HTTP edges look the spelling up. Names and codes are those of Kafka's `Errors.java`.
 *
 * `OFFSET_MISMATCH` is Millrace's own (HTTP compare-and-append, 412): Kafka has no such request, so it has no Kafka code
 * of its own and shows as INVALID_REQUEST there.
 */
export const ERRORS = {
  UNKNOWN_SERVER_ERROR: { code: -1, status: 500, retriable: false },
  NONE: { code: 0, status: 200, retriable: false },
  OFFSET_OUT_OF_RANGE: { code: 1, status: 416, retriable: false },
  CORRUPT_MESSAGE: { code: 2, status: 400, retriable: true },
  UNKNOWN_TOPIC_OR_PARTITION: { code: 3, status: 404, retriable: true },
  INVALID_FETCH_SIZE: { code: 4, status: 400, retriable: false },
  LEADER_NOT_AVAILABLE: { code: 5, status: 503, retriable: true },
  NOT_LEADER_OR_FOLLOWER: { code: 6, status: 503, retriable: true },
  REQUEST_TIMED_OUT: { code: 7, status: 504, retriable: true },
  BROKER_NOT_AVAILABLE: { code: 8, status: 503, retriable: false },
  REPLICA_NOT_AVAILABLE: { code: 9, status: 503, retriable: true },
  MESSAGE_TOO_LARGE: { code: 10, status: 413, retriable: false },
  STALE_CONTROLLER_EPOCH: { code: 11, status: 409, retriable: false },
  OFFSET_METADATA_TOO_LARGE: { code: 12, status: 400, retriable: false },
  NETWORK_EXCEPTION: { code: 13, status: 503, retriable: true },
  COORDINATOR_LOAD_IN_PROGRESS: { code: 14, status: 503, retriable: true },
  COORDINATOR_NOT_AVAILABLE: { code: 15, status: 503, retriable: true },
  NOT_COORDINATOR: { code: 16, status: 503, retriable: true },
  INVALID_TOPIC_EXCEPTION: { code: 17, status: 400, retriable: false },
  RECORD_LIST_TOO_LARGE: { code: 18, status: 413, retriable: false },
  NOT_ENOUGH_REPLICAS: { code: 19, status: 503, retriable: true },
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: { code: 20, status: 503, retriable: true },
  INVALID_REQUIRED_ACKS: { code: 21, status: 400, retriable: false },
  ILLEGAL_GENERATION: { code: 22, status: 409, retriable: false },
  INCONSISTENT_GROUP_PROTOCOL: { code: 23, status: 409, retriable: false },
  INVALID_GROUP_ID: { code: 24, status: 400, retriable: false },
  UNKNOWN_MEMBER_ID: { code: 25, status: 404, retriable: false },
  INVALID_SESSION_TIMEOUT: { code: 26, status: 400, retriable: false },
  REBALANCE_IN_PROGRESS: { code: 27, status: 409, retriable: false },
  INVALID_COMMIT_OFFSET_SIZE: { code: 28, status: 400, retriable: false },
  TOPIC_AUTHORIZATION_FAILED: { code: 29, status: 403, retriable: false },
  GROUP_AUTHORIZATION_FAILED: { code: 30, status: 403, retriable: false },
  CLUSTER_AUTHORIZATION_FAILED: { code: 31, status: 403, retriable: false },
  INVALID_TIMESTAMP: { code: 32, status: 400, retriable: false },
  UNSUPPORTED_SASL_MECHANISM: { code: 33, status: 400, retriable: false },
  ILLEGAL_SASL_STATE: { code: 34, status: 400, retriable: false },
  UNSUPPORTED_VERSION: { code: 35, status: 400, retriable: false },
  TOPIC_ALREADY_EXISTS: { code: 36, status: 409, retriable: false },
  INVALID_PARTITIONS: { code: 37, status: 400, retriable: false },
  INVALID_REPLICATION_FACTOR: { code: 38, status: 400, retriable: false },
  INVALID_REPLICA_ASSIGNMENT: { code: 39, status: 400, retriable: false },
  INVALID_CONFIG: { code: 40, status: 400, retriable: false },
  NOT_CONTROLLER: { code: 41, status: 503, retriable: true },
  INVALID_REQUEST: { code: 42, status: 400, retriable: false },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: { code: 43, status: 400, retriable: false },
  POLICY_VIOLATION: { code: 44, status: 400, retriable: false },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { code: 45, status: 409, retriable: false },
  DUPLICATE_SEQUENCE_NUMBER: { code: 46, status: 409, retriable: false },
  INVALID_PRODUCER_EPOCH: { code: 47, status: 409, retriable: false },
  INVALID_TXN_STATE: { code: 48, status: 409, retriable: false },
  INVALID_PRODUCER_ID_MAPPING: { code: 49, status: 409, retriable: false },
  INVALID_TRANSACTION_TIMEOUT: { code: 50, status: 400, retriable: false },
  CONCURRENT_TRANSACTIONS: { code: 51, status: 409, retriable: true },
  TRANSACTION_COORDINATOR_FENCED: { code: 52, status: 409, retriable: false },
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: { code: 53, status: 403, retriable: false },
  SECURITY_DISABLED: { code: 54, status: 400, retriable: false },
  OPERATION_NOT_ATTEMPTED: { code: 55, status: 400, retriable: false },
  KAFKA_STORAGE_ERROR: { code: 56, status: 503, retriable: true },
  LOG_DIR_NOT_FOUND: { code: 57, status: 404, retriable: false },
  SASL_AUTHENTICATION_FAILED: { code: 58, status: 401, retriable: false },
  UNKNOWN_PRODUCER_ID: { code: 59, status: 409, retriable: false },
  REASSIGNMENT_IN_PROGRESS: { code: 60, status: 409, retriable: false },
  DELEGATION_TOKEN_AUTH_DISABLED: { code: 61, status: 400, retriable: false },
  DELEGATION_TOKEN_NOT_FOUND: { code: 62, status: 404, retriable: false },
  DELEGATION_TOKEN_OWNER_MISMATCH: { code: 63, status: 403, retriable: false },
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: { code: 64, status: 403, retriable: false },
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: { code: 65, status: 403, retriable: false },
  DELEGATION_TOKEN_EXPIRED: { code: 66, status: 401, retriable: false },
  INVALID_PRINCIPAL_TYPE: { code: 67, status: 400, retriable: false },
  NON_EMPTY_GROUP: { code: 68, status: 409, retriable: false },
  GROUP_ID_NOT_FOUND: { code: 69, status: 404, retriable: false },
  FETCH_SESSION_ID_NOT_FOUND: { code: 70, status: 404, retriable: true },
  INVALID_FETCH_SESSION_EPOCH: { code: 71, status: 409, retriable: true },
  LISTENER_NOT_FOUND: { code: 72, status: 503, retriable: true },
  TOPIC_DELETION_DISABLED: { code: 73, status: 400, retriable: false },
  FENCED_LEADER_EPOCH: { code: 74, status: 409, retriable: true },
  UNKNOWN_LEADER_EPOCH: { code: 75, status: 409, retriable: true },
  UNSUPPORTED_COMPRESSION_TYPE: { code: 76, status: 400, retriable: false },
  STALE_BROKER_EPOCH: { code: 77, status: 409, retriable: false },
  OFFSET_NOT_AVAILABLE: { code: 78, status: 503, retriable: true },
  MEMBER_ID_REQUIRED: { code: 79, status: 409, retriable: false },
  PREFERRED_LEADER_NOT_AVAILABLE: { code: 80, status: 503, retriable: true },
  GROUP_MAX_SIZE_REACHED: { code: 81, status: 409, retriable: false },
  FENCED_INSTANCE_ID: { code: 82, status: 409, retriable: false },
  ELIGIBLE_LEADERS_NOT_AVAILABLE: { code: 83, status: 503, retriable: true },
  ELECTION_NOT_NEEDED: { code: 84, status: 409, retriable: true },
  NO_REASSIGNMENT_IN_PROGRESS: { code: 85, status: 409, retriable: false },
  GROUP_SUBSCRIBED_TO_TOPIC: { code: 86, status: 409, retriable: false },
  INVALID_RECORD: { code: 87, status: 400, retriable: false },
  UNSTABLE_OFFSET_COMMIT: { code: 88, status: 409, retriable: true },
  THROTTLING_QUOTA_EXCEEDED: { code: 89, status: 429, retriable: true },
  PRODUCER_FENCED: { code: 90, status: 409, retriable: false },
  RESOURCE_NOT_FOUND: { code: 91, status: 404, retriable: false },
  DUPLICATE_RESOURCE: { code: 92, status: 409, retriable: false },
  UNACCEPTABLE_CREDENTIAL: { code: 93, status: 400, retriable: false },
  INCONSISTENT_VOTER_SET: { code: 94, status: 409, retriable: false },
  INVALID_UPDATE_VERSION: { code: 95, status: 409, retriable: false },
  FEATURE_UPDATE_FAILED: { code: 96, status: 409, retriable: false },
  PRINCIPAL_DESERIALIZATION_FAILURE: { code: 97, status: 400, retriable: false },
  SNAPSHOT_NOT_FOUND: { code: 98, status: 404, retriable: false },
  POSITION_OUT_OF_RANGE: { code: 99, status: 416, retriable: false },
  UNKNOWN_TOPIC_ID: { code: 100, status: 404, retriable: true },
  DUPLICATE_BROKER_REGISTRATION: { code: 101, status: 409, retriable: false },
  BROKER_ID_NOT_REGISTERED: { code: 102, status: 404, retriable: false },
  INCONSISTENT_TOPIC_ID: { code: 103, status: 409, retriable: true },
  INCONSISTENT_CLUSTER_ID: { code: 104, status: 409, retriable: false },
  TRANSACTIONAL_ID_NOT_FOUND: { code: 105, status: 404, retriable: false },
  FETCH_SESSION_TOPIC_ID_ERROR: { code: 106, status: 409, retriable: true },
  INELIGIBLE_REPLICA: { code: 107, status: 409, retriable: false },
  NEW_LEADER_ELECTED: { code: 108, status: 503, retriable: true },
  OFFSET_MOVED_TO_TIERED_STORAGE: { code: 109, status: 416, retriable: false },
  FENCED_MEMBER_EPOCH: { code: 110, status: 409, retriable: false },
  UNRELEASED_INSTANCE_ID: { code: 111, status: 409, retriable: false },
  UNSUPPORTED_ASSIGNOR: { code: 112, status: 400, retriable: false },
  STALE_MEMBER_EPOCH: { code: 113, status: 409, retriable: false },
  MISMATCHED_ENDPOINT_TYPE: { code: 114, status: 400, retriable: false },
  UNSUPPORTED_ENDPOINT_TYPE: { code: 115, status: 400, retriable: false },
  UNKNOWN_CONTROLLER_ID: { code: 116, status: 404, retriable: false },
  UNKNOWN_SUBSCRIPTION_ID: { code: 117, status: 404, retriable: false },
  TELEMETRY_TOO_LARGE: { code: 118, status: 413, retriable: false },
  INVALID_REGISTRATION: { code: 119, status: 400, retriable: false },
  TRANSACTION_ABORTABLE: { code: 120, status: 409, retriable: false },
  INVALID_RECORD_STATE: { code: 121, status: 409, retriable: false },
  SHARE_SESSION_NOT_FOUND: { code: 122, status: 404, retriable: true },
  INVALID_SHARE_SESSION_EPOCH: { code: 123, status: 409, retriable: true },
  FENCED_STATE_EPOCH: { code: 124, status: 409, retriable: false },
  INVALID_VOTER_KEY: { code: 125, status: 400, retriable: false },
  DUPLICATE_VOTER: { code: 126, status: 409, retriable: false },
  VOTER_NOT_FOUND: { code: 127, status: 404, retriable: false },
  INVALID_REGULAR_EXPRESSION: { code: 128, status: 400, retriable: false },
  REBOOTSTRAP_REQUIRED: { code: 129, status: 503, retriable: false },
  STREAMS_INVALID_TOPOLOGY: { code: 130, status: 400, retriable: false },
  STREAMS_INVALID_TOPOLOGY_EPOCH: { code: 131, status: 409, retriable: false },
  STREAMS_TOPOLOGY_FENCED: { code: 132, status: 409, retriable: false },
  SHARE_SESSION_LIMIT_REACHED: { code: 133, status: 429, retriable: true },
  OFFSET_MISMATCH: { code: 42, status: 412, retriable: false },
  IDEMPOTENCY_KEY_REUSED: { code: 42, status: 422, retriable: false },
} as const satisfies Record<string, { code: number; status: number; retriable: boolean }>;

export type ErrorName = keyof typeof ERRORS;

export interface KafkaErrorOptions extends ErrorOptions {
  /** Set when it is certain that the request changed nothing, so that a blind retry is safe. */
  readonly noSideEffects?: boolean;
}

/** An operating error: expected, typed, and safe to show to a client. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  readonly error: ErrorName;
  readonly noSideEffects: boolean;

  constructor(error: ErrorName, message: string, options: KafkaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.error = error;
    this.noSideEffects = options.noSideEffects ?? true;
  }
}

/** A store did not answer. Repeating is safe; nothing is known about the effect of the first attempt. */
export class StorageUnavailableError extends Error {
  override readonly name: string = 'StorageUnavailableError';
}

/** The store asks us to slow down (503 SlowDown, ProvisionedThroughputExceeded, ThrottlingException). Nothing was done. */
export class StorageThrottledError extends StorageUnavailableError {
  override readonly name = 'StorageThrottledError';
}

/** The store has no room left for writes. Nothing was done; reads still work. */
export class StorageFullError extends StorageUnavailableError {
  override readonly name = 'StorageFullError';
}

/**
 * The store answered that it will not do this: credentials, permission, a bucket or table that is not there. Nothing was
 * done, and repeating is pointless until someone mends it.
 */
export class StorageRefusedError extends StorageUnavailableError {
  override readonly name = 'StorageRefusedError';
}

/** Stored bytes are not what was written. The message names the file or key, the position and what was expected. */
export class StorageCorruptError extends Error {
  override readonly name = 'StorageCorruptError';
}

/** The process cannot run as asked: configuration, a data directory that another broker has open, a store that breaks its promises. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}

/** What a client may be told about a failure, or null when the failure is a bug of ours. */
export function toKafkaError(cause: unknown): KafkaError | null {
  if (cause instanceof KafkaError) return cause;
  if (cause instanceof StorageFullError) {
    return new KafkaError('KAFKA_STORAGE_ERROR', `storage is full: ${cause.message}`, { cause, noSideEffects: false });
  }
  if (cause instanceof StorageUnavailableError) {
    return new KafkaError('KAFKA_STORAGE_ERROR', 'storage is unavailable', { cause, noSideEffects: false });
  }
  if (cause instanceof StorageCorruptError) {
    return new KafkaError('KAFKA_STORAGE_ERROR', cause.message, { cause, noSideEffects: false });
  }
  return null;
}
