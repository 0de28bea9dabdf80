/**
 * Not an invariant of the design, but what every run needs: no request is answered with a broken assumption, none waits for
 * ever while all is well, and a broker that could start does.
 */
import type { Checker, HistoryEvent } from '../history.ts';
import { Violation } from '../history.ts';

export function liveness(): Checker {
  return {
    name: 'liveness',
    observe(event: HistoryEvent): void {
      switch (event.type) {
        case 'internalError':
          throw new Violation('liveness', `${event.process}: ${event.what}`);
        case 'stuck':
          throw new Violation('liveness', `${event.what} got no answer in ${Math.round(event.waitedMs)} ms of calm`);
        case 'unsettled': {
          const { groupId, what, waitedMs } = event;
          throw new Violation('liveness', `group ${groupId} is not at rest in ${waitedMs} ms of calm: ${what}`);
        }
        case 'answered':
          if (event.outcome.error === 'UNKNOWN_SERVER_ERROR') {
            const { message } = event.outcome;
            throw new Violation('liveness', `${event.process} answers batch ${event.batch.batchId}: ${message}`);
          }
          return;
        case 'fetched':
          if (event.error === 'UNKNOWN_SERVER_ERROR') {
            throw new Violation('liveness', `${event.process} answers a fetch with an internal error`);
          }
          return;
        default:
      }
    },
  };
}
