/**
 * S3 servers that others wrote, installed by `install.sh` beside this file into a cache directory:
 *
 * - versitygw: S3 over a POSIX directory, in Go. Keys are paths there, so it cannot hold `a` beside `a/b`.
 * - moto: S3 in Python, in memory, the closest to S3's letter.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE } from './cache.ts';
import { standInEnvironment } from './environment.ts';
import { type ServerProcess, startServerProcess } from './server-process.ts';

const BINARIES = {
  versitygw: join(CACHE, 'bin', 'versitygw'),
  moto: join(CACHE, 'moto', 'bin', 'moto_server'),
} as const;

export type RealS3 = keyof typeof BINARIES;

export const isInstalled = (name: RealS3): boolean => existsSync(BINARIES[name]);
export const missing = (name: RealS3): string =>
  `${name} is not installed in ${CACHE}: run test/stand-ins/install.sh ${name}`;

/** `directory` takes versitygw's data; moto keeps everything in memory. */
export async function startRealS3(name: RealS3, directory: string): Promise<ServerProcess> {
  const credentials = standInEnvironment();
  const binary = BINARIES[name];
  if (name === 'moto') {
    return startServerProcess({ binary, arguments: (port) => ['-H', '127.0.0.1', '-p', String(port)] });
  }
  await mkdir(directory, { recursive: true });
  return startServerProcess({
    binary,
    arguments: (port) => ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', directory],
    environment: {
      ROOT_ACCESS_KEY_ID: credentials.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_ACCESS_KEY: credentials.AWS_SECRET_ACCESS_KEY,
    },
  });
}
