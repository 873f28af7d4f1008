/** Request of the fetch standard. */
import { type GuestAbortSignal, signals } from "./abort.ts";
import { Body, type ByteSource, defineBody, extractBody } from "./body.ts";
import { type GuestHeaders, HeaderList, type HeaderPair, headersPowers } from "./headers.ts";
import { isToken } from "./mime-type.ts";
import { makeUuid } from "./random.ts";
import { GuestURL, parseUrl } from "./url.ts";
import {
  defineInterface,
  INTERNAL,
  isObject,
  requireArguments,
  toByteString,
  toDictionary,
  toDomString,
  toEnum,
  toUsvString,
} from "./webidl.ts";

const NORMALIZED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);
const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);
const NO_CORS_METHODS = new Set(["GET", "HEAD", "POST"]);
const REFERRER_POLICIES = [
  "",
  "no-referrer",
  "no-referrer-when-downgrade",
  "same-origin",
  "origin",
  "strict-origin",
  "origin-when-cross-origin",
  "strict-origin-when-cross-origin",
  "unsafe-url",
] as const;
const MODES = ["navigate", "same-origin", "no-cors", "cors"] as const;
const CREDENTIALS = ["omit", "same-origin", "include"] as const;
const CACHES = ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"] as const;
const REDIRECTS = ["follow", "error", "manual"] as const;
const PRIORITIES = ["high", "low", "auto"] as const;

/** What a request is apart from its wrapper. */
export interface RequestState {
  method: string;
  url: URL;
  headers: HeaderList;
  body: Body | null;
  referrer: string;
  referrerPolicy: string;
  mode: string;
  credentials: string;
  cache: string;
  redirect: (typeof REDIRECTS)[number];
  integrity: string;
  keepalive: boolean;
}

/** Where authors' code defines a `location`, relative URLs are taken from it. */
export function baseUrl(): string | undefined {
  const { location } = globalThis as { location?: { href?: unknown } };
  return typeof location?.href === "string" ? location.href : undefined;
}

export let requestStateOf: (request: GuestRequest) => RequestState;
export let isRequest: (value: unknown) => value is GuestRequest;
let signalOf: (request: GuestRequest) => GuestAbortSignal;
let holderOf: (request: GuestRequest) => { body: Body | null; contentType: string | null };

export class GuestRequest {
  #state: RequestState;
  #headers: GuestHeaders;
  #signal: GuestAbortSignal;

  constructor(input: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "Request");
    if (input === INTERNAL) {
      this.#state = init as RequestState;
      this.#signal = signals.create();
      this.#headers = headersPowers.create(this.#state.headers, "immutable");
      return;
    }
    const options = readInit(init);
    const source = isRequest(input) ? input : undefined;
    const state = source ? copyState(source.#state) : newState(input);
    state.headers = new HeaderList(state.headers.pairs);
    applyInit(state, options, source === undefined);
    const signal =
      options.signal === undefined ? (source ? source.#signal : undefined) : (options.signal ?? undefined);
    this.#state = state;
    this.#signal = signals.follow(signal ? [signal] : []);
    this.#headers = headersPowers.create(state.headers, "request");
    if (state.mode === "no-cors") {
      if (!NO_CORS_METHODS.has(state.method)) throw new TypeError(`'${state.method}' cannot go with no-cors`);
      this.#headers = headersPowers.create(state.headers, "request-no-cors");
    }
    if (options.isGiven) {
      const headers = options.headers ?? new HeaderList(state.headers.pairs).pairs;
      state.headers.clear();
      if (headersPowers.is(headers)) {
        for (const [name, value] of headersPowers.listOf(headers).pairs) this.#headers.append(name, value);
      } else headersPowers.fill(this.#headers, headers);
    }
    this.#takeBody(source ? source.#state.body : null, options);
  }

  #takeBody(inputBody: Body | null, options: RequestOptions): void {
    const state = this.#state;
    const hasBody = options.body !== undefined && options.body !== null;
    if ((hasBody || (inputBody && options.body === undefined)) && /^(?:GET|HEAD)$/.test(state.method)) {
      throw new TypeError("A GET or HEAD request cannot have a body");
    }
    if (hasBody) {
      const { body, type } = extractBody(options.body, makeUuid, state.keepalive);
      if (type !== undefined && !state.headers.has("content-type"))
        this.#headers.append("content-type", type);
      if (body.bytes === undefined) {
        if (options.duplex === undefined)
          throw new TypeError("A stream as body needs the option duplex: 'half'");
        if (state.mode !== "same-origin" && state.mode !== "cors") {
          throw new TypeError("A stream as body needs the mode same-origin or cors");
        }
      }
      state.body = body;
    } else if (inputBody && options.body === undefined) {
      if (inputBody.isUnusable) throw new TypeError("The request's body was already read");
      state.body = inputBody.take();
    }
  }

  get method() {
    return this.#state.method;
  }
  get url() {
    return this.#state.url.href;
  }
  get headers() {
    return this.#headers;
  }
  get destination() {
    this.#state;
    return "";
  }
  get referrer() {
    return this.#state.referrer;
  }
  get referrerPolicy() {
    return this.#state.referrerPolicy;
  }
  get mode() {
    return this.#state.mode;
  }
  get credentials() {
    return this.#state.credentials;
  }
  get cache() {
    return this.#state.cache;
  }
  get redirect() {
    return this.#state.redirect;
  }
  get integrity() {
    return this.#state.integrity;
  }
  get keepalive() {
    return this.#state.keepalive;
  }
  get isReloadNavigation() {
    this.#state;
    return false;
  }
  get isHistoryNavigation() {
    this.#state;
    return false;
  }
  get signal() {
    return this.#signal;
  }
  get duplex() {
    this.#state;
    return "half";
  }

  clone() {
    const { body } = this.#state;
    if (body?.isUnusable) throw new TypeError("The request's body was already read");
    const copy = new GuestRequest(this.#state.url.href);
    copy.#state = {
      ...copyState(this.#state),
      headers: new HeaderList(this.#state.headers.pairs),
      body: body?.clone() ?? null,
    };
    copy.#headers = headersPowers.create(copy.#state.headers, headersPowers.guardOf(this.#headers));
    copy.#signal = signals.follow([this.#signal]);
    return copy;
  }

  static {
    requestStateOf = (request) => request.#state;
    signalOf = (request) => request.#signal;
    isRequest = (value): value is GuestRequest => isObject(value) && #state in value;
    holderOf = (request) => ({
      body: request.#state.body,
      contentType: request.#state.headers.get("content-type"),
    });
  }
}

function newState(input: unknown): RequestState {
  const text = toUsvString(input);
  const url = parseUrl(text, baseUrl());
  if (!url) throw new TypeError(`'${text}' is not a valid URL`);
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("A request's URL cannot hold credentials");
  }
  return { ...DEFAULT_STATE, method: "GET", url, headers: new HeaderList(), body: null };
}

const DEFAULT_STATE: Omit<RequestState, "method" | "url" | "headers" | "body"> = {
  referrer: "about:client",
  referrerPolicy: "",
  mode: "cors",
  credentials: "same-origin",
  cache: "default",
  redirect: "follow",
  integrity: "",
  keepalive: false,
};

/** But for its body. */
function copyState(state: RequestState): RequestState {
  return { ...state, url: state.url, body: null };
}

/** Of a request that came from outside. Its URL is parsed where somebody asks for it: that takes longer than all else here. */
class IncomingState implements RequestState {
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: Body | null;
  readonly referrer = DEFAULT_STATE.referrer;
  readonly referrerPolicy = DEFAULT_STATE.referrerPolicy;
  readonly mode = DEFAULT_STATE.mode;
  readonly credentials = DEFAULT_STATE.credentials;
  readonly cache = DEFAULT_STATE.cache;
  // What the author fetches with it answers its own redirects to the caller.
  readonly redirect = "manual";
  readonly integrity = DEFAULT_STATE.integrity;
  readonly keepalive = DEFAULT_STATE.keepalive;
  readonly #address: string;
  #url: URL | undefined;

  constructor(method: string, address: string, headers: HeaderList, body: Body | null) {
    this.method = method;
    this.#address = address;
    this.headers = headers;
    this.body = body;
  }

  get url(): URL {
    this.#url ??= new GuestURL(this.#address);
    return this.#url;
  }
}

/** A request that came from outside; `abort` tells its signal that the caller is gone. */
export function incomingRequest(
  { method, url, headers, body }: { method: string; url: string; headers: HeaderPair[]; body?: string },
  source: ByteSource | undefined,
): { request: GuestRequest; abort(): void } {
  const content = source ? Body.ofSource(source) : body === undefined ? null : Body.ofText(body);
  const state = new IncomingState(method, url, new HeaderList(headers), content);
  const request = new GuestRequest(INTERNAL, state);
  // What other platforms tell of the caller's whereabouts; here nothing is known of them.
  Object.defineProperty(request, "cf", { value: {}, writable: true, enumerable: true, configurable: true });
  const signal = signalOf(request);
  return { request, abort: () => signals.abort(signal) };
}

interface RequestOptions {
  isGiven: boolean;
  method?: string;
  headers?: unknown;
  body?: unknown;
  referrer?: string;
  referrerPolicy?: string;
  mode?: string;
  credentials?: string;
  cache?: string;
  redirect?: (typeof REDIRECTS)[number];
  integrity?: string;
  keepalive?: boolean;
  signal?: GuestAbortSignal | null;
  duplex?: string;
}

/** RequestInit, converted in Web IDL's order. */
function readInit(init: unknown): RequestOptions {
  const given = toDictionary(init, "The request's init");
  const options: RequestOptions = { isGiven: false };
  const take = <K extends keyof RequestOptions>(
    key: K & string,
    convert: (value: unknown) => RequestOptions[K],
  ) => {
    const value = given[key];
    if (value === undefined) return;
    options[key] = convert(value);
    options.isGiven = true;
  };
  take("body", (value) => value);
  take("cache", (value) => toEnum(value, CACHES, "cache"));
  take("credentials", (value) => toEnum(value, CREDENTIALS, "credentials"));
  take("duplex", (value) => toEnum(value, ["half"], "duplex"));
  take("headers", (value) => value);
  take("integrity", toDomString);
  take("keepalive", Boolean);
  take("method", toByteString);
  take("mode", (value) => toEnum(value, MODES, "mode"));
  if (given["priority"] !== undefined) toEnum(given["priority"], PRIORITIES, "priority");
  take("redirect", (value) => toEnum(value, REDIRECTS, "redirect"));
  take("referrer", toUsvString);
  take("referrerPolicy", (value) => toEnum(value, REFERRER_POLICIES, "referrerPolicy"));
  take("signal", (value) => {
    if (value !== null && !signals.isSignal(value))
      throw new TypeError("The option 'signal' is not an AbortSignal");
    return value;
  });
  const { window } = given;
  if (window !== undefined && window !== null) throw new TypeError("The option 'window' can only be null");
  return options;
}

function applyInit(state: RequestState, options: RequestOptions, isNew: boolean): void {
  if (options.isGiven) {
    if (state.mode === "navigate") state.mode = "same-origin";
    state.referrer = "about:client";
    state.referrerPolicy = "";
  }
  if (options.referrer !== undefined) state.referrer = toReferrer(options.referrer);
  if (options.referrerPolicy !== undefined) state.referrerPolicy = options.referrerPolicy;
  const mode = options.mode ?? (isNew ? "cors" : state.mode);
  if (mode === "navigate") throw new TypeError("A request's mode cannot be navigate");
  state.mode = mode;
  state.credentials = options.credentials ?? state.credentials;
  state.cache = options.cache ?? state.cache;
  if (state.cache === "only-if-cached" && state.mode !== "same-origin") {
    throw new TypeError("only-if-cached goes with the mode same-origin alone");
  }
  state.redirect = options.redirect ?? state.redirect;
  state.integrity = options.integrity ?? state.integrity;
  state.keepalive = options.keepalive ?? state.keepalive;
  if (options.method !== undefined) state.method = toMethod(options.method);
}

function toReferrer(referrer: string): string {
  if (referrer === "") return "";
  const base = baseUrl();
  const url = parseUrl(referrer, base);
  if (!url) throw new TypeError(`The referrer '${referrer}' is not a valid URL`);
  if (url.protocol === "about:" && url.pathname === "client") return "about:client";
  return base !== undefined && url.origin === new GuestURL(base).origin ? url.href : "about:client";
}

function toMethod(method: string): string {
  const upper = method.toUpperCase();
  if (!isToken(method)) throw new TypeError(`'${method}' is not a method`);
  if (FORBIDDEN.has(upper)) throw new TypeError(`The method '${method}' is forbidden`);
  return NORMALIZED.has(upper) ? upper : method;
}

export function installRequest(): void {
  defineBody(GuestRequest, (request) => holderOf(request));
  defineInterface("Request", GuestRequest);
}
