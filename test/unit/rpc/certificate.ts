/** A self-signed certificate, as somebody would have who plays a broker and does not know the secret. */
import { generateKeyPairSync, sign } from 'node:crypto';

function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}

const SEQUENCE = 0x30;
const ED25519 = der(SEQUENCE, der(0x06, Buffer.of(0x2b, 0x65, 0x70)));
const COMMON_NAME = Buffer.of(0x55, 0x04, 0x03);

export function selfSigned(name: string): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const attribute = der(SEQUENCE, der(0x06, COMMON_NAME), der(0x0c, Buffer.from(name)));
  const subject = der(SEQUENCE, der(0x31, attribute));
  const validity = der(SEQUENCE, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('490101000000Z')));
  const serial = der(0x02, Buffer.of(1));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const unsigned = der(SEQUENCE, der(0xa0, der(0x02, Buffer.of(2))), serial, ED25519, subject, validity, subject, spki);
  const signature = der(0x03, Buffer.of(0), sign(null, unsigned, privateKey));
  const cert = der(SEQUENCE, unsigned, ED25519, signature).toString('base64');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${cert}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
