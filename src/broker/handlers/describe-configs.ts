/**
 * DescribeConfigs (32), v1-4.
 *
 * Every configuration with its effective value, source, synonyms, type (v3) and, when asked for, documentation. Topics must
 * exist, groups need not. The broker: what can be changed while it runs, and its settings, read-only, under the names
 * that Kafka has for them; those that it does not know as well. Of another broker only the former are told, its settings
 * it tells itself. The broker named '' stands for all of them: what was set for all. There is one logger, the root. No keys ask for all, an empty list as well; unknown keys are left out, as in Kafka.
 * Client metrics have none, other types of resources are INVALID_REQUEST.
 */
import { KafkaError } from '../../errors.ts';
import type { DescribeConfigsRequest, DescribeConfigsResponse } from '../../protocol/messages/describe-configs.ts';
import {
  brokerConfigs,
  checkBrokerName,
  checkThisBroker,
  type DescribedConfig,
  groupConfigs,
  RESOURCE_TYPE,
  requireTopic,
  rootLogger,
  topicConfigs,
  unsupportedResource,
} from '../config-resources.ts';
import type { Call, Handler } from '../handler.ts';
import { checkItemCount, itemError } from '../item-errors.ts';

type Resource = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

export const describeConfigs: Handler<'DescribeConfigs'> = {
  handle(request, call) {
    checkItemCount('resources', request.resources.length);
    return { results: request.resources.map((resource) => describe(request, resource, call)) };
  },
  refuse: ({ resources }, error, call) => ({
    results: resources.map(({ resourceType, resourceName }) => ({
      ...itemError(call, error),
      resourceType,
      resourceName,
      configs: [],
    })),
  }),
};

function describe(request: DescribeConfigsRequest, resource: Resource, call: Call): Result {
  const { resourceType, resourceName, configurationKeys } = resource;
  const named = { resourceType, resourceName };
  try {
    const wanted = configurationKeys !== null && configurationKeys.length > 0 ? new Set(configurationKeys) : null;
    const configs = configsOf(resource, call)
      .filter(({ name }) => wanted?.has(name) ?? true)
      .map((config) => ({
        ...config,
        synonyms: request.includeSynonyms ? config.synonyms : [],
        documentation: request.includeDocumentation ? config.documentation : null,
      }));
    return { ...named, errorCode: 0, errorMessage: null, configs };
  } catch (cause) {
    return { ...named, ...itemError(call, cause), configs: [] };
  }
}

function configsOf({ resourceType, resourceName }: Resource, { broker }: Call): DescribedConfig[] {
  switch (resourceType) {
    case RESOURCE_TYPE.topic:
      return topicConfigs(requireTopic(broker, resourceName).overrides, broker.configs.brokers);
    case RESOURCE_TYPE.broker:
      checkBrokerName(broker, resourceName);
      return brokerConfigs(resourceName, broker);
    case RESOURCE_TYPE.group:
      return groupConfigs(resourceName, broker);
    case RESOURCE_TYPE.brokerLogger:
      if (resourceName === '') throw new KafkaError('INVALID_REQUEST', 'Broker id must not be empty');
      checkThisBroker(broker, resourceName);
      return [rootLogger(broker)];
    case RESOURCE_TYPE.clientMetrics:
      return [];
    default:
      throw unsupportedResource(resourceType);
  }
}
