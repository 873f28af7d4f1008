/**
 * `caches`: responses by their request's URL, in this isolate's memory. Small, and gone with the isolate: a cache may
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
  status: number;
  headers: HeaderPair[];
  bytes: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970; Infinity: the response says nothing of it. */
  freshUntil: number;
}

/** In the order of their use. */
const kept = new NativeMap<string, Kept>();
let keptBytes = 0;
let keptCount = 0;

function forget(key: string): boolean {
  const known = mapGet(kept, key);
  if (known === undefined) return false;
  mapDelete(kept, key);
  keptBytes -= known.bytes.byteLength;
  keptCount--;
  return true;
}

function keep(key: string, one: Kept): void {
  forget(key);
  if (one.bytes.byteLength > MAX_BYTES) return;
  mapSet(kept, key, one);
  keptBytes += one.bytes.byteLength;
  keptCount++;
  if (keptCount <= MAX_ENTRIES && keptBytes <= MAX_BYTES) return;
  const oldest: string[] = [];
  mapForEach(kept, (_, each) => {
    oldest[oldest.length] = each;
  });
  for (let i = 0; keptCount > MAX_ENTRIES || keptBytes > MAX_BYTES; i++) forget(oldest[i]!);
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

function toRequest(given: unknown): { url: string; method: string } {
  const request = isRequest(given) ? given : new GuestRequest(toText(given));
  return { url: (request.url as string).replace(/#.*$/, ""), method: request.method as string };
}

class GuestCache {
  readonly #name: string;

  constructor(mark?: unknown, name = "") {
    refuseConstruction(mark);
    this.#name = name;
  }

  #keyOf(url: string): string {
    return `${this.#name}\n${url}`;
  }

  async match(request: unknown, options: { ignoreMethod?: unknown } = {}) {
    requireArguments(arguments.length, 1, "Cache.match");
    const { url, method } = toRequest(request);
    if (method !== "GET" && method !== "HEAD" && !options.ignoreMethod) return undefined;
    const key = this.#keyOf(url);
    const found = mapGet(kept, key);
    if (found === undefined) return undefined;
    if (found.freshUntil <= dateNow()) {
      forget(key);
      return undefined;
    }
    mapDelete(kept, key);
    mapSet(kept, key, found);
    const { status, headers, bytes } = found;
    const hasBody = method !== "HEAD" && ![204, 205, 304].includes(status);
    return new GuestResponse(hasBody ? bytes.slice() : null, {
      status,
      headers: headers.map((pair) => [...pair]),
    });
  }

  async put(request: unknown, response: unknown): Promise<void> {
    requireArguments(arguments.length, 2, "Cache.put");
    const { url, method } = toRequest(request);
    if (method !== "GET") throw new NativeTypeError("Only responses to GET are kept in a cache");
    if (!isResponse(response)) throw new NativeTypeError("Cache.put takes a Response");
    const { status, headers, body } = responsePartsOf(response);
    const list = new HeaderList([...headers]);
    if (status === 206 || (list.get("vary") ?? "").includes("*")) {
      throw new NativeTypeError("A response with the status 206 or Vary: * is not kept in a cache");
    }
    if (body?.isUnusable) throw new NativeTypeError("The response's body was already read");
    const freshUntil = freshUntilOf(list);
    const bytes = new NativeBytes(await (response as unknown as globalThis.Response).arrayBuffer());
    if (freshUntil !== undefined)
      keep(this.#keyOf(url), { status, headers: [...headers], bytes, freshUntil });
  }

  async delete(request: unknown, options: { ignoreMethod?: unknown } = {}): Promise<boolean> {
    requireArguments(arguments.length, 1, "Cache.delete");
    const { url, method } = toRequest(request);
    return (method === "GET" || Boolean(options.ignoreMethod)) && forget(this.#keyOf(url));
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
}

export function installCaches(): void {
  defineInterface("Cache", GuestCache, 0);
  defineInterface("CacheStorage", GuestCacheStorage, 0);
  const caches = new GuestCacheStorage(INTERNAL);
  defineReplaceable("caches", () => caches);
}
