/** Shapes of `/v1/cluster`: validate requests, and are what `/openapi.json` shows. */
import { z } from '@hono/zod-openapi';
import { JOURNALS_MAX } from '../limits.ts';
import { count, integerText, milliseconds } from './schemas.ts';

const BROKER_ID_MAX = 2_147_483_647;

const brokerId = z.int().min(0).max(BROKER_ID_MAX);
const address = z.string().openapi({ description: 'HOST:PORT.' });

export const BrokerParams = z.object({
  broker: integerText(0, BROKER_ID_MAX).openapi({ description: 'Id of the broker.' }),
});
export const JournalParams = z.object({
  journal: integerText(0, JOURNALS_MAX - 1).openapi({ description: 'Number of the journal, from 0.' }),
});

export const ClusterInfo = z
  .object({
    cluster_id: z.string(),
    shared: z.boolean().openapi({ description: 'false: embedded stores, which one broker has for itself.' }),
    store: z.string().openapi({ description: 'Of the segments: a bucket and prefix, or the data directory.' }),
    table: z.string().openapi({ description: 'Of the journals; empty with embedded stores.' }),
    broker_id: brokerId.openapi({ description: 'The broker that answers.' }),
    controller_id: brokerId.nullable().openapi({ description: 'null: nobody is known to be the controller now.' }),
    brokers: z.object({ live: count, draining: count, gone: count }).openapi({
      description: 'How many. Those that drain are alive, too; gone are those that left without saying so.',
    }),
    journals: z.object({ count, led: count }),
    versions: z.array(z.string()).openapi({ description: 'Of the brokers that are alive, each once.' }),
    zones: z.array(z.string()).openapi({ description: 'Of the brokers that are alive, each once.' }),
  })
  .openapi('Cluster');

export const Broker = z
  .object({
    broker_id: brokerId,
    broker_epoch: count.openapi({ description: 'Grows with every start of this broker id.' }),
    state: z.enum(['live', 'draining', 'gone']),
    controller: z.boolean(),
    zone: z.string().openapi({ description: 'Empty when unknown.' }),
    kafka: address,
    http: address,
    internal: address,
    version: z.string(),
    started_at: milliseconds,
    journals: z.array(count).openapi({ description: 'Those that it leads.' }),
  })
  .openapi('Broker');

export const BrokersList = z.object({ brokers: z.array(Broker) }).openapi('Brokers');

export const JournalPlace = z
  .object({
    journal: count,
    leader_id: brokerId.nullable().openapi({ description: 'null: nobody is known to lead it now.' }),
    epoch: count.nullable(),
    assigned_to: brokerId.nullable().openapi({ description: 'Another broker than the leader while it moves.' }),
  })
  .openapi('Journal');

export const JournalsList = z.object({ journals: z.array(JournalPlace) }).openapi('Journals');

export const MoveBody = z.strictObject({ broker_id: brokerId }).openapi('Move');

export const AddJournalsBody = z
  .strictObject({ add: z.int().min(1).max(JOURNALS_MAX).openapi({ description: 'How many more.' }) })
  .openapi('AddJournals');

export const AddedJournals = z.object({ before: count, count }).openapi('AddedJournals');

export const Drained = z
  .object({
    broker_id: brokerId,
    moved: z.array(count).openapi({ description: 'Journals that others took over.' }),
  })
  .openapi('Drained');
