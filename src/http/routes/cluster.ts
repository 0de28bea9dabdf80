/** `/v1/cluster`: brokers and journals, as administrators see and move them. Any broker answers. */
import { BROKER, CLUSTER_INFO, DRAINED, JOURNAL } from '../../cluster-report.ts';
import {
  AddedJournals,
  AddJournalsBody,
  Broker,
  BrokerParams,
  BrokersList,
  ClusterInfo,
  Drained,
  JournalParams,
  JournalPlace,
  JournalsList,
  MoveBody,
} from '../cluster-schemas.ts';
import type { Api } from '../endpoint.ts';
import { replyJson } from '../reply.ts';

const TAG = 'cluster';
const json = <S>(schema: S) => ({ 'application/json': { schema } });
const NO_CONTROLLER = 'Nobody is the controller now.';
const NO_CONTROLLER_OR_GONE = 'Nobody is the controller now, or the broker is gone.';
const UNKNOWN_BROKER = 'No such broker.';

export function clusterRoutes(api: Api): void {
  const { cluster } = api.context;

  api.add(
    {
      method: 'get',
      path: '/v1/cluster',
      operationId: 'describeCluster',
      tag: TAG,
      summary: 'Describe the cluster',
      answers: { 200: { description: 'As this broker sees it.', content: json(ClusterInfo) } },
      problems: {},
    },
    () => replyJson(200, CLUSTER_INFO.toJson(cluster.info())),
  );

  api.add(
    {
      method: 'get',
      path: '/v1/cluster/brokers',
      operationId: 'listBrokers',
      tag: TAG,
      summary: 'List the brokers',
      answers: { 200: { description: 'In order of their ids.', content: json(BrokersList) } },
      problems: {},
    },
    () => replyJson(200, { brokers: cluster.brokers().map(BROKER.toJson) }),
  );

  api.add(
    {
      method: 'post',
      path: '/v1/cluster/brokers/{broker}/drain',
      operationId: 'drainBroker',
      tag: TAG,
      summary: 'Take a broker out of the work without stopping it',
      description:
        'Its journals go to others, and clients are told of others. Answers when it leads nothing. It lasts until the ' +
        'broker is undrained or starts again.',
      params: BrokerParams,
      answers: { 200: { description: 'It leads nothing.', content: json(Drained) } },
      problems: { 404: UNKNOWN_BROKER, 503: NO_CONTROLLER_OR_GONE },
    },
    async ({ params }) => replyJson(200, DRAINED.toJson(await cluster.drain(params.broker))),
  );

  api.add(
    {
      method: 'post',
      path: '/v1/cluster/brokers/{broker}/undrain',
      operationId: 'undrainBroker',
      tag: TAG,
      summary: 'Give a drained broker its share of the work again',
      params: BrokerParams,
      answers: { 200: { description: 'Journals move back soon.', content: json(Broker) } },
      problems: { 404: UNKNOWN_BROKER, 503: NO_CONTROLLER },
    },
    async ({ params }) => replyJson(200, BROKER.toJson(await cluster.undrain(params.broker))),
  );

  api.add(
    {
      method: 'get',
      path: '/v1/cluster/journals',
      operationId: 'listJournals',
      tag: TAG,
      summary: 'List the journals and who leads them',
      answers: { 200: { description: 'In order of their numbers.', content: json(JournalsList) } },
      problems: {},
    },
    () => replyJson(200, { journals: cluster.journals().map(JOURNAL.toJson) }),
  );

  api.add(
    {
      method: 'post',
      path: '/v1/cluster/journals',
      operationId: 'addJournals',
      tag: TAG,
      summary: 'Add journals',
      description: 'What is created from now on is spread over them, too. They cannot be removed again.',
      body: AddJournalsBody,
      answers: { 200: { description: 'They are there.', content: json(AddedJournals) } },
      problems: { 503: NO_CONTROLLER },
    },
    async ({ body }) => {
      const { before, count } = await cluster.addJournals(body.add);
      return replyJson(200, { before, count });
    },
  );

  api.add(
    {
      method: 'post',
      path: '/v1/cluster/journals/{journal}/move',
      operationId: 'moveJournal',
      tag: TAG,
      summary: 'Have another broker lead a journal',
      description: 'Answers when it does. The journal stays there until brokers come or go.',
      params: JournalParams,
      body: MoveBody,
      answers: { 200: { description: 'The broker leads it.', content: json(JournalPlace) } },
      problems: { 404: 'No such journal, or no such broker.', 503: NO_CONTROLLER_OR_GONE },
    },
    async ({ params, body }) => replyJson(200, JOURNAL.toJson(await cluster.move(params.journal, body.broker_id))),
  );
}
