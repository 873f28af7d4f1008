import { hasHeader } from "../../../../core/egress/headers.ts";
import { USER_AGENT } from "../../../../core/egress/user-agent.ts";

/**
 * What a fetch sends: the author's fields, repeated ones joined, and where there are none of his, ours. A trace that
 * he set himself he means to carry on himself. `Bellhop-*` is left out: tasks alone speak for the scheduler.
 */
export function requestHeaders(
  pairs: readonly [name: string, value: string][],
  traceparent: string,
): Record<string, string> {
  const headers = joinPairs(pairs);
  const setDefault = (name: string, value: string) => {
    if (!hasHeader(headers, name)) headers[name] = value;
  };
  setDefault("user-agent", USER_AGENT);
  setDefault("accept", "*/*");
  // A part of an encoded body could not be decoded. Who wants br or zstd, whose decoders hold up to a hundred times as
  // much, asks for it himself.
  setDefault("accept-encoding", hasHeader(headers, "range") ? "identity" : "gzip, deflate");
  setDefault("traceparent", traceparent);
  return headers;
}

function joinPairs(pairs: readonly [name: string, value: string][]): Record<string, string> {
  const joined = new Map<string, [name: string, value: string]>();
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    if (lower.startsWith("bellhop-")) continue;
    const before = joined.get(lower);
    if (before) before[1] += `${lower === "cookie" ? "; " : ", "}${value}`;
    else joined.set(lower, [name, value]);
  }
  return Object.fromEntries(joined.values());
}

/** The length that the author's side says the body has; undefined where it says none, or none that is a length. */
export function announcedBytes(pairs: readonly [name: string, value: string][]): number | undefined {
  const said = pairs.filter(([name]) => name.toLowerCase() === "content-length");
  const value = said[0]?.[1];
  return said.length === 1 && value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
