/** Takes produce requests in: waits while the log is full, reads the body, parses the records. */
import type { Context } from 'hono';
import type { Topic } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import { crc32c } from '../record/crc32c.ts';
import { bodyType, readBody } from './body.ts';
import type { Holding } from './byte-budget.ts';
import type { HttpContext, HttpEnv } from './context.ts';
import type { ProduceRequest } from './produce.ts';
import type { RecordFormat } from './record-format.ts';
import { parseRecords } from './record-parser.ts';

/** Requests that wait, bodies unread, until earlier records are durable. */
const WAITING_MAX = 4_096;

interface ProduceAsked {
  readonly c: Context<HttpEnv>;
  readonly holding: Holding;
  readonly headers: { readonly 'Record-Format': RecordFormat; readonly 'Idempotency-Key'?: string | undefined };
}

export class ProduceIntake {
  readonly #context: HttpContext;
  #waiting = 0;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** `target` tells apart requests that are equal but for their path. */
  async take({ c, headers, holding }: ProduceAsked, topic: Topic, target: string): Promise<ProduceRequest> {
    const { log, config, runtime } = this.#context;
    const type = bodyType(c.req.raw.headers.get('content-type'), ['json', 'ndjson']);
    const format = headers['Record-Format'];
    if (log.pressure.full) await this.#relieved();
    const body = await readBody(c, config['http.body.bytes.max'], holding);
    const now = runtime.clock.now();
    const records = parseRecords(body, { format, lines: type === 'ndjson', now });
    const key = headers['Idempotency-Key'];
    if (key === undefined) return { topic, records, now, idempotency: undefined };
    const fingerprint = crc32c(body, crc32c(Buffer.from(`${target} ${type} ${format}`)));
    return { topic, records, now, idempotency: { key: `${topic.topicId}/${key}`, fingerprint } };
  }

  async #relieved(): Promise<void> {
    if (this.#waiting === WAITING_MAX) {
      throw new KafkaError('THROTTLING_QUOTA_EXCEEDED', 'too many records wait to become durable: try again soon');
    }
    this.#waiting++;
    await new Promise<void>((resolve) => this.#context.log.pressure.whenRelieved(resolve));
    this.#waiting--;
  }
}
