/**
 * The whole table on one page. Four attributes, whatever the item:
 *
 * | attribute | type   | holds                                                                   |
 * |-----------|--------|-------------------------------------------------------------------------|
 * | `pk`      | string | partition key, `<cluster>/…`: several clusters may share a table        |
 * | `sk`      | string | sort key within it                                                      |
 * | `b`       | binary | the body, opaque; absent when empty                                     |
 * | `a`       | map    | what conditions compare, string or number each; absent when there is none |
 *
 * Names are short because they count into every item's size. The attributes live in a map so that a listing of keys can
 * name everything but the body in its projection.
 *
 * | item             | `pk`                    | `sk`                 | names in `a`       | written                         |
 * |------------------|-------------------------|----------------------|--------------------|---------------------------------|
 * | journal entry    | `<cluster>/journal/<j>` | `e/<seq, 16 digits>` | id                 | once; deleted by trimming       |
 * | snapshot pointer | `<cluster>/journal/<j>` | `pointer`            | version, floor, …  | after a snapshot, before a trim |
 * | topic            | `<cluster>/topics`      | `id/<topic id>`      | version            | at each step of its life        |
 * | topic name       | `<cluster>/topics`      | `name/<name>`        | topicId            | together with its topic         |
 * | registration     | `<cluster>/brokers`     | `b/<id, 10 digits>`  | epoch, session     | at each start of the broker     |
 * | incarnation      | `<cluster>/cluster`     | `incarnation`        | incarnation, state | by `millrace storage init`      |
 * | journals         | `<cluster>/cluster`     | `journals`           | count              | at the first start              |
 *
 * Bodies: an entry's commands and inline data; a topic and a registration as JSON; nothing in the others.
 *
 * The functions that build these keys are in `storage/keys.ts`, because they hold in every store. The table is on demand,
 * has no index and no TTL: TTL deletes days late, and every deletion here is decided by an entry.
 */
import type { AttributeValue as DynamoValue } from '@aws-sdk/client-dynamodb';
import type { AttributeValue, Condition, Item, ItemKey } from '../metadata-store.ts';

export const PARTITION_KEY = 'pk';
export const SORT_KEY = 'sk';
export const BODY = 'b';
export const ATTRIBUTES = 'a';

export type DynamoItem = Record<string, DynamoValue>;

const EMPTY_BODY = new Uint8Array(0);

export const toDynamoKey = (key: ItemKey): DynamoItem => ({
  [PARTITION_KEY]: { S: key.partitionKey },
  [SORT_KEY]: { S: key.sortKey },
});

export function toDynamoItem(item: Item): DynamoItem {
  const stored = toDynamoKey(item);
  if (item.body.length > 0) stored[BODY] = { B: item.body };
  const names = Object.keys(item.attributes);
  if (names.length > 0) {
    stored[ATTRIBUTES] = { M: Object.fromEntries(names.map((name) => [name, toDynamoValue(item.attributes[name]!)])) };
  }
  return stored;
}

export function fromDynamoItem(stored: DynamoItem): Item {
  const body = stored[BODY]?.B ?? EMPTY_BODY;
  const attributes: Record<string, AttributeValue> = {};
  const map = stored[ATTRIBUTES]?.M;
  for (const name in map) attributes[name] = fromDynamoValue(map[name]!);
  return {
    partitionKey: stored[PARTITION_KEY]!.S!,
    sortKey: stored[SORT_KEY]!.S!,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    attributes,
  };
}

const toDynamoValue = (value: AttributeValue): DynamoValue =>
  typeof value === 'number' ? { N: String(value) } : { S: value };

const fromDynamoValue = (value: DynamoValue): AttributeValue => (value.N === undefined ? value.S! : Number(value.N));

/** The condition members of a write, with the item that failed it in the answer. */
export interface DynamoCondition {
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, DynamoValue>;
  readonly ReturnValuesOnConditionCheckFailure?: 'ALL_OLD';
}

export function toDynamoCondition(condition: Condition): DynamoCondition {
  switch (condition.type) {
    case 'none':
      return {};
    case 'absent':
      return {
        ConditionExpression: `attribute_not_exists(${PARTITION_KEY})`,
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      };
    case 'equals':
      return equals(condition.attributes);
  }
}

/** Every name and value goes by a placeholder: names may be reserved words or hold any character. */
function equals(attributes: Readonly<Record<string, AttributeValue>>): DynamoCondition {
  const names = Object.keys(attributes);
  const terms = names.map((_, index) => `${ATTRIBUTES}.#n${index} = :v${index}`);
  return {
    ConditionExpression: [`attribute_exists(${PARTITION_KEY})`, ...terms].join(' AND '),
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    ...(names.length > 0 && {
      ExpressionAttributeNames: Object.fromEntries(names.map((name, index) => [`#n${index}`, name])),
      ExpressionAttributeValues: Object.fromEntries(
        names.map((name, index) => [`:v${index}`, toDynamoValue(attributes[name]!)]),
      ),
    }),
  };
}
