/** From what a caller asks for to the first hop of it, and what is refused before any connection. */
import { isIP } from "node:net";
import { isAddressAllowed, type Network } from "./address-policy.ts";
import { addressBlocked, EgressError } from "./egress-error.ts";
import { hasHeader, sendableHeaders } from "./headers.ts";
import type { Hop } from "./redirect.ts";

export interface Asked {
  url: string;
  method: string;
  headers: Record<string, string>;
}

/** Throws `invalid_request`. */
export function firstHop<Body>(request: Asked, body: Body | null): Hop<Body> {
  const url = URL.parse(request.url);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new EgressError("invalid_request", "The URL is no absolute http:// or https:// URL.");
  }
  const method = request.method.toUpperCase();
  if (method === "CONNECT") throw new EgressError("invalid_request", "The method CONNECT is not sent.");
  const headers = sendableHeaders(request.headers);
  if ((url.username || url.password) && !hasHeader(headers, "authorization")) {
    headers["authorization"] =
      `Basic ${Buffer.from(`${decode(url.username)}:${decode(url.password)}`).toString("base64")}`;
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url, method, headers, body };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Refused before a pool is made for it. URL has brought every odd form (`127.1`, `2130706433`) to the plain one. */
export function refuseLiteral(url: URL, allow: readonly Network[]): void {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(hostname) !== 0 && !isAddressAllowed(hostname, allow)) throw addressBlocked(hostname);
}

/** The bad ports of the Fetch standard: other protocols listen there, and some take a request's lines for their own. */
const OTHER_PROTOCOLS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
  109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
  526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
  3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

export function refusePort({ port }: URL): void {
  if (port !== "" && OTHER_PROTOCOLS.has(Number(port))) {
    throw new EgressError("port_blocked", `Port ${port} belongs to another protocol than HTTP.`);
  }
}
