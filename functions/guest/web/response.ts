/** Response of the fetch standard. */
import { type Body, defineBody, extractBody } from "./body.ts";
import {
  type GuestHeaders,
  HeaderList,
  type HeaderPair,
  type HeadersGuard,
  headersPowers,
} from "./headers.ts";
import { makeUuid } from "./random.ts";
import { baseUrl } from "./request.ts";
import { parseUrl } from "./url.ts";
import {
  defineInterface,
  isObject,
  requireArguments,
  toByteString,
  toDictionary,
  toUnsigned,
  toUsvString,
} from "./webidl.ts";

const NULL_BODY_STATUSES = [101, 103, 204, 205, 304];
const REDIRECT_STATUSES = [301, 302, 303, 307, 308];

export function isNullBodyStatus(status: number): boolean {
  return NULL_BODY_STATUSES.includes(status);
}

interface ResponseState {
  type: "default" | "basic" | "error";
  url: string;
  redirected: boolean;
  status: number;
  statusText: string;
  body: Body | null;
}

let holderOf: (response: GuestResponse) => { body: Body | null; contentType: string | null };
export let isResponse: (value: unknown) => value is GuestResponse;
/** What is sent of a response. */
export let responsePartsOf: (
  response: GuestResponse,
) => Pick<ResponseState, "type" | "status" | "statusText" | "body"> & { headers: readonly HeaderPair[] };
let makeResponse: (state: ResponseState, headers: HeaderList, guard: HeadersGuard) => GuestResponse;

export class GuestResponse {
  #state: ResponseState = {
    type: "default",
    url: "",
    redirected: false,
    status: 200,
    statusText: "",
    body: null,
  };
  #headers: GuestHeaders = headersPowers.create(new HeaderList(), "response");

  constructor(body: unknown = null, init: unknown = {}) {
    const options = readInit(init);
    const extracted = body === null || body === undefined ? undefined : extractBody(body, makeUuid);
    this.#initialize(options, extracted);
  }

  #initialize(
    { status, statusText, headers }: ResponseOptions,
    content: ReturnType<typeof extractBody> | undefined,
  ) {
    if (status < 200 || status > 599)
      throw new RangeError(`A response's status is from 200 to 599, not ${status}`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(statusText)) throw new TypeError("The status text is not valid");
    this.#state.status = status;
    this.#state.statusText = statusText;
    if (headers !== undefined) headersPowers.fill(this.#headers, headers);
    if (!content) return;
    if (isNullBodyStatus(status)) throw new TypeError(`A response with status ${status} cannot have a body`);
    this.#state.body = content.body;
    const list = headersPowers.listOf(this.#headers);
    if (content.type !== undefined && !list.has("content-type")) list.append("content-type", content.type);
  }

  static error() {
    const state: ResponseState = {
      type: "error",
      url: "",
      redirected: false,
      status: 0,
      statusText: "",
      body: null,
    };
    return makeResponse(state, new HeaderList(), "immutable");
  }

  static redirect(url: unknown, status: unknown = 302) {
    requireArguments(arguments.length, 1, "Response.redirect");
    const target = parseUrl(toUsvString(url), baseUrl());
    if (!target) throw new TypeError("Response.redirect needs a valid URL");
    const code = toUnsigned(status, 16);
    if (!REDIRECT_STATUSES.includes(code)) throw new RangeError(`${code} is not a redirect status`);
    const state: ResponseState = {
      type: "default",
      url: "",
      redirected: false,
      status: code,
      statusText: "",
      body: null,
    };
    return makeResponse(state, new HeaderList([["location", target.href]]), "immutable");
  }

  static json(data: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "Response.json");
    const text = JSON.stringify(data) as string | undefined;
    if (text === undefined) throw new TypeError("The value cannot be written as JSON");
    const { body } = extractBody(text, makeUuid);
    const response = new GuestResponse();
    response.#initialize(readInit(init), { body, type: "application/json" });
    return response;
  }

  get type() {
    return this.#state.type;
  }
  get url() {
    return this.#state.url;
  }
  get redirected() {
    return this.#state.redirected;
  }
  get status() {
    return this.#state.status;
  }
  get ok() {
    const { status } = this.#state;
    return status >= 200 && status <= 299;
  }
  get statusText() {
    return this.#state.statusText;
  }
  get headers() {
    return this.#headers;
  }

  clone() {
    const { body } = this.#state;
    if (body?.isUnusable) throw new TypeError("The response's body was already read");
    const list = new HeaderList(headersPowers.listOf(this.#headers).pairs);
    return makeResponse(
      { ...this.#state, body: body?.clone() ?? null },
      list,
      headersPowers.guardOf(this.#headers),
    );
  }

  static {
    isResponse = (value): value is GuestResponse => isObject(value) && #state in value;
    holderOf = (response) => ({
      body: response.#state.body,
      contentType: headersPowers.listOf(response.#headers).get("content-type"),
    });
    responsePartsOf = (response) => {
      const { type, status, statusText, body } = response.#state;
      return { type, status, statusText, body, headers: headersPowers.listOf(response.#headers).pairs };
    };
    makeResponse = (state, headers, guard) => {
      const response = new GuestResponse();
      response.#state = state;
      response.#headers = headersPowers.create(headers, guard);
      return response;
    };
  }
}

interface ResponseOptions {
  status: number;
  statusText: string;
  headers: unknown;
}

function readInit(init: unknown): ResponseOptions {
  const { headers, status = 200, statusText = "" } = toDictionary(init, "The response's init");
  return { headers, status: toUnsigned(status, 16), statusText: toByteString(statusText) };
}

/** A response that came from outside. */
export function networkResponse(facts: Omit<ResponseState, "type">, headers: HeaderList): GuestResponse {
  return makeResponse({ ...facts, type: "basic" }, headers, "immutable");
}

export function installResponse(): void {
  defineBody(GuestResponse, (response) => holderOf(response));
  defineInterface("Response", GuestResponse);
}
