/**
 * The addresses of one service: the one a page was loaded from, and others that it told of. When the one in use
 * does not answer, the next is tried; HTTP calls and the socket of a page go to the same one.
 */
const known = new Map<string, string[]>();

/** Where `server` (as the page knows it) is asked now. */
export function nodeOf(server: string): string {
  return known.get(server)?.[0] ?? server;
}

/** What the node in use says of the others. */
export function learnNodes(server: string, others: readonly string[]): void {
  const current = nodeOf(server);
  known.set(server, [...new Set([current, ...others.map((url) => url.replace(/\/$/, "")), server])]);
}

/** The node in use did not answer. */
export function tryNextNode(server: string): void {
  const nodes = known.get(server);
  if (nodes !== undefined) nodes.push(...nodes.splice(0, 1));
}
