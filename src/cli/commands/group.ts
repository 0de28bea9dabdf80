import type { GroupDescription, GroupSummary, PartitionLag, Reset } from '../../client/groups.ts';
import { type ConfirmFlags, confirm } from '../confirm.ts';
import { UsageError } from '../exit-code.ts';
import { type Output, type Row, renderRows } from '../output.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { type ClientFlags, openClient, wholeNumber } from './client.ts';

interface PrintFlags extends ClientFlags {
  readonly output: Output;
}

interface ListFlags extends PrintFlags {
  readonly prefix: string;
  readonly state?: string;
  readonly type?: string;
}

const SUMMARY = ['group', 'type', 'state', 'protocol_type', 'members'];
const summaryRow = ({ group, type, state, protocolType, members }: GroupSummary): Row => ({
  group,
  type,
  state,
  protocol_type: protocolType || null,
  members,
});

export async function listGroups({ prefix, state, type, ...flags }: ListFlags, terminal: Terminal): Promise<void> {
  const filter = { prefix, ...(state !== undefined && { state }), ...(type !== undefined && { type }) };
  const rows: Row[] = [];
  for await (const group of openClient(flags).groups.list(filter)) rows.push(summaryRow(group));
  await write(terminal.stdout, renderRows(SUMMARY, rows, flags.output));
}

export async function describeGroup(group: string, flags: PrintFlags, terminal: Terminal): Promise<void> {
  const described = await openClient(flags).groups.describe(group);
  const text = flags.output === 'table' ? descriptionTables(described) : descriptionJson(described, flags.output);
  await write(terminal.stdout, text);
}

function descriptionTables({ protocol, memberDetails, ...summary }: GroupDescription): string {
  const row = { ...summaryRow(summary), protocol: protocol || null };
  const groupTable = renderRows([...SUMMARY, 'protocol'], [row], 'table');
  if (memberDetails.length === 0) return groupTable;
  const rows = memberDetails.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
    member_id: memberId,
    instance_id: instanceId,
    client_id: clientId,
    client_host: clientHost,
    assignment: assignment.map(({ topic, partitions }) => `${topic}[${partitions.join(',')}]`).join(' '),
  }));
  const columns = ['member_id', 'instance_id', 'client_id', 'client_host', 'assignment'];
  return `${groupTable}\n${renderRows(columns, rows, 'table')}`;
}

function descriptionJson({ protocol, memberDetails, ...summary }: GroupDescription, output: Output): string {
  const member_details = memberDetails.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
    member_id: memberId,
    instance_id: instanceId,
    client_id: clientId,
    client_host: clientHost,
    assignment,
  }));
  const whole = { ...summaryRow(summary), protocol: protocol || null, member_details };
  return `${JSON.stringify(whole, null, output === 'json' ? 2 : 0)}\n`;
}

const LAG = ['topic', 'partition', 'committed_offset', 'high_watermark', 'lag', 'client_id', 'client_host'];
const lagRow = ({ topic, partition, committedOffset, highWatermark, lag, ...member }: PartitionLag): Row => ({
  topic,
  partition,
  committed_offset: committedOffset,
  high_watermark: highWatermark,
  lag,
  member_id: member.memberId,
  client_id: member.clientId,
  client_host: member.clientHost,
});

export async function groupLag(group: string, flags: PrintFlags, terminal: Terminal): Promise<void> {
  const { partitions, totalLag, state } = await openClient(flags).groups.lag(group);
  await write(terminal.stdout, renderRows(LAG, partitions.map(lagRow), flags.output));
  if (flags.output === 'table') note(terminal, `${group} is ${state}, ${totalLag} records behind`);
}

interface SeekFlags extends PrintFlags, ConfirmFlags {
  readonly to?: string;
  readonly shift?: string;
  readonly topic?: readonly string[];
  readonly partition?: readonly string[];
  readonly dryRun?: boolean;
}

export async function seekGroup(group: string, flags: SeekFlags, terminal: Terminal): Promise<void> {
  const reset = resetOf(flags);
  const { groups } = openClient(flags);
  const dryRun = flags.dryRun === true;
  if (!dryRun) await confirm(`Move the offsets of ${group}?`, flags, terminal);
  const written = await groups.reset(group, { ...reset, dryRun });
  const rows = written.map(({ topic, partition, before, offset }) => ({ topic, partition, before, offset }));
  await write(terminal.stdout, renderRows(['topic', 'partition', 'before', 'offset'], rows, flags.output));
  if (dryRun) note(terminal, 'dry run: nothing was changed');
}

function resetOf({ to, shift, topic, partition }: SeekFlags): Reset {
  if ((to === undefined) === (shift === undefined)) throw new UsageError('give either --to or --shift');
  if (partition !== undefined && topic?.length !== 1) {
    throw new UsageError('--partition goes with exactly one --topic');
  }
  const partitions = partition?.map((text) => wholeNumber('-p', text, 0));
  return {
    to: shift === undefined ? targetOf(to!) : { shift: signedNumber(shift) },
    ...(topic && { topics: topic.map((name) => ({ topic: name, ...(partitions && { partitions }) })) }),
  };
}

/** What `--to` means to the broker; a time may be written as people do. */
function targetOf(text: string): string {
  if (text === 'earliest' || text === 'beginning') return 'earliest';
  if (text === 'latest' || text === 'end') return 'latest';
  if (/^\d{1,16}$/.test(text) || /^@\d{1,16}$/.test(text)) return text;
  const time = /^@\d{4}-/.test(text) ? Date.parse(text.slice(1)) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError(`--to ${text}: expected earliest, latest, OFFSET, @MILLIS or @ISO-TIME`);
  return `@${time}`;
}

function signedNumber(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UsageError(`--shift is ${JSON.stringify(text)}: expected a whole number`);
  }
  return value;
}

export async function deleteGroup(group: string, flags: ClientFlags & ConfirmFlags, terminal: Terminal): Promise<void> {
  await confirm(`Delete group ${group} with its offsets?`, flags, terminal);
  await openClient(flags).groups.delete(group);
  note(terminal, `deleted ${group}`);
}
