/** An answer as plain values: what handlers return, before it becomes a `Response`. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
}

type Headers = Readonly<Record<string, string>>;

/** Nothing here may be cached: the answer to the same question changes with the next record. */
const NO_STORE = 'no-store';

export const replyWith = (
  status: number,
  contentType: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers?: Headers,
): Reply => ({
  status,
  headers: { 'Content-Type': contentType, 'Cache-Control': NO_STORE, ...headers },
  body,
});

export const replyJson = (status: number, value: unknown, headers?: Headers): Reply =>
  replyWith(status, 'application/json', JSON.stringify(value), headers);

export const replyNothing = (): Reply => ({ status: 204, headers: { 'Cache-Control': NO_STORE }, body: null });

export const bodyBytes = ({ body }: Reply): number =>
  body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
