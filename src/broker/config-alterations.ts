/** What AlterConfigs and IncrementalAlterConfigs have in common: resources, each with its own result. */
import type { ConfigAlteration, Topic } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import { checkBrokerName, RESOURCE_TYPE, requireTopic, unsupportedResource } from './config-resources.ts';
import type { Call } from './handler.ts';
import { changeEach, itemError, namedTwice } from './item-errors.ts';

interface AlteredResource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string }[];
}

interface AlterRequest<R extends AlteredResource> {
  readonly resources: readonly R[];
  readonly validateOnly: boolean;
}

export async function alterResources<R extends AlteredResource>(
  { resources, validateOnly }: AlterRequest<R>,
  call: Call,
  alterations: (resource: R, topic: Topic) => readonly ConfigAlteration[],
) {
  const twice = namedTwice(resources.map(keyOf));
  const responses = await changeEach(resources, async (resource) => {
    const { resourceType, resourceName } = resource;
    try {
      if (twice.has(keyOf(resource))) {
        throw new KafkaError('INVALID_REQUEST', 'the resource is named more than once');
      }
      const topic = alterable(resource, call);
      await call.broker.topics.alterConfig(topic.name, alterations(resource, topic), { validateOnly });
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

function alterable({ resourceType, resourceName, configs }: AlteredResource, { broker }: Call): Topic {
  if (resourceType === RESOURCE_TYPE.broker) {
    checkBrokerName(broker, resourceName);
    throw new KafkaError(
      'INVALID_REQUEST',
      'Cannot update these configs dynamically: settings of a broker are given when it starts',
    );
  }
  if (resourceType !== RESOURCE_TYPE.topic) throw unsupportedResource(resourceType);
  if (namedTwice(configs.map(({ name }) => name)).size > 0) {
    throw new KafkaError('INVALID_REQUEST', 'a configuration is named more than once');
  }
  return requireTopic(broker, resourceName);
}
