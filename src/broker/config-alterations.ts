/** What AlterConfigs and IncrementalAlterConfigs have in common: resources, each with its own result. */
import type { Overrides } from '../cluster/topic-config.ts';
import type { ConfigAlteration } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import { checkBrokerName, RESOURCE_TYPE, requireTopic, unsupportedResource } from './config-resources.ts';
import type { Call } from './handler.ts';
import { changeEach, checkItemCount, itemError, namedTwice } from './item-errors.ts';

interface AlteredResource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string }[];
}

interface AlterRequest<R extends AlteredResource> {
  readonly resources: readonly R[];
  readonly validateOnly: boolean;
}

/** From what is set for a resource now. May run more than once. */
type Alterations = (overrides: Overrides) => readonly ConfigAlteration[];

export async function alterResources<R extends AlteredResource>(
  { resources, validateOnly }: AlterRequest<R>,
  call: Call,
  alterations: (resource: R, overrides: Overrides) => readonly ConfigAlteration[],
) {
  checkItemCount('resources', resources.length);
  const twice = namedTwice(resources.map(keyOf));
  const responses = await changeEach(resources, async (resource) => {
    const { resourceType, resourceName, configs } = resource;
    try {
      if (twice.has(keyOf(resource))) {
        throw new KafkaError('INVALID_REQUEST', 'Each resource must appear at most once.');
      }
      const repeated = [...namedTwice(configs.map(({ name }) => name))];
      if (repeated.length > 0) {
        throw new KafkaError('INVALID_REQUEST', `Error due to duplicate config keys: ${repeated.join(', ')}`);
      }
      await alter(resource, (overrides) => alterations(resource, overrides), validateOnly, call);
      return { errorCode: 0, errorMessage: null, resourceType, resourceName };
    } catch (cause) {
      return { ...itemError(call, cause), resourceType, resourceName };
    }
  });
  return { responses };
}

export const refuseResources = (
  { resources }: { readonly resources: readonly AlteredResource[] },
  error: KafkaError,
  call: Call,
) => ({
  responses: resources.map(({ resourceType, resourceName }) => ({
    ...itemError(call, error),
    resourceType,
    resourceName,
  })),
});

const keyOf = ({ resourceType, resourceName }: AlteredResource) => `${resourceType} ${resourceName}`;

async function alter(
  { resourceType, resourceName }: AlteredResource,
  alterations: Alterations,
  validateOnly: boolean,
  { broker }: Call,
): Promise<void> {
  const { topics, configs } = broker;
  switch (resourceType) {
    case RESOURCE_TYPE.topic: {
      if (resourceName === '') throw new KafkaError('INVALID_REQUEST', 'Default topic resources are not allowed.');
      const { name, overrides } = requireTopic(broker, resourceName);
      await topics.alterConfig(name, alterations(overrides), { validateOnly });
      return;
    }
    case RESOURCE_TYPE.group:
      if (resourceName === '') throw new KafkaError('INVALID_REQUEST', 'Default group resources are not allowed.');
      return configs.groups.alter(resourceName, alterations, { validateOnly });
    case RESOURCE_TYPE.broker:
      checkBrokerName(broker, resourceName);
      return configs.brokers.alter(resourceName, alterations, { validateOnly });
    case RESOURCE_TYPE.brokerLogger:
      throw new KafkaError('INVALID_REQUEST', 'Levels of loggers cannot be changed: log.level is given at start');
    case RESOURCE_TYPE.clientMetrics:
      throw new KafkaError('INVALID_REQUEST', 'Client metrics cannot be subscribed to: this broker takes none');
    default:
      throw unsupportedResource(resourceType);
  }
}

/** The value where one is needed. Throws INVALID_REQUEST. */
export function requireValue(name: string, value: string | null): string {
  if (value === null) throw new KafkaError('INVALID_REQUEST', `Null value not supported for : ${name}`);
  return value;
}
