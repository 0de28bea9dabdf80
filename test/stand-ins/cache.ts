/** Where `install.sh` beside this file puts what it installs. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export const CACHE =
  process.env['MILLRACE_STAND_INS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-stand-ins');
