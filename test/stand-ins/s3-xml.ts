/** The little XML that S3 speaks. Elements have no attributes that matter and text needs five escapes. */

/** An answer of the server that is not a success. */
export class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
const ROOTS = new Set(['ListBucketResult', 'DeleteResult']);

/** An element around text that contains elements (kept) or plain text (escaped). */
export function xml(name: string, content: string): string {
  const inside = content.startsWith('<') ? content : content.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
  if (!ROOTS.has(name)) return `<${name}>${inside}</${name}>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${NAMESPACE}">${inside}</${name}>`;
}

export function errorXml({ code, message }: S3Error, resource: string): string {
  const fields = [xml('Code', code), xml('Message', message), xml('Resource', resource), xml('RequestId', '0')];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${fields.join('')}</Error>`;
}

export const decodeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex?: string, decimal?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return Object.keys(ESCAPES).find((character) => ESCAPES[character] === whole) ?? whole;
  });
