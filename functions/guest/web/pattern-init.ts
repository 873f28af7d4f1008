/** URLPatternInit of the URL pattern standard: its members made canonical, a base URL's inherited. */
import { basicURLParse, serializeHost, serializePath, type UrlRecord } from "whatwg-url";
import { escapePattern, type PatternOptions } from "./pattern-parts.ts";
import { GuestURL } from "./url.ts";

export const COMPONENTS = [
  "protocol",
  "username",
  "password",
  "hostname",
  "port",
  "pathname",
  "search",
  "hash",
] as const;
export type ComponentName = (typeof COMPONENTS)[number];
export type PatternInit = Partial<Record<ComponentName | "baseURL", string>>;

export const DEFAULT_PORTS: Record<string, string> = {
  ftp: "21",
  file: "",
  http: "80",
  https: "443",
  ws: "80",
  wss: "443",
};
export const SPECIAL_SCHEMES = Object.keys(DEFAULT_PORTS);
export const PLAIN_OPTIONS: PatternOptions = { delimiter: "", prefix: "" };

function dummyUrl(): UrlRecord {
  return basicURLParse("https://dummy.invalid/")!;
}

/** Sets a part of a URL as its setter does. Throws TypeError. */
function override(value: string, url: UrlRecord, stateOverride: string, what: string): UrlRecord {
  if (basicURLParse(value, { url, stateOverride }) === null)
    throw new TypeError(`'${value}' is not a valid ${what}`);
  return url;
}

export const canonicalize = {
  protocol(value: string): string {
    if (value === "") return value;
    const url = basicURLParse(`${value}://dummy.invalid/`);
    if (!url) throw new TypeError(`'${value}' is not a valid protocol`);
    return url.scheme;
  },
  username: (value: string) => userinfo(value),
  password: (value: string) => userinfo(value),
  hostname(value: string): string {
    if (value === "") return value;
    return serializeHost(override(value, dummyUrl(), "hostname", "hostname").host!);
  },
  ipv6Hostname(value: string): string {
    if (!/^[0-9a-fA-F[\]:]*$/.test(value)) throw new TypeError(`'${value}' is not a valid hostname`);
    return value.toLowerCase();
  },
  port(value: string, protocol?: string): string {
    if (value === "") return value;
    const url = dummyUrl();
    url.scheme = protocol || "bellhop-none";
    if (!/^[0-9]/.test(value.replace(/[\t\n\r]/g, ""))) throw new TypeError(`'${value}' is not a valid port`);
    const { port } = override(value, url, "port", "port");
    return port === null ? "" : String(port);
  },
  pathname(value: string): string {
    if (value === "") return value;
    const isRooted = value.startsWith("/");
    const url = dummyUrl();
    url.path = [];
    const path = serializePath(override(isRooted ? value : `/-${value}`, url, "path start", "pathname"));
    return isRooted ? path : path.slice(2);
  },
  opaquePathname(value: string): string {
    if (value === "") return value;
    const url = basicURLParse("data:")!;
    return serializePath(override(value, url, "opaque path", "pathname"));
  },
  search(value: string): string {
    if (value === "") return value;
    const url = dummyUrl();
    url.query = "";
    return override(value, url, "query", "search").query!;
  },
  hash(value: string): string {
    if (value === "") return value;
    const url = dummyUrl();
    url.fragment = "";
    return override(value, url, "fragment", "hash").fragment!;
  },
};

/** Percent-encoded with the userinfo set, as the setter of a URL's user name does. */
function userinfo(value: string): string {
  if (value === "") return value;
  const url = new GuestURL("https://dummy.invalid/");
  url.username = value;
  return url.username;
}

export function urlParts(url: UrlRecord): Record<ComponentName, string> {
  return {
    protocol: url.scheme,
    username: url.username,
    password: url.password,
    hostname: url.host === null ? "" : serializeHost(url.host),
    port: url.port === null ? "" : String(url.port),
    pathname: serializePath(url),
    search: url.query ?? "",
    hash: url.fragment ?? "",
  };
}

type InitType = "pattern" | "url";

/** What of a base URL is inherited: a member, unless one of these is given. */
const INHERITED: [ComponentName, ComponentName[]][] = [
  ["protocol", ["protocol"]],
  ["username", ["protocol", "hostname", "port", "username"]],
  ["password", ["protocol", "hostname", "port", "username", "password"]],
  ["hostname", ["protocol", "hostname"]],
  ["port", ["protocol", "hostname", "port"]],
  ["pathname", ["protocol", "hostname", "port", "pathname"]],
  ["search", ["protocol", "hostname", "port", "pathname", "search"]],
  ["hash", ["protocol", "hostname", "port", "pathname", "search", "hash"]],
];

/** Throws TypeError. */
export function processInit(init: PatternInit, type: InitType): PatternInit {
  const result: PatternInit = type === "url" ? Object.fromEntries(COMPONENTS.map((name) => [name, ""])) : {};
  const quote = (text: string) => (type === "pattern" ? escapePattern(text) : text);
  let base: UrlRecord | undefined;
  if (init.baseURL !== undefined) {
    base = basicURLParse(init.baseURL) ?? undefined;
    if (!base) throw new TypeError(`'${init.baseURL}' is not a valid URL`);
    const parts = urlParts(base);
    for (const [name, blockers] of INHERITED) {
      if (type === "pattern" && (name === "username" || name === "password")) continue;
      if (blockers.every((blocker) => init[blocker] === undefined)) result[name] = quote(parts[name]);
    }
  }
  const make = (value: string, canonical: (text: string) => string) =>
    type === "pattern" ? value : canonical(value);
  if (init.protocol !== undefined)
    result.protocol = make(init.protocol.replace(/:$/, ""), canonicalize.protocol);
  if (init.username !== undefined) result.username = make(init.username, canonicalize.username);
  if (init.password !== undefined) result.password = make(init.password, canonicalize.password);
  if (init.hostname !== undefined) result.hostname = make(init.hostname, canonicalize.hostname);
  const protocol = result.protocol ?? "";
  if (init.port !== undefined) result.port = make(init.port, (value) => canonicalize.port(value, protocol));
  if (init.pathname !== undefined) {
    const isSpecial = protocol === "" || SPECIAL_SCHEMES.includes(protocol);
    const pathname = resolvePathname(init.pathname, base, type, quote);
    result.pathname = make(pathname, isSpecial ? canonicalize.pathname : canonicalize.opaquePathname);
  }
  if (init.search !== undefined) result.search = make(init.search.replace(/^\?/, ""), canonicalize.search);
  if (init.hash !== undefined) result.hash = make(init.hash.replace(/^#/, ""), canonicalize.hash);
  return result;
}

function resolvePathname(
  pathname: string,
  base: UrlRecord | undefined,
  type: InitType,
  quote: (text: string) => string,
): string {
  const isAbsolute = pathname.startsWith("/") || (type === "pattern" && /^(?:\\\/|\{\/)/.test(pathname));
  if (!base || typeof base.path === "string" || isAbsolute) return pathname;
  const path = quote(serializePath(base));
  const slash = path.lastIndexOf("/");
  return slash < 0 ? pathname : path.slice(0, slash + 1) + pathname;
}
