/**
 * The command line: which commands there are and what they take. Commands are loaded when they are called, so that each
 * loads only what it needs: `serve` no client, the others no broker, nobody the AWS SDK unless it is used.
 */
import { Command, CommanderError, Option } from 'commander';
import { DRAIN_MS_MAX, MOVE_MS_MAX } from '../cluster-report.ts';
import { environmentName, SETTINGS, type SettingName } from '../settings.ts';
import { EXIT, EXIT_HELP, exitCodeOf } from './exit-code.ts';
import { InterruptError } from './interrupt.ts';
import { OUTPUTS } from './output.ts';
import { note, OutputClosedError, type Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

const URL_DEFAULT = 'http://127.0.0.1:8080';

/** Runs one command line and answers its exit status. Never throws for what a user or a broker did wrong. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  let status: number = EXIT.ok;
  const program = buildProgram(terminal, (code) => {
    status = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof OutputClosedError) return EXIT.ok;
    if (error instanceof InterruptError) return EXIT.interrupted;
    note(terminal, `millrace: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodeOf(error);
  }
}

type SetStatus = (code: number) => void;

function buildProgram(terminal: Terminal, setStatus: SetStatus): Command {
  const program = new Command('millrace')
    .description('Event streaming on object storage: the broker and its tools.')
    .version(VERSION)
    .addHelpText('after', `\n${EXIT_HELP}`)
    // `cluster journals` and `cluster journals add` both have options: what follows a command is its own.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    });
  addServe(program, terminal, setStatus);
  addTopic(program, terminal);
  addProduce(program, terminal, setStatus);
  addConsume(program, terminal, setStatus);
  addGroup(program, terminal);
  addCluster(program, terminal);
  addSegment(program, terminal);
  addStorage(program, terminal);
  return program;
}

/** Options of every command that speaks to a broker. */
function addClientOptions(command: Command, terminal: Terminal, timeoutMs: number, workMs = 0): Command {
  const beside = workMs === 0 ? '' : `, beside the ${workMs} ms that the work itself may take`;
  return command
    .addOption(
      new Option('--url <url>', 'broker to speak to (MILLRACE_URL)').default(
        terminal.environment['MILLRACE_URL'] || URL_DEFAULT,
      ),
    )
    .option('--timeout <ms>', `give up when a request has not succeeded after this long${beside}`, String(timeoutMs));
}

const outputOption = () => new Option('--output <how>', 'how to print').choices(OUTPUTS).default('table');
const recordFormatOption = () =>
  new Option('--record-format <format>', 'how keys and values are spelled with -J')
    .choices(['json', 'text', 'base64'])
    .default('json');
const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value];

function addServe(program: Command, terminal: Terminal, setStatus: SetStatus): void {
  const serve = program
    .command('serve')
    .description('Run a broker.')
    .addHelpText('after', '\nEvery other setting is an environment variable; see the table in README.md.');
  addSettings(serve);
  serve.action(async () => {
    const { serveCommand } = await import('./commands/serve.ts');
    setStatus(await serveCommand(givenSettings(serve), terminal));
  });
}

function addTopic(program: Command, terminal: Terminal): void {
  const topic = program.command('topic').description('Create, list, describe, alter and delete topics.');
  const add = (usage: string, description: string) =>
    addClientOptions(topic.command(usage).description(description), terminal, 5_000);
  const commands = () => import('./commands/topic.ts');

  add('create <name>', 'Create a topic.')
    .option('-p, --partitions <count>', 'how many partitions; default: what the broker has set')
    .option('-c, --config <name=value>', 'topic configuration; may be repeated', collect)
    .option('--if-not-exists', 'succeed when the topic is there already')
    .addOption(outputOption())
    .action(async (name, options) => (await commands()).createTopic(name, options, terminal));
  add('list', 'List topics.')
    .option('--prefix <text>', 'only names that begin so', '')
    .addOption(outputOption())
    .action(async (options) => (await commands()).listTopics(options, terminal));
  add('describe <name>', 'Show the partitions and configuration of a topic.')
    .option('--all', 'also configurations that were not set')
    .addOption(outputOption())
    .action(async (name, options) => (await commands()).describeTopic(name, options, terminal));
  add('alter <name>', 'Change the configuration of a topic, or add partitions.')
    .option('-c, --config <name=value>', 'set; may be repeated', collect)
    .option('--delete-config <name>', 'back to its default; may be repeated', collect)
    .option('-p, --partitions <count>', 'how many partitions there shall be in all')
    .action(async (name, options) => (await commands()).alterTopic(name, options, terminal));
  add('delete <name>', 'Delete a topic and its records.').action(async (name, options) =>
    (await commands()).deleteTopic(name, options, terminal),
  );
}

function addProduce(program: Command, terminal: Terminal, setStatus: SetStatus): void {
  const produce = program
    .command('produce <topic> [files...]')
    .description('Send records from files or standard input, one a line, in order and none twice.')
    .option('-p, --partition <number>', 'send to this partition')
    .option('-k, --key <text>', 'key of every record')
    .option('-K, --key-separator <text>', 'what stands between key and value')
    .option('-D, --delimiter <text>', 'what ends a record', '\\n')
    .option('-H, --header <name=value>', 'header of every record; may be repeated', collect)
    .option('-Z, --empty-as-null', 'an empty key or value is null')
    .option('-J, --json', 'one JSON record a line: {"key":…,"value":…,"headers":[[…]],"partition":…,"timestamp":…}')
    .addOption(recordFormatOption())
    .addOption(outputOption());
  addClientOptions(produce, terminal, 60_000).action(async (topic, files, options) => {
    const { produceCommand } = await import('./commands/produce.ts');
    setStatus(await produceCommand(topic, files, options, terminal));
  });
}

function addConsume(program: Command, terminal: Terminal, setStatus: SetStatus): void {
  const consume = program
    .command('consume <topic>')
    .description('Print the records of a topic, up to its present end.')
    .option('-o, --offset <start>', 'beginning, end, OFFSET, -N, s@MILLIS; and e@MILLIS for an end', collect)
    .option('-p, --partition <number>', 'only this partition; may be repeated', collect)
    .option('-n, --count <number>', 'stop after this many records')
    .option('--follow', 'wait for what comes next')
    .option('-f, --format <format>', '%s %S %k %K %R %h %t %p %o %T %% and escapes, as in kcat')
    .option('-K, --key-separator <text>', 'print the key and this before the value')
    .option('-D, --delimiter <text>', 'what ends a record', '\\n')
    .option('-Z, --null <text>', 'what stands for null', '')
    .option('-J, --json', 'one JSON record a line')
    .addOption(recordFormatOption());
  addClientOptions(consume, terminal, 60_000).action(async (topic, options) => {
    const { consumeCommand } = await import('./commands/consume.ts');
    setStatus(await consumeCommand(topic, options, terminal));
  });
}

function addGroup(program: Command, terminal: Terminal): void {
  const group = program.command('group').description('List, describe, move and delete consumer groups.');
  const add = (usage: string, description: string) =>
    addClientOptions(group.command(usage).description(description), terminal, 5_000);
  const commands = () => import('./commands/group.ts');
  const yesOption = () => new Option('-y, --yes', 'do not ask');

  add('list', 'List groups.')
    .option('--prefix <text>', 'only ids that begin so', '')
    .option('--state <state>', 'only groups in this state: Empty, Stable, …')
    .option('--type <type>', 'only classic, consumer or share groups')
    .addOption(outputOption())
    .action(async (options) => (await commands()).listGroups(options, terminal));
  add('describe <group>', 'Show the members of a group and what they have.')
    .addOption(outputOption())
    .action(async (name, options) => (await commands()).describeGroup(name, options, terminal));
  add('lag <group>', 'Show how far a group is behind, partition by partition.')
    .addOption(outputOption())
    .action(async (name, options) => (await commands()).groupLag(name, options, terminal));
  add('seek <group>', 'Move what a group without members committed.')
    .option('--to <where>', 'earliest, latest, OFFSET, @MILLIS or @2026-01-31T12:00Z')
    .option('--shift <count>', 'this many records forward, or back: --shift=-10')
    .option('-t, --topic <name>', 'only this topic; may be repeated; default: all that is committed', collect)
    .option('-p, --partition <number>', 'only this partition of the topic; may be repeated', collect)
    .option('--dry-run', 'only show what would be written')
    .addOption(yesOption())
    .addOption(outputOption())
    .action(async (name, options) => (await commands()).seekGroup(name, options, terminal));
  add('delete <group>', 'Delete a group without members, and its offsets.')
    .addOption(yesOption())
    .action(async (name, options) => (await commands()).deleteGroup(name, options, terminal));
}

function addCluster(program: Command, terminal: Terminal): void {
  const cluster = program.command('cluster').description('Show and move what the brokers of a cluster do.');
  const add = (parent: Command, usage: string, description: string, timeoutMs = 5_000, workMs = 0) =>
    addClientOptions(parent.command(usage).description(description), terminal, timeoutMs, workMs);
  const commands = () => import('./commands/cluster.ts');
  const yesOption = () => new Option('-y, --yes', 'do not ask');

  add(cluster, 'info', 'Show the cluster in short.')
    .addOption(outputOption())
    .action(async (options) => (await commands()).clusterInfo(options, terminal));
  add(cluster, 'brokers', 'List the brokers, and what each leads.')
    .addOption(outputOption())
    .action(async (options) => (await commands()).listBrokers(options, terminal));
  const journals = add(cluster, 'journals', 'List the journals and who leads them, or add some.')
    .addOption(outputOption())
    .action(async (options) => (await commands()).listJournals(options, terminal));
  add(journals, 'add <count>', 'Add journals: what is created from now on is spread over them, too.', 15_000)
    .addOption(yesOption())
    .action(async (count, options) => (await commands()).addJournals(count, options, terminal));
  add(cluster, 'move <journal> <broker>', 'Have a broker lead a journal.', 5_000, MOVE_MS_MAX).action(
    async (journal, broker, options) => (await commands()).moveJournal(journal, broker, options, terminal),
  );
  add(cluster, 'drain <broker>', 'Take a broker out of the work without stopping it.', 5_000, DRAIN_MS_MAX)
    .addOption(yesOption())
    .action(async (broker, options) => (await commands()).drainBroker(broker, options, terminal));
  add(cluster, 'undrain <broker>', 'Give a drained broker its share of the work again.').action(
    async (broker, options) => (await commands()).undrainBroker(broker, options, terminal),
  );
}

function addSegment(program: Command, terminal: Terminal): void {
  const segment = program.command('segment').description('Look into segments, in files or in S3.');
  const where = 'a file or directory, or s3://bucket/key';
  segment
    .command('list')
    .description('List the segments of a directory or prefix, or the batches of one segment.')
    .argument('<where>', where)
    .addOption(outputOption())
    .action(async (target, options) => (await import('./commands/segment.ts')).listSegment(target, options, terminal));
  segment
    .command('show')
    .description('Check one segment and print what it holds.')
    .argument('<where>', 'a file or s3://bucket/key')
    .option('--records', 'also the records, one JSON object a line')
    .action(async (target, options) => (await import('./commands/segment.ts')).showSegment(target, options, terminal));
}

function addStorage(program: Command, terminal: Terminal): void {
  const init = program
    .command('storage')
    .description('Prepare the stores of a cluster.')
    .command('init')
    .description('Create the bucket and the table of a cluster when they do not exist.');
  addSettings(init, ['store', 'table', 'cluster']);
  init.action(async () => {
    const { initStorageCommand } = await import('./commands/storage.ts');
    await initStorageCommand(givenSettings(init), terminal);
  });
}

type FlagSetting = Extract<(typeof SETTINGS)[SettingName], { readonly flag: string }>;

const FLAG_SETTINGS = (Object.entries(SETTINGS) as [SettingName, (typeof SETTINGS)[SettingName]][]).filter(
  (entry): entry is [SettingName, FlagSetting] => 'flag' in entry[1],
);

/** Settings of the broker as options, all that have a flag or those named. */
function addSettings(command: Command, names?: readonly SettingName[]): void {
  for (const [name, { type, flag, doc, default: value }] of FLAG_SETTINGS) {
    if (names && !names.includes(name)) continue;
    const usage = type === 'boolean' ? flag : `${flag} <${type === 'address' ? 'host:port' : 'text'}>`;
    const shown = value === '' || value === false ? '' : `, default ${value}`;
    command.addOption(new Option(usage, `${doc} (${environmentName(name)}${shown})`));
  }
}

function givenSettings(command: Command): Partial<Record<SettingName, string | boolean>> {
  const given: Partial<Record<SettingName, string | boolean>> = {};
  for (const [name, { flag }] of FLAG_SETTINGS) {
    const value: unknown = command.getOptionValue(new Option(flag).attributeName());
    if (typeof value === 'string' || typeof value === 'boolean') given[name] = value;
  }
  return given;
}
