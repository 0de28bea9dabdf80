/**
 * ApiVersions (18), v0-4. What every client asks first.
 *
 * Advertises exactly the APIs and versions that are served, except Produce, whose range starts at 0: librdkafka looks for
 * old versions before it uses new ones (KAFKA-18659). A version above 4 is answered by the router in version 0 with
 * UNSUPPORTED_VERSION (KIP-511).
 *
 * Features (v3, KIP-584) are told when all of their APIs are served, with the level that administrators gave them.
 *
 * Unlike Kafka: no telemetry is offered.
 */
import { KafkaError } from '../../errors.ts';
import { type ApiName, advertise } from '../../protocol/apis.ts';
import { finalizedFeatures, offeredFeatures, supportedFeatures } from '../features.ts';
import type { Handler } from '../handler.ts';

const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;

export function apiVersions(served: readonly ApiName[]): Handler<'ApiVersions'> {
  const apiKeys = advertise(served);
  const offered = offeredFeatures(served);
  return {
    handle({ clientSoftwareName, clientSoftwareVersion }, call) {
      if (call.apiVersion >= 3 && !(SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion))) {
        throw new KafkaError('INVALID_REQUEST', 'the name or version of the client software is not valid');
      }
      const { features } = call.broker.configs;
      return {
        errorCode: 0,
        apiKeys,
        supportedFeatures: supportedFeatures(offered, call.apiVersion),
        finalizedFeaturesEpoch: features.epoch,
        finalizedFeatures: finalizedFeatures(offered, features),
      };
    },
    refuse: (_request, error, call) => ({ errorCode: call.code(error.error), apiKeys: [] }),
  };
}
