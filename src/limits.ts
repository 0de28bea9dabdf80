/**
 * Every bound of the broker with its unit and its reason, and the relations between bounds. What an operator may change
 * is a setting in `config.ts`; what is here follows from a store, the protocol or the design.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

/** S3 DeleteObjects takes this many keys. */
export const DELETE_BATCH_COUNT_MAX = 1_000;
/** DynamoDB: one item, its keys and attributes included. */
export const ITEM_BYTES_MAX = 400 * KIB;
/** DynamoDB TransactWriteItems. */
export const TRANSACT_COUNT_MAX = 100;
export const TRANSACT_BYTES_MAX = 4 * MIB;
/** DynamoDB: sort key, partition key. */
export const SORT_KEY_BYTES_MAX = 1_024;
export const PARTITION_KEY_BYTES_MAX = 2_048;
/** DynamoDB Query answers at most this much at once. */
export const QUERY_PAGE_BYTES_MAX = 1 * MIB;

/** Journals of a cluster. Persisted in the producer ids that were given out: never change. */
export const JOURNALS_MAX = 8_192;

/** One journal entry: a third of an item, so that a put stays fast and a takeover reads few pages. */
export const ENTRY_BYTES_MAX = 128 * KIB;
/** An entry that describes its batches itself ends here: one DynamoDB write unit. */
export const ENTRY_DESCRIBED_BYTES_MAX = 1 * KIB;
/**
 * A snapshot is due after this many bytes of entries or references to segments. A takeover reads all of them: a footer of S3
 * takes 50 ms, and some 48 come at a time.
 */
export const SNAPSHOT_ENTRY_BYTES = 4 * MIB;
export const SNAPSHOT_REFERENCES = 1_000;

/** Kafka: the producer state of a partition keeps this many batches per producer (five in flight at a broker). */
export const PRODUCER_BATCHES_KEPT = 5;
/**
 * Transactions open at once in one journal, counted per partition and producer: their state is never evicted, so it must
 * leave room for the producers that have none.
 */
export const OPEN_TRANSACTIONS_PER_JOURNAL_MAX = 50_000;
/**
 * That a transaction ended in a partition is remembered at least this long, so that a guard or a marker on its way cannot
 * open or end anything afterwards. Requests between brokers live for seconds, connections with a dead peer for minutes.
 */
export const ENDED_TRANSACTION_MS_MIN = 15 * 60_000;
/**
 * Leader epochs that a partition remembers the beginnings of: one for each change of leaders after which it was written to. Each costs
 * six bytes in every snapshot, and some forty in memory, for each partition of the journal.
 */
export const LEADER_EPOCHS_KEPT = 256;
/** Answers remembered per lane: more than the appends that a lane ever has in flight. */
export const LANE_ANSWERS_KEPT = 64;
export const LANE_IN_FLIGHT_MAX = 16;
/**
 * Answers to a lane that came so many entries ago are asked for by nobody: whoever waited has given up after half a minute, and
 * no journal writes as many in that time. Brokers may draw new ids at each start, and would leave theirs behind for ever.
 */
export const LANE_ANSWER_ENTRIES_MAX = 2 ** 20;
/** A lane that goes back for its lowest number without an answer still finds that one's answer remembered. */
export const LANE_SPAN_MAX = LANE_ANSWERS_KEPT / 2;
/**
 * How long an ingest goes back for an append whose leader is away: several takeovers, and less than clients wait for an
 * answer (Kafka's have `request.timeout.ms` of 30 s). Then its requests fail and may be repeated.
 */
export const APPEND_PATIENCE_MS = 20_000;
/** Between two attempts; a new leader that is heard of ends the pause. */
export const APPEND_PAUSE_MS_MIN = 5;
export const APPEND_PAUSE_MS_MAX = 200;
/** What a broker that stops grants its appends: their journals are with others by then. */
export const APPEND_PATIENCE_AT_CLOSE_MS = 3_000;
/** Batches of one append: bounds what its refusals and duplicates can add to an entry. Ingest flushes earlier. */
export const APPEND_BATCHES_MAX = 10_000;

/** What is read for a sequential reader before it asks, at most: several answers, and less than the cache keeps. */
export const READ_AHEAD_BYTES_MAX = 16 * MIB;
/** Extents of which a leader tells another broker at once: some 40 bytes each. A fetch of more is answered with less. */
export const EXTENTS_TOLD_MAX = 4_096;
export const EXTENTS_TOLD_PER_PARTITION_MAX = 256;

/** RecordBatch v2 header up to and including the record count. */
export const BATCH_HEADER_BYTES = 61;
/** Kafka: 249 characters, so that `<topic>-<partition>` fits a file name. */
export const TOPIC_NAME_CHARS_MAX = 249;
export const PARTITIONS_PER_TOPIC_MAX = 10_000;
/** Topics, partitions, resources or entities that one administrator's request changes or describes; Kafka's controller has the same. */
export const ADMIN_ITEMS_PER_REQUEST_MAX = 10_000;
/** Metadata lists as many replicas for every partition. */
export const REPLICATION_FACTOR_MAX = 100;

/** A group or a transactional id as the owner of records: part of a sort key. */
export const OWNER_BYTES_MAX = 512;
/** One decision of a coordinator: leaves room in its entry for others, and for what JSON does not show. */
export const RECORDS_CHANGED_BYTES_MAX = 96 * KIB;
/** A transaction may have as many partitions and groups as this takes: its end must fit an entry, too. */
export const TRANSACTION_RECORD_BYTES_MAX = 64 * KIB;
/** Transactional ids of one broker: at some 2 KB each they take 200 MB. */
export const TRANSACTIONAL_ID_COUNT_MAX = 100_000;
/** Groups of one broker: at up to 10 KB each they take a gigabyte. Those of one client are counted while it runs. */
export const GROUP_COUNT_MAX = 100_000;
export const GROUPS_PER_CLIENT_MAX = 8_000;
/** Ids handed out to members of a classic group that have not joined with them yet. */
export const MEMBERS_PENDING_MAX = 10_000;
/**
 * Records of a share partition in flight: Kafka's largest `share.partition.max.record.locks`. Each may stand differently
 * from its neighbours and takes 6 bytes then, and beyond so many runs no more are given out, so that all fit one decision.
 */
export const SHARE_IN_FLIGHT_MAX = 10_000;
export const SHARE_RUNS_MAX = 2_000;
/** Kafka: a member whose first join waits for longer than this has given up. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000;
/** What a member of a classic group says of itself, all protocols together; and all members of a group. */
export const MEMBER_METADATA_BYTES_MAX = 256 * KIB;
export const GROUP_METADATA_BYTES_MAX = 8 * MIB;
/** One member's subscription or assignment as it is written, compressed where it is long: two make a record. */
export const MEMBER_TEXT_BYTES_MAX = 40 * KIB;
/** Kafka's clients allow as many for group.instance.id. */
export const INSTANCE_ID_CHARS_MAX = 249;
/** Of a client id, in member ids and descriptions of groups. */
export const CLIENT_ID_CHARS_KEPT = 128;

/** Configurations of groups, client quotas, …: all of a kind are in memory. A name is part of a sort key. */
export const CONFIG_ITEMS_PER_KIND_MAX = 20_000;
export const CONFIG_NAME_BYTES_MAX = 900;

/** HTTP Idempotency-Key: how many are remembered per journal, oldest out first. */
export const IDEMPOTENCY_KEYS_PER_JOURNAL_MAX = 100_000;
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** Offsets, timestamps and producer ids are JavaScript numbers; all of Kafka's fit. */
export const OFFSET_MAX = Number.MAX_SAFE_INTEGER;

/** One message between brokers: the largest record batch, and room for what else is said. */
export const RPC_FRAME_BYTES_MAX = 96 * MIB;
/** Questions to one broker that are not answered, long polls included; and questions of one broker in work. */
export const RPC_CALLS_IN_FLIGHT_MAX = 8_192;
/** Bytes for one broker that the kernel has not taken: a network that is slower than that for a second is no network. */
export const RPC_WAITING_BYTES_MAX = 128 * MIB;
/**
 * Bytes that one connection between brokers receives before it is made anew: its key is good for 2^24.5 records of 16 KiB
 * (RFC 8446, 5.5), and Node cannot ask for another one.
 */
export const RPC_KEY_BYTES_MAX = 2 ** 38;
