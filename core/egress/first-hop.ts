/** From what a caller asks for to the first hop of it, and what is refused before any connection. */
import { isIP } from "node:net";
import { findPortFault } from "../domain/blocked-ports.ts";
import { isHostNamed } from "../domain/namespace-egress.ts";
import { isAddressAllowed } from "./address-policy.ts";
import { addressBlocked, EgressError, hostBlocked } from "./egress-error.ts";
import { hasHeader, sendableHeaders } from "./headers.ts";
import type { Hop } from "./redirect.ts";
import type { EgressRules } from "./tenant-rules.ts";

export interface Asked {
  url: string;
  method: string;
  headers: Record<string, string>;
}

/** Throws `invalid_request`. */
export function firstHop<Body>(request: Asked, body: Body | null): Hop<Body> {
  const url = URL.parse(request.url);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new EgressError("invalid_request", "The URL is not an absolute http:// or https:// URL.");
  }
  const method = request.method.toUpperCase();
  if (method === "CONNECT") throw new EgressError("invalid_request", "The method CONNECT is not sent.");
  const headers = sendableHeaders(request.headers);
  if ((url.username || url.password) && !hasHeader(headers, "authorization")) {
    headers["authorization"] =
      `Basic ${Buffer.from(`${decode(url.username)}:${decode(url.password)}`).toString("base64")}`;
  }
  // To set one writes and parses the whole URL anew.
  if (url.username) url.username = "";
  if (url.password) url.password = "";
  // An empty fragment is "", as none is.
  if (url.hash || url.href.endsWith("#")) url.hash = "";
  return { url, method, headers, body };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Throws before a pool is opened: `egress_blocked`, or `port_blocked` for a port where nobody expects HTTP. */
export function refuseOrigin(url: URL, rules: EgressRules): void {
  refuseHost(url, rules);
  const fault = findPortFault(url);
  if (fault) throw new EgressError("port_blocked", `Nothing was sent: ${fault}.`);
}

/** The same for any port. URL has brought every odd form (`127.1`, `2130706433`) to the plain one. */
export function refuseHost(url: URL, rules: EgressRules): void {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  if (rules.hosts && !isHostNamed(hostname, rules.hosts)) throw hostBlocked(hostname);
  if (isIP(hostname) !== 0 && !isAddressAllowed(hostname, rules)) throw addressBlocked(hostname);
}
