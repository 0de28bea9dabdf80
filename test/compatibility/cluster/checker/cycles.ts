/** A cycle of a directed graph as the nodes along it, or null. `edges[node]` lists where a node leads to. */
export function findCycle(edges: readonly (readonly number[])[]): readonly number[] | null {
  const NEW = 0;
  const OPEN = 1;
  const DONE = 2;
  const state = new Uint8Array(edges.length);
  for (let root = 0; root < edges.length; root++) {
    if (state[root] !== NEW) continue;
    // By hand, since a chain of transactions may be longer than the call stack.
    const path = [{ node: root, next: 0 }];
    state[root] = OPEN;
    while (path.length > 0) {
      const top = path.at(-1)!;
      const to = edges[top.node]![top.next++];
      if (to === undefined) {
        state[top.node] = DONE;
        path.pop();
      } else if (state[to] === OPEN) {
        return path.slice(path.findIndex(({ node }) => node === to)).map(({ node }) => node);
      } else if (state[to] === NEW) {
        state[to] = OPEN;
        path.push({ node: to, next: 0 });
      }
    }
  }
  return null;
}
