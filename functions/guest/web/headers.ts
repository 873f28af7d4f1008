/** Headers of the fetch standard. */
import { defineIterable } from "./iterable.ts";
import { isToken, parseMimeType } from "./mime-type.ts";
import { defineInterface, isObject, requireArguments, toByteString, toSequence } from "./webidl.ts";

export type HeadersGuard = "none" | "immutable" | "request" | "request-no-cors" | "response";
export type HeaderPair = [name: string, value: string];

/** A header list, in the order of its making; names keep their spelling. */
export class HeaderList {
  readonly pairs: HeaderPair[];
  #sorted: HeaderPair[] | undefined;

  constructor(pairs: readonly HeaderPair[] = []) {
    this.pairs = [...pairs];
  }

  append(name: string, value: string): void {
    const lower = name.toLowerCase();
    const first = this.pairs.find((pair) => pair[0].toLowerCase() === lower);
    this.pairs.push([first ? first[0] : name, value]);
    this.#sorted = undefined;
  }

  set(name: string, value: string): void {
    const lower = name.toLowerCase();
    const index = this.pairs.findIndex((pair) => pair[0].toLowerCase() === lower);
    this.#sorted = undefined;
    if (index < 0) {
      this.pairs.push([name, value]);
      return;
    }
    this.pairs[index]![1] = value;
    for (let i = this.pairs.length - 1; i > index; i--) {
      if (this.pairs[i]![0].toLowerCase() === lower) this.pairs.splice(i, 1);
    }
  }

  delete(name: string): void {
    const lower = name.toLowerCase();
    for (let i = this.pairs.length - 1; i >= 0; i--) {
      if (this.pairs[i]![0].toLowerCase() === lower) this.pairs.splice(i, 1);
    }
    this.#sorted = undefined;
  }

  clear(): void {
    this.pairs.length = 0;
    this.#sorted = undefined;
  }

  /** Values combined by ", "; null where there is none. */
  get(name: string): string | null {
    const values = this.getAll(name);
    return values.length === 0 ? null : values.join(", ");
  }

  getAll(name: string): string[] {
    const lower = name.toLowerCase();
    return this.pairs.filter((pair) => pair[0].toLowerCase() === lower).map((pair) => pair[1]);
  }

  has(name: string): boolean {
    const lower = name.toLowerCase();
    return this.pairs.some((pair) => pair[0].toLowerCase() === lower);
  }

  /** Sorted by lower-case name and combined, except `set-cookie`. */
  sorted(): readonly HeaderPair[] {
    if (this.#sorted) return this.#sorted;
    const combined = new Map<string, string[]>();
    for (const [name, value] of this.pairs) {
      const lower = name.toLowerCase();
      const values = combined.get(lower);
      if (values) values.push(value);
      else combined.set(lower, [value]);
    }
    const names = [...combined.keys()].sort();
    this.#sorted = names.flatMap((name): HeaderPair[] => {
      const values = combined.get(name)!;
      return name === "set-cookie" ? values.map((value) => [name, value]) : [[name, values.join(", ")]];
    });
    return this.#sorted;
  }
}

/** What the guest's own code does with headers. */
export interface HeadersPowers {
  create(list: HeaderList, guard: HeadersGuard): GuestHeaders;
  listOf(headers: GuestHeaders): HeaderList;
  guardOf(headers: GuestHeaders): HeadersGuard;
  /** From what authors give as `headers`. Throws TypeError. */
  fill(headers: GuestHeaders, init: unknown): void;
  is(value: unknown): value is GuestHeaders;
}

export let headersPowers: HeadersPowers;

export class GuestHeaders {
  #list = new HeaderList();
  #guard: HeadersGuard = "none";

  constructor(init: unknown = undefined) {
    if (init !== undefined) fill(this, init);
  }

  append(name: unknown, value: unknown) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "Headers.append");
    append(list, this.#guard, toByteString(name), toByteString(value));
  }

  delete(name: unknown) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.delete");
    const wanted = checkName(name);
    checkMutable(this.#guard);
    if (this.#guard === "request-no-cors" && !NO_CORS_NAMES.has(wanted.toLowerCase())) {
      if (wanted.toLowerCase() !== "range") return;
    }
    list.delete(wanted);
  }

  get(name: unknown) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.get");
    return list.get(checkName(name));
  }

  getSetCookie() {
    return this.#list.getAll("set-cookie");
  }

  has(name: unknown) {
    const list = this.#list;
    requireArguments(arguments.length, 1, "Headers.has");
    return list.has(checkName(name));
  }

  set(name: unknown, value: unknown) {
    const list = this.#list;
    requireArguments(arguments.length, 2, "Headers.set");
    const wanted = toByteString(name);
    const normal = normalize(toByteString(value));
    checkName(wanted);
    checkValue(wanted, normal);
    checkMutable(this.#guard);
    if (this.#guard === "request-no-cors" && !isNoCorsSafe(wanted, normal)) return;
    list.set(wanted, normal);
    if (this.#guard === "request-no-cors") list.delete("range");
  }

  static {
    const create = (list: HeaderList, guard: HeadersGuard) => {
      const headers = new GuestHeaders();
      headers.#list = list;
      headers.#guard = guard;
      return headers;
    };
    headersPowers = {
      create,
      listOf: (headers) => headers.#list,
      guardOf: (headers) => headers.#guard,
      is: (value): value is GuestHeaders => isObject(value) && #list in value,
      fill: (headers, init) => fill(headers, init),
    };
  }
}

function fill(headers: GuestHeaders, init: unknown): void {
  const { listOf, guardOf } = headersPowers;
  for (const [name, value] of toPairs(init)) append(listOf(headers), guardOf(headers), name, value);
}

/** A sequence of pairs or a record, converted before anything is appended. */
function toPairs(init: unknown): HeaderPair[] {
  if (!isObject(init)) throw new TypeError("Headers are made of pairs or of an object");
  const method = (init as { [Symbol.iterator]?: unknown })[Symbol.iterator];
  if (method !== undefined && method !== null) {
    return toSequence(init, "The headers").map((entry) => {
      const pair = toSequence(entry, "A header");
      if (pair.length !== 2) throw new TypeError("A header is a name and a value");
      return [toByteString(pair[0]), toByteString(pair[1])];
    });
  }
  const pairs = new Map<string, string>();
  for (const key of Reflect.ownKeys(init)) {
    if (!Object.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
    const name = toByteString(key);
    pairs.set(name, toByteString((init as Record<string | symbol, unknown>)[key]));
  }
  return [...pairs];
}

const NO_CORS_NAMES = new Set(["accept", "accept-language", "content-language", "content-type"]);
const PLAIN_TYPES = new Set(["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]);
const NO_CORS_MAX_CHARS = 128;

/** Of the no-CORS-safelisted request headers. */
function isNoCorsSafe(name: string, value: string): boolean {
  const lower = name.toLowerCase();
  if (!NO_CORS_NAMES.has(lower) || value.length > NO_CORS_MAX_CHARS) return false;
  if (lower === "accept") return !hasUnsafeByte(value);
  if (lower !== "content-type") return /^[0-9A-Za-z *,\-.;=]*$/.test(value);
  return !hasUnsafeByte(value) && PLAIN_TYPES.has(parseMimeType(value)?.essence ?? "");
}

function hasUnsafeByte(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the fetch standard's list of unsafe bytes.
  return /[\0-\x08\x0a-\x1f"():<>?@[\\\]{}\x7f]/.test(value);
}

function append(list: HeaderList, guard: HeadersGuard, name: string, value: string): void {
  const normal = normalize(value);
  checkName(name);
  checkValue(name, normal);
  checkMutable(guard);
  if (guard === "request-no-cors") {
    const before = list.get(name);
    if (!isNoCorsSafe(name, before === null ? normal : `${before}, ${normal}`)) return;
  }
  list.append(name, normal);
  if (guard === "request-no-cors") list.delete("range");
}

function normalize(value: string): string {
  return value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
}

function checkName(value: unknown): string {
  const name = toByteString(value);
  if (!isToken(name)) throw new TypeError(`'${name}' is not a valid header name`);
  return name;
}

function checkValue(name: string, value: string): void {
  if (/[\0\n\r]/.test(value)) throw new TypeError(`The value of the header '${name}' is not valid`);
}

function checkMutable(guard: HeadersGuard): void {
  if (guard === "immutable") throw new TypeError("These headers are immutable");
}

export function installHeaders(): void {
  defineInterface("Headers", GuestHeaders);
  defineIterable(GuestHeaders, "Headers", (headers) => headersPowers.listOf(headers).sorted());
}
