/**
 * MetadataStore on one DynamoDB table, one request a call. What is DynamoDB's own here:
 *
 * - A failed condition answers the item that stands there (ReturnValuesOnConditionCheckFailure), so nothing is read twice.
 * - A range is BETWEEN, which includes its end: an item at `to` is dropped here. No key may be empty, so a range from ''
 *   is `< to`.
 * - A page that stops at its Limit says so even when nothing follows, so one item more is asked for than is answered. A
 *   page also ends at 1 MiB, by the size of whole items even when only keys are asked for; `more` is then taken on trust.
 * - A transaction that meets another on one item is cancelled with TransactionConflict, and so is a plain write:
 *   nothing was done, ask again.
 * - TransactWriteItems gets a fresh token per call, made by the SDK. A repeat by a caller is a new transaction, whose
 *   conditions then meet the first one's effect, as with a put.
 */
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { StorageThrottledError } from '../../errors.ts';
import { isThrottle, toStorageError } from '../aws-errors.ts';
import { assertItem, assertKey, assertRange, assertWrites, compareSortKeys } from '../item-rules.ts';
import type {
  Condition,
  Item,
  ItemKey,
  ItemPage,
  ItemRange,
  MetadataOptions,
  MetadataPricing,
  MetadataStore,
  TransactOutcome,
  Write,
  WriteOutcome,
} from '../metadata-store.ts';
import {
  ATTRIBUTES,
  type DynamoItem,
  fromDynamoItem,
  PARTITION_KEY,
  SORT_KEY,
  toDynamoCondition,
  toDynamoItem,
  toDynamoKey,
} from './keys.ts';

/** us-east-1, on demand. */
export const DYNAMODB_PRICING: MetadataPricing = { writeUnit: 0.625, readUnit: 0.125 };

export interface DynamoDbMetadataStoreOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
}

export class DynamoDbMetadataStore implements MetadataStore {
  readonly pricing = DYNAMODB_PRICING;
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor({ client, table }: DynamoDbMetadataStoreOptions) {
    this.#client = client;
    this.#table = table;
  }

  async get(key: ItemKey, options: MetadataOptions): Promise<Item | null> {
    assertKey(key);
    const command = new GetItemCommand({ TableName: this.#table, Key: toDynamoKey(key), ConsistentRead: true });
    const send = () => this.#client.send(command, sendOptions(options));
    const { Item: stored } = await attempt('GetItem', send, options);
    return stored ? fromDynamoItem(stored) : null;
  }

  async query(range: ItemRange, options: MetadataOptions): Promise<ItemPage> {
    assertRange(range);
    if (compareSortKeys(range.from, range.to) >= 0) return { items: [], more: false };
    const command = new QueryCommand(this.#queryInput(range));
    const send = () => this.#client.send(command, sendOptions(options));
    const output = await attempt('Query', send, options);
    return pageOf(output.Items ?? [], output.LastEvaluatedKey !== undefined, range);
  }

  async put(item: Item, condition: Condition, options: MetadataOptions): Promise<WriteOutcome> {
    assertItem(item);
    const input = { TableName: this.#table, Item: toDynamoItem(item), ...toDynamoCondition(condition) };
    return this.#write('PutItem', () => this.#client.send(new PutItemCommand(input), sendOptions(options)), options);
  }

  async delete(key: ItemKey, condition: Condition, options: MetadataOptions): Promise<WriteOutcome> {
    assertKey(key);
    const input = { TableName: this.#table, Key: toDynamoKey(key), ...toDynamoCondition(condition) };
    const send = () => this.#client.send(new DeleteItemCommand(input), sendOptions(options));
    return this.#write('DeleteItem', send, options);
  }

  async transact(writes: readonly Write[], options: MetadataOptions): Promise<TransactOutcome> {
    assertWrites(writes);
    const command = new TransactWriteItemsCommand({
      TransactItems: writes.map((write) => {
        const condition = { TableName: this.#table, ...toDynamoCondition(write.condition) };
        return write.type === 'put'
          ? { Put: { ...condition, Item: toDynamoItem(write.item) } }
          : { Delete: { ...condition, Key: toDynamoKey(write.key) } };
      }),
    });
    try {
      await attempt('TransactWriteItems', () => this.#client.send(command, sendOptions(options)), options);
      return { ok: true };
    } catch (cause) {
      if (cause instanceof TransactionCanceledException) return cancelled(cause);
      throw cause;
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #queryInput({ partitionKey, from, to, limit, reverse, keysOnly }: ItemRange): QueryCommandInput {
    const within = from === '' ? `${SORT_KEY} < :to` : `${SORT_KEY} BETWEEN :from AND :to`;
    return {
      TableName: this.#table,
      KeyConditionExpression: `${PARTITION_KEY} = :pk AND ${within}`,
      ExpressionAttributeValues: {
        ':pk': { S: partitionKey },
        ':to': { S: to },
        ...(from !== '' && { ':from': { S: from } }),
      },
      ConsistentRead: true,
      ScanIndexForward: reverse !== true,
      Limit: limit + (reverse === true ? 2 : 1), // One that tells of more; backwards the first may be `to` itself.
      ...(keysOnly === true && { ProjectionExpression: [PARTITION_KEY, SORT_KEY, ATTRIBUTES].join(', ') }),
    };
  }

  async #write(what: string, send: () => Promise<unknown>, options: MetadataOptions): Promise<WriteOutcome> {
    try {
      await attempt(what, send, options);
      return { ok: true };
    } catch (cause) {
      if (cause instanceof ConditionalCheckFailedException) return { ok: false, existing: existing(cause.Item) };
      throw cause;
    }
  }
}

function pageOf(stored: readonly DynamoItem[], cut: boolean, { to, limit }: ItemRange): ItemPage {
  const last = stored.at(-1);
  const reachedEnd = last !== undefined && last[SORT_KEY]?.S === to;
  const within = stored.filter((each) => each[SORT_KEY]?.S !== to);
  return {
    items: within.slice(0, limit).map(fromDynamoItem),
    more: within.length > limit || (cut && !reachedEnd),
  };
}

/** Lets answers through that are outcomes; the rest becomes an error of the port. */
async function attempt<Output>(
  what: string,
  send: () => Promise<Output>,
  { signal }: MetadataOptions,
): Promise<Output> {
  signal?.throwIfAborted();
  try {
    return await send();
  } catch (cause) {
    if (cause instanceof ConditionalCheckFailedException || cause instanceof TransactionCanceledException) throw cause;
    throw signal?.aborted ? signal.reason : toStorageError(cause, what);
  }
}

/** A reason per write, in their order. A condition that failed is final; a conflict or a throttle is worth another try. */
function cancelled(cause: TransactionCanceledException): TransactOutcome {
  const reasons = cause.CancellationReasons ?? [];
  const failed = reasons.findIndex((reason) => reason.Code === 'ConditionalCheckFailed');
  if (failed >= 0) return { ok: false, failed, existing: existing(reasons[failed]!.Item) };
  const message = `TransactWriteItems: ${reasons.map((reason) => reason.Code).join(', ')}`;
  if (reasons.some((reason) => isThrottle(reason.Code ?? ''))) throw new StorageThrottledError(message, { cause });
  throw toStorageError(cause, message);
}

const existing = (stored: DynamoItem | undefined): Item | null => (stored ? fromDynamoItem(stored) : null);

const sendOptions = ({ signal }: MetadataOptions): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};
