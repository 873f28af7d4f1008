/** Spans of HTTP by OpenTelemetry's semantic conventions, without the path and the query: both may be secrets. */
import { NO_SPAN, type Span } from "./tracing.ts";

const METHODS = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "QUERY",
  "CONNECT",
  "TRACE",
]);

/** A method that nobody knows is `_OTHER`: the names of spans are few. */
export function methodAttribute(method: string): string {
  return METHODS.has(method) ? method : "_OTHER";
}

/**
 * An outgoing request, as a child of what sends it.
 * @param showHost where its host may hold a secret
 */
export function startCallSpan(
  parent: Span,
  method: string,
  url: string,
  showHost: (host: string) => string = (host) => host,
): Span {
  if (parent === NO_SPAN) return NO_SPAN;
  const name = methodAttribute(method.toUpperCase());
  const parsed = URL.parse(url);
  return parent.startChild(name, {
    kind: "client",
    attributes: {
      "http.request.method": name,
      "url.scheme": parsed?.protocol.slice(0, -1),
      "server.address": parsed ? showHost(parsed.hostname) : undefined,
      "server.port": parsed ? portOf(parsed) : undefined,
    },
  });
}

/** The answer's status; from 400 on the call failed, as the conventions have it for clients. */
export function describeCallAnswer(span: Span, status: number): void {
  span.set({ "http.response.status_code": status });
  if (status >= 400) span.fail(String(status));
}

function portOf({ port, protocol }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}
