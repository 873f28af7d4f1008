/** Redirects as a pure step: from one request and its 3xx answer to the next request. */
import { EgressError } from "./egress-error.ts";
import { omitHeaders } from "./headers.ts";

export const MAX_REDIRECTS = 5;

/** One request on its way, URL parsed and free of credentials. */
export interface Hop<Body = string | Uint8Array> {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body: Body | null;
}

/**
 * How a redirect is followed. `fetch`: as the Fetch standard has it. `task`: another origin is sent only what is
 * harmless, since any unknown field may be a secret, and what 301 and 302 make of a request does not hang on its method.
 */
export type RedirectRule = "fetch" | "task";

/** `true`: the redirects that keep method and body. `as-get`: the others too, as a GET without body. */
export type FollowRedirects = boolean | "as-get";

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Whether a task's request would go on as a GET without body: what was to be delivered would not be. */
export function losesBody(status: number, method: string): boolean {
  return (status === 301 || status === 302 || status === 303) && method !== "GET" && method !== "HEAD";
}

export function isFollowed(follow: FollowRedirects, status: number, method: string): boolean {
  return follow === true ? !losesBody(status, method) : follow === "as-get";
}

/**
 * By `task` 301, 302 and 303 go on as a GET without body, by `fetch` 303 does, and 301 and 302 on a POST; HEAD stays
 * HEAD. 307 and 308 repeat the request. Throws `bad_redirect` where the target is no http(s) URL.
 */
export function redirectHop<Body>(
  hop: Hop<Body>,
  status: number,
  location: string,
  rule: RedirectRule = "task",
): Hop<Body> {
  const url = parseTarget(location, hop.url);
  const becomesGet =
    losesBody(status, hop.method) && (rule === "task" || status === 303 || hop.method === "POST");
  const crossesOrigin = url.origin !== hop.url.origin;
  const maySend = rule === "task" ? isHarmless : isNoCredential;
  const headers = omitHeaders(hop.headers, (name) => {
    if (crossesOrigin && !maySend(name)) return true;
    return becomesGet && name.startsWith("content-");
  });
  return { url, headers, method: becomesGet ? "GET" : hop.method, body: becomesGet ? null : hop.body };
}

/** What another origin may see: any other field may be the author's secret. */
function isHarmless(name: string): boolean {
  return HARMLESS.has(name) || /^(content|accept|bellhop)-/.test(name);
}

function isNoCredential(name: string): boolean {
  return name !== "authorization" && name !== "cookie";
}

const HARMLESS = new Set(["accept", "user-agent", "idempotency-key", "traceparent", "cache-control"]);

function parseTarget(location: string, base: URL): URL {
  const url = URL.parse(location, base.href);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new EgressError(
      "bad_redirect",
      `${base.host} redirects to something that is not an http:// or https:// URL.`,
    );
  }
  // A server hands out no credentials on its own.
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}
