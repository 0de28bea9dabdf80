import type { Client, TopicDescription } from '../../client/client.ts';
import { ClientError } from '../../client/client-error.ts';
import { UsageError } from '../exit-code.ts';
import { type Output, type Row, renderRows } from '../output.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { type ClientFlags, nameAndValue, openClient, wholeNumber } from './client.ts';

interface CreateFlags extends ClientFlags {
  readonly partitions?: string;
  readonly config?: readonly string[];
  readonly ifNotExists?: boolean;
  readonly output: Output;
}

export async function createTopic(name: string, flags: CreateFlags, terminal: Terminal): Promise<void> {
  const client = openClient(flags);
  const config = Object.fromEntries((flags.config ?? []).map((text) => nameAndValue('--config', text)));
  const partitions = flags.partitions === undefined ? {} : { partitions: wholeNumber('-p', flags.partitions, 1) };
  const topic = await orExisting(client, name, flags, () => client.createTopic({ name, config, ...partitions }));
  await write(terminal.stdout, renderRows(SUMMARY, [summaryRow(topic)], flags.output));
}

async function orExisting(
  client: Client,
  name: string,
  { ifNotExists }: CreateFlags,
  create: () => Promise<TopicDescription>,
): Promise<TopicDescription> {
  try {
    return await create();
  } catch (error) {
    const exists = error instanceof ClientError && error.code === 'TOPIC_ALREADY_EXISTS';
    if (!exists || ifNotExists !== true) throw error;
    return await client.describeTopic(name);
  }
}

const SUMMARY = ['name', 'partitions', 'topic_id'];
const summaryRow = ({ name, partitions, topicId }: { name: string; partitions: number; topicId: string }): Row => ({
  name,
  partitions,
  topic_id: topicId,
});

interface ListFlags extends ClientFlags {
  readonly prefix: string;
  readonly output: Output;
}

export async function listTopics(flags: ListFlags, terminal: Terminal): Promise<void> {
  const rows: Row[] = [];
  for await (const topic of openClient(flags).listTopics(flags.prefix)) rows.push(summaryRow(topic));
  await write(terminal.stdout, renderRows(SUMMARY, rows, flags.output));
}

interface DescribeFlags extends ClientFlags {
  readonly all?: boolean;
  readonly output: Output;
}

export async function describeTopic(name: string, flags: DescribeFlags, terminal: Terminal): Promise<void> {
  const topic = await openClient(flags).describeTopic(name);
  const config = flags.all === true ? topic.config : topic.overrides;
  if (flags.output !== 'table') {
    const whole = {
      ...summaryRow(topic),
      created_at: topic.createdAt,
      config,
      partition_details: partitionRows(topic),
    };
    const indent = flags.output === 'json' ? 2 : 0;
    await write(terminal.stdout, `${JSON.stringify(whole, null, indent)}\n`);
    return;
  }
  const configRows = Object.entries(config).map(([name, value]) => ({ name, value }));
  const configTable = configRows.length > 0 ? `\n${renderRows(['name', 'value'], configRows, 'table')}` : '';
  await write(
    terminal.stdout,
    `${renderRows(SUMMARY, [summaryRow(topic)], 'table')}\n` +
      renderRows(['partition', 'log_start_offset', 'high_watermark'], partitionRows(topic), 'table') +
      configTable,
  );
}

const partitionRows = ({ partitionDetails }: TopicDescription): Row[] =>
  partitionDetails.map(({ partition, logStartOffset, highWatermark, error }) => ({
    partition,
    log_start_offset: logStartOffset,
    high_watermark: highWatermark,
    ...(error !== null && { error }),
  }));

interface AlterFlags extends ClientFlags {
  readonly config?: readonly string[];
  readonly deleteConfig?: readonly string[];
  readonly partitions?: string;
}

export async function alterTopic(name: string, flags: AlterFlags, terminal: Terminal): Promise<void> {
  const changes = Object.fromEntries<string | null>([
    ...(flags.config ?? []).map((text) => nameAndValue('--config', text)),
    ...(flags.deleteConfig ?? []).map((config) => [config, null] as const),
  ]);
  const partitions = flags.partitions === undefined ? null : wholeNumber('-p', flags.partitions, 1);
  const changesConfig = Object.keys(changes).length > 0;
  if (!changesConfig && partitions === null) {
    throw new UsageError('nothing to change: give --config, --delete-config or --partitions');
  }
  const client = openClient(flags);
  if (changesConfig) await client.alterTopic(name, changes);
  if (partitions !== null) await client.growTopic(name, partitions);
  note(terminal, `altered ${name}`);
}

export async function deleteTopic(name: string, flags: ClientFlags, terminal: Terminal): Promise<void> {
  await openClient(flags).deleteTopic(name);
  note(terminal, `deleted ${name}`);
}
