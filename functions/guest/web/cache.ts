/**
 * `caches`: responses by their request's URL and what they vary by, in this isolate's memory. Small, and gone with the isolate: a cache may
 * forget at any time, so nothing of it is kept outside.
 */
import {
  dateNow,
  mapDelete,
  mapForEach,
  mapGet,
  mapSet,
  NativeBytes,
  NativeMap,
  NativeTypeError,
  toText,
} from "../run/primordials.ts";
import { type Answered, decideAnswer } from "./conditional-answer.ts";
import { HeaderList, type HeaderPair } from "./headers.ts";
import { GuestRequest, isRequest } from "./request.ts";
import { GuestResponse, isResponse, responsePartsOf } from "./response.ts";
import {
  defineInterface,
  defineReplaceable,
  INTERNAL,
  refuseConstruction,
  requireArguments,
} from "./webidl.ts";

/** Of all caches of the isolate together; the ones used longest ago go first. */
const MAX_ENTRIES = 100;
const MAX_BYTES = 2_000_000;

interface Kept {
  cacheName: string;
  url: string;
  /** The headers that the response varies by, as its request had them. */
  varies: [name: string, value: string | null][];
  status: number;
  headers: HeaderPair[];
  bytes: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970; Infinity: the response says nothing of it. */
  freshUntil: number;
}

/** What is asked of a cache. */
interface Asked {
  url: string;
  method: string;
  headers: Pick<Headers, "get">;
}

interface MatchOptions {
  ignoreMethod?: unknown;
  ignoreSearch?: unknown;
  ignoreVary?: unknown;
}

/** By numbers that count up, in the order of their use. */
const kept = new NativeMap<number, Kept>();
let nextNo = 1;
let keptBytes = 0;
let keptCount = 0;

function forget(no: number): void {
  keptBytes -= mapGet(kept, no)!.bytes.byteLength;
  keptCount--;
  mapDelete(kept, no);
}

function keep(one: Kept): void {
  if (one.bytes.byteLength > MAX_BYTES) return;
  mapSet(kept, nextNo++, one);
  keptBytes += one.bytes.byteLength;
  keptCount++;
  mapForEach(kept, (_, no) => {
    if (keptCount > MAX_ENTRIES || keptBytes > MAX_BYTES) forget(no);
  });
}

const withoutSearch = (url: string) => url.replace(/\?.*$/s, "");

/** The numbers of what answers the request; a cache without a name is any. */
function find(cacheName: string | undefined, { url, headers }: Asked, options: MatchOptions): number[] {
  const found: number[] = [];
  const toUrl = options.ignoreSearch ? withoutSearch : (whole: string) => whole;
  mapForEach(kept, (one, no) => {
    if (one.freshUntil <= dateNow()) forget(no);
    else if ((cacheName === undefined || one.cacheName === cacheName) && toUrl(one.url) === toUrl(url)) {
      let agrees = true;
      for (let i = 0; i < one.varies.length && !options.ignoreVary; i++) {
        const [name, value] = one.varies[i]!;
        agrees = agrees && headers.get(name) === value;
      }
      if (agrees) found[found.length] = no;
    }
  });
  return found;
}

function answer(cacheName: string | undefined, request: unknown, options: MatchOptions) {
  const asked = toAsked(request);
  if (asked.method !== "GET" && asked.method !== "HEAD" && !options.ignoreMethod) return undefined;
  const no = find(cacheName, asked, options)[0];
  if (no === undefined) return undefined;
  const found = mapGet(kept, no)!;
  mapDelete(kept, no);
  mapSet(kept, nextNo++, found);
  const answered =
    found.status === 200
      ? decideAnswer(asked.headers, new HeaderList(found.headers), found.bytes.byteLength)
      : WHOLE;
  return toResponse(found, answered, asked.method === "HEAD");
}

const WHOLE: Answered = { kind: "whole" };

function toResponse({ status, headers, bytes }: Kept, answered: Answered, isHead: boolean) {
  const list = new HeaderList(headers.map((pair): HeaderPair => [...pair]));
  const respond = (body: Uint8Array<ArrayBuffer> | null, given = status) =>
    new GuestResponse(isHead ? null : body, { status: given, headers: list.pairs });
  switch (answered.kind) {
    case "whole":
      return respond([204, 205, 304].includes(status) ? null : bytes.slice());
    case "not modified":
      list.delete("content-length");
      return respond(null, 304);
    case "part": {
      const { first, last } = answered;
      list.set("content-range", `bytes ${first}-${last}/${bytes.byteLength}`);
      list.set("content-length", toText(last - first + 1));
      return respond(bytes.slice(first, last + 1), 206);
    }
    case "no such part":
      list.set("content-range", `bytes */${bytes.byteLength}`);
      list.delete("content-length");
      return respond(null, 416);
  }
}

/** How long the response may be answered again; undefined: not at all. */
function freshUntilOf(headers: HeaderList): number | undefined {
  const control = headers.get("cache-control")?.toLowerCase() ?? "";
  if (/\b(?:no-store|private|no-cache)\b/.test(control) || headers.get("set-cookie") !== null)
    return undefined;
  const seconds = /\bs-maxage="?(\d+)/.exec(control)?.[1] ?? /\bmax-age="?(\d+)/.exec(control)?.[1];
  const expires = headers.get("expires");
  const until =
    seconds !== undefined
      ? dateNow() + Number(seconds) * 1_000
      : expires === null
        ? Number.POSITIVE_INFINITY
        : Date.parse(expires);
  return until > dateNow() ? until : undefined;
}

function toAsked(given: unknown): Asked {
  const request = (isRequest(given) ? given : new GuestRequest(toText(given))) as unknown as Request;
  return { url: request.url.replace(/#.*$/, ""), method: request.method, headers: request.headers };
}

class GuestCache {
  readonly #name: string;

  constructor(mark?: unknown, name = "") {
    refuseConstruction(mark);
    this.#name = name;
  }

  async match(request: unknown, options: MatchOptions = {}) {
    requireArguments(arguments.length, 1, "Cache.match");
    return answer(this.#name, request, options);
  }

  async put(request: unknown, response: unknown): Promise<void> {
    requireArguments(arguments.length, 2, "Cache.put");
    const asked = toAsked(request);
    if (asked.method !== "GET" || !/^https?:/.test(asked.url)) {
      throw new NativeTypeError("Only responses to GET over HTTP are kept in a cache");
    }
    if (!isResponse(response)) throw new NativeTypeError("Cache.put takes a Response");
    const { status, headers, body } = responsePartsOf(response);
    const list = new HeaderList([...headers]);
    const vary = (list.get("vary") ?? "").split(",").map((name) => name.trim());
    if (status === 206 || vary.includes("*")) {
      throw new NativeTypeError("A response with the status 206 or Vary: * is not kept in a cache");
    }
    if (body?.isUnusable) throw new NativeTypeError("The response's body was already read");
    const varies = vary
      .filter((name) => name !== "")
      .map((name): Kept["varies"][number] => [name, asked.headers.get(name)]);
    const freshUntil = freshUntilOf(list);
    const bytes = new NativeBytes(await (response as unknown as globalThis.Response).arrayBuffer());
    if (freshUntil === undefined) return;
    for (const no of find(this.#name, asked, {})) forget(no);
    keep({ cacheName: this.#name, url: asked.url, varies, status, headers: [...headers], bytes, freshUntil });
  }

  async delete(request: unknown, options: MatchOptions = {}): Promise<boolean> {
    requireArguments(arguments.length, 1, "Cache.delete");
    const asked = toAsked(request);
    if (asked.method !== "GET" && !options.ignoreMethod) return false;
    const found = find(this.#name, asked, options);
    for (const no of found) forget(no);
    return found.length > 0;
  }
}

class GuestCacheStorage {
  readonly #default = new GuestCache(INTERNAL);

  constructor(mark?: unknown) {
    refuseConstruction(mark);
  }
  get default() {
    return this.#default;
  }
  async open(name: unknown) {
    requireArguments(arguments.length, 1, "CacheStorage.open");
    return new GuestCache(INTERNAL, `named ${toText(name)}`);
  }
  async match(request: unknown, options: MatchOptions = {}) {
    requireArguments(arguments.length, 1, "CacheStorage.match");
    return answer(undefined, request, options);
  }
}

export function installCaches(): void {
  defineInterface("Cache", GuestCache, 0);
  defineInterface("CacheStorage", GuestCacheStorage, 0);
  const caches = new GuestCacheStorage(INTERNAL);
  defineReplaceable("caches", () => caches);
}
