/** `millrace cluster`: the brokers and journals of the cluster that a broker belongs to. */
import type { BrokerReport, ClusterInfo, JournalPlace } from '../../client/cluster.ts';
import { BROKER, CLUSTER_INFO, JOURNAL } from '../../cluster-report.ts';
import { type ConfirmFlags, confirm } from '../confirm.ts';
import { type Output, type Row, renderRows } from '../output.ts';
import { note, type Terminal, write } from '../terminal.ts';
import { type ClientFlags, openClient, wholeNumber } from './client.ts';

interface PrintFlags extends ClientFlags {
  readonly output: Output;
}

type ChangeFlags = ClientFlags & ConfirmFlags;

export async function clusterInfo(flags: PrintFlags, terminal: Terminal): Promise<void> {
  const info = await openClient(flags).cluster.info();
  await write(terminal.stdout, flags.output === 'table' ? infoText(info) : infoJson(info, flags.output));
}

function infoText({ clusterId, store, table, controllerId, brokers, journals, versions, zones }: ClusterInfo): string {
  const { count, led } = journals;
  const draining = brokers.draining > 0 ? ` (${brokers.draining} draining)` : '';
  const gone = brokers.gone > 0 ? `, ${brokers.gone} gone` : '';
  const lines: [string, string][] = [
    ['cluster', clusterId],
    ['store', store],
    ['table', table],
    ['controller', controllerId === null ? 'none now' : `broker ${controllerId}`],
    ['brokers', `${brokers.live} live${draining}${gone}`],
    ['journals', led === count ? `${count}, all led` : `${count}, ${led} led`],
    ['zones', zones.join(', ')],
    ['version', versions.join(', ')],
  ];
  const shown = lines.filter(([, value]) => value !== '');
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function infoJson(info: ClusterInfo, output: Output): string {
  return `${JSON.stringify(CLUSTER_INFO.toJson(info), null, output === 'json' ? 2 : 0)}\n`;
}

const BROKERS = ['broker', 'state', 'role', 'zone', 'journals', 'kafka', 'http', 'version', 'started'];

export async function listBrokers(flags: PrintFlags, terminal: Terminal): Promise<void> {
  const brokers = await openClient(flags).cluster.brokers();
  const { output } = flags;
  const text =
    output === 'table'
      ? renderRows(BROKERS, brokers.map(brokerRow), output)
      : rowsJson(brokers.map(BROKER.toJson), output);
  await write(terminal.stdout, text);
}

const brokerRow = (broker: BrokerReport): Row => ({
  broker: broker.brokerId,
  state: broker.state,
  role: broker.controller ? 'controller' : null,
  zone: broker.zone || null,
  journals: ranges(broker.journals) || null,
  kafka: broker.kafka,
  http: broker.http,
  version: broker.version,
  started: new Date(broker.startedAt).toISOString().replace(/\.\d+Z$/, 'Z'),
});

/** `0-3,7`: what is in order and next to each other together. */
export function ranges(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run !== undefined && number === run[1] + 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

const JOURNALS = ['journal', 'leader', 'epoch', 'moves_to'];

export async function listJournals(flags: PrintFlags, terminal: Terminal): Promise<void> {
  const journals = await openClient(flags).cluster.journals();
  const { output } = flags;
  const text =
    output === 'table'
      ? renderRows(JOURNALS, journals.map(journalRow), output)
      : rowsJson(journals.map(JOURNAL.toJson), output);
  await write(terminal.stdout, text);
}

const journalRow = ({ journal, leaderId, epoch, assignedTo }: JournalPlace): Row => ({
  journal,
  leader: leaderId,
  epoch,
  moves_to: assignedTo === leaderId ? null : assignedTo,
});

const rowsJson = (rows: readonly object[], output: Output): string =>
  output === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export async function addJournals(count: string, flags: ChangeFlags, terminal: Terminal): Promise<void> {
  const more = wholeNumber('<count>', count, 1);
  const question = `Add ${more} ${more === 1 ? 'journal' : 'journals'}? They cannot be removed again.`;
  await confirm(question, flags, terminal);
  const added = await openClient(flags).cluster.addJournals(more);
  note(terminal, `there are ${added.count} journals, ${added.before} before`);
}

export async function moveJournal(
  journal: string,
  broker: string,
  flags: ClientFlags,
  terminal: Terminal,
): Promise<void> {
  const id = wholeNumber('<journal>', journal, 0);
  const { leaderId, epoch } = await openClient(flags).cluster.move(id, wholeNumber('<broker>', broker, 0));
  note(terminal, `broker ${leaderId} leads journal ${id}, in epoch ${epoch}`);
}

export async function drainBroker(broker: string, flags: ChangeFlags, terminal: Terminal): Promise<void> {
  const id = wholeNumber('<broker>', broker, 0);
  await confirm(`Drain broker ${id}? Others take over its journals, and its clients.`, flags, terminal);
  const moved = await openClient(flags).cluster.drain(id);
  const had =
    moved.length === 0
      ? 'it led no journals'
      : `others lead ${moved.length === 1 ? 'journal' : 'journals'} ${ranges(moved)}`;
  note(terminal, `broker ${id} is drained: ${had}`);
}

export async function undrainBroker(broker: string, flags: ClientFlags, terminal: Terminal): Promise<void> {
  const id = wholeNumber('<broker>', broker, 0);
  const { state } = await openClient(flags).cluster.undrain(id);
  const then = state === 'gone' ? 'is gone, and takes its share when it is back' : 'takes its share again';
  note(terminal, `broker ${id} ${then}`);
}
