/** URLPattern of the URL pattern standard. Its expressions run here, on the author's own time. */
import { basicURLParse } from "whatwg-url";
import {
  COMPONENTS,
  type ComponentName,
  canonicalize,
  DEFAULT_PORTS,
  type PatternInit,
  PLAIN_OPTIONS,
  processInit,
  SPECIAL_SCHEMES,
  urlParts,
} from "./pattern-init.ts";
import { type Component, compileComponent } from "./pattern-parts.ts";
import { parseConstructorString } from "./pattern-string.ts";
import { defineInterface, isObject, toDictionary, toUsvString } from "./webidl.ts";

type Components = Record<ComponentName, Component>;

function toInit(value: unknown): PatternInit {
  const given = toDictionary(value, "The pattern's init");
  const init: PatternInit = {};
  for (const name of ["baseURL", ...COMPONENTS] as const) {
    if (given[name] !== undefined) init[name] = toUsvString(given[name]);
  }
  return init;
}

/** A string, or an object with the pattern's members. */
function toInput(value: unknown): string | PatternInit {
  return value === undefined || value === null || isObject(value) ? toInit(value) : toUsvString(value);
}

function compile(init: PatternInit, ignoreCase: boolean): Components {
  const processed = processInit(init, "pattern");
  const pattern = (name: ComponentName) => processed[name] ?? "*";
  if (
    SPECIAL_SCHEMES.includes(pattern("protocol")) &&
    processed.port === DEFAULT_PORTS[pattern("protocol")]
  ) {
    processed.port = "";
  }
  const cased = { ...PLAIN_OPTIONS, ignoreCase };
  const protocol = compileComponent(pattern("protocol"), canonicalize.protocol, PLAIN_OPTIONS);
  const hostname = pattern("hostname");
  const isIpv6 = /^(?:\[|\{\[|\\\[)/.test(hostname) && hostname.length >= 2;
  const isSpecial = SPECIAL_SCHEMES.some((scheme) => protocol.expression.test(scheme));
  return {
    protocol,
    username: compileComponent(pattern("username"), canonicalize.username, PLAIN_OPTIONS),
    password: compileComponent(pattern("password"), canonicalize.password, PLAIN_OPTIONS),
    hostname: compileComponent(hostname, isIpv6 ? canonicalize.ipv6Hostname : canonicalize.hostname, {
      delimiter: ".",
      prefix: "",
    }),
    port: compileComponent(pattern("port"), (value) => canonicalize.port(value), PLAIN_OPTIONS),
    pathname: isSpecial
      ? compileComponent(pattern("pathname"), canonicalize.pathname, {
          delimiter: "/",
          prefix: "/",
          ignoreCase,
        })
      : compileComponent(pattern("pathname"), canonicalize.opaquePathname, cased),
    search: compileComponent(pattern("search"), canonicalize.search, cased),
    hash: compileComponent(pattern("hash"), canonicalize.hash, cased),
  };
}

/** The URL's parts that are matched; undefined where the input is no URL. */
function toParts(input: string | PatternInit, baseURL: string | undefined): PatternInit | undefined {
  if (typeof input !== "string") {
    if (baseURL !== undefined) throw new TypeError("A base URL goes with a string");
    try {
      return processInit(input, "url");
    } catch {
      return undefined;
    }
  }
  const base = baseURL === undefined ? null : basicURLParse(baseURL);
  if (baseURL !== undefined && base === null) return undefined;
  const url = basicURLParse(input, { baseURL: base });
  return url ? urlParts(url) : undefined;
}

class GuestURLPattern {
  readonly #components: Components;

  constructor(input: unknown = {}, baseOrOptions: unknown = undefined, options: unknown = undefined) {
    const hasBase = baseOrOptions !== undefined && baseOrOptions !== null && !isObject(baseOrOptions);
    const given = toInput(input);
    const base = hasBase || arguments.length > 2 ? toUsvString(baseOrOptions) : undefined;
    const { ignoreCase } = toDictionary(base === undefined ? baseOrOptions : options, "The options");
    let init = given as PatternInit;
    if (typeof given === "string") {
      init = parseConstructorString(given);
      if (base === undefined && init.protocol === undefined) {
        throw new TypeError(`The pattern '${given}' is relative and has no base URL`);
      }
      if (base !== undefined) init.baseURL = base;
    } else if (base !== undefined) throw new TypeError("A base URL goes with a string");
    this.#components = compile(init, Boolean(ignoreCase));
  }

  test(input: unknown = {}, baseURL: unknown = undefined): boolean {
    const components = this.#components;
    const base = baseURL === undefined ? undefined : toUsvString(baseURL);
    const parts = toParts(toInput(input), base);
    return parts !== undefined && COMPONENTS.every((name) => components[name].expression.test(parts[name]!));
  }

  exec(input: unknown = {}, baseURL: unknown = undefined): object | null {
    const components = this.#components;
    const base = baseURL === undefined ? undefined : toUsvString(baseURL);
    const given = toInput(input);
    const parts = toParts(given, base);
    if (!parts) return null;
    const result: Record<string, unknown> = { inputs: base === undefined ? [given] : [given, base] };
    for (const name of COMPONENTS) {
      const { expression, names } = components[name];
      const match = expression.exec(parts[name]!);
      if (!match) return null;
      const groups = Object.fromEntries(names.map((group, index) => [group, match[index + 1]]));
      result[name] = { input: parts[name], groups };
    }
    return result;
  }

  get protocol() {
    return this.#components.protocol.pattern;
  }
  get username() {
    return this.#components.username.pattern;
  }
  get password() {
    return this.#components.password.pattern;
  }
  get hostname() {
    return this.#components.hostname.pattern;
  }
  get port() {
    return this.#components.port.pattern;
  }
  get pathname() {
    return this.#components.pathname.pattern;
  }
  get search() {
    return this.#components.search.pattern;
  }
  get hash() {
    return this.#components.hash.pattern;
  }
  get hasRegExpGroups() {
    return COMPONENTS.some((name) => this.#components[name].hasRegexpGroups);
  }
}

export function installUrlPattern(): void {
  defineInterface("URLPattern", GuestURLPattern);
}
