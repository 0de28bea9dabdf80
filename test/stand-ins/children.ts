/** Processes that must not outlive the test run, also when that is cut. */
import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();

// One listener for all of them: Node warns when there are more than ten.
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export function endWithUs(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}
