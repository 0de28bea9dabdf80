#!/usr/bin/env node
// Plain JavaScript without imports, so that a Node that is too old reads this far and says so in one sentence.
const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(`millrace needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  import('node:fs')
    .then(({ existsSync }) =>
      // A checkout has the sources; the package has what was built of them.
      existsSync(new URL('./main.ts', import.meta.url)) ? import('./main.ts') : import('../../dist/cli/main.js'),
    )
    .then(({ main }) => main());
}
