import type { IncomingMessage } from "node:http";

export type HeaderPair = [name: string, value: string];

/**
 * A request's headers as `Headers` gives them: names in lower case, one that came several times as one. From what Node has
 * parsed, where there is a connection: `Headers` would check, copy and sort it anew.
 */
export function headerPairsOf(request: Request, incoming: IncomingMessage | undefined): Iterable<HeaderPair> {
  return incoming ? joinPairs(incoming.rawHeaders) : request.headers;
}

/** @param raw names and values in turns */
function joinPairs(raw: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at < raw.length; at += 2) {
    const [name, value] = [raw[at]!.toLowerCase(), raw[at + 1]!];
    const before = pairs.get(name);
    const separator = name === "cookie" ? "; " : ", ";
    pairs.set(name, before === undefined ? value : before + separator + value);
  }
  return pairs;
}
