/**
 * `env.KV`: the function's store in the shape that other platforms have, with metadata and expiry. An entry of it is one
 * of `ctx.kv` that says so; what `ctx.kv` set itself is read as text.
 */
import { decodeBase64, encodeBase64 } from "../web/base64.ts";
import { decodeIsomorphic, decodeUtf8, encodeUtf8 } from "../web/encoding.ts";
import { isReadableStream } from "../web/streams.ts";
import {
  assign,
  dateNow,
  defineProperty,
  freeze,
  hasOwn,
  isArray,
  mapSet,
  NativeBytes,
  NativeMap,
  NativeTypeError,
  parse,
  stringify,
  toText,
  trunc,
} from "./primordials.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Entry {
  key: string;
  value: unknown;
  version: string;
}

/** The part of `ctx.kv` that it needs. */
interface Kv {
  getEntry(key: unknown): Promise<Entry | undefined>;
  set(key: unknown, value: unknown): Promise<unknown>;
  delete(key: unknown, condition?: { ifVersion: string }): Promise<unknown>;
  list(options: {
    prefix?: string;
    after: string | null;
    limit: number;
  }): Promise<{ entries: Entry[]; after: string | null }>;
}

interface Stored {
  $kv: 1;
  text?: string;
  base64?: string;
  /** Seconds since 1970. */
  expiration?: number;
  metadata?: unknown;
}

type GetType = "text" | "json" | "arrayBuffer" | "stream";
type GetOptions = GetType | { type?: GetType };
type PutOptions = { expiration?: unknown; expirationTtl?: unknown; metadata?: unknown };
type ListOptions = { prefix?: string; limit?: number; cursor?: string };

const MAX_LISTED = 1_000;
const PAGE = 100;
/** That may be asked for at once. */
const MAX_KEYS = 100;

function toStored({ value }: Entry): Stored {
  const isOwn = typeof value === "object" && value !== null && (value as Partial<Stored>).$kv === 1;
  return isOwn ? (value as Stored) : { $kv: 1, text: typeof value === "string" ? value : stringify(value) };
}

const isExpired = ({ expiration }: Stored) => expiration !== undefined && expiration * 1_000 <= dateNow();

function toValue({ text, base64 = "" }: Stored, type: GetType): unknown {
  if (type === "text") return text ?? decodeUtf8(decodeBase64(base64)!);
  if (type === "json") return parse(text ?? decodeUtf8(decodeBase64(base64)!));
  const bytes = text === undefined ? decodeBase64(base64)! : encodeUtf8(text);
  if (type === "arrayBuffer")
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  if (type === "stream") return new Blob([bytes]).stream();
  throw new NativeTypeError(`KV has no type ${toText(type)}: it has text, json, arrayBuffer and stream`);
}

async function toContent(value: unknown): Promise<Pick<Stored, "text" | "base64">> {
  if (typeof value === "string") return { text: value };
  let bytes: Bytes;
  if (ArrayBuffer.isView(value))
    bytes = new NativeBytes(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  else if (value instanceof ArrayBuffer) bytes = new NativeBytes(value);
  else if (isReadableStream(value)) bytes = new NativeBytes(await new Response(value).arrayBuffer());
  else throw new NativeTypeError("KV.put takes a string, an ArrayBuffer, a view or a stream");
  return { base64: encodeBase64(decodeIsomorphic(bytes)) };
}

function toExpiration({ expiration, expirationTtl }: PutOptions): number | undefined {
  const seconds = expirationTtl === undefined ? expiration : dateNow() / 1_000 + Number(expirationTtl);
  if (seconds === undefined) return undefined;
  if (!(Number(seconds) > dateNow() / 1_000))
    throw new NativeTypeError("An entry of KV must expire in the future");
  return trunc(Number(seconds));
}

/**
 * The settings with it beside them, made when it is first looked at; a setting of that name stays. A module worker's
 * `env` lists it, as other platforms' do; `ctx.env` of a plain function lists the settings alone.
 */
export function withKvNamespace(
  settings: Readonly<Record<string, unknown>>,
  kvOf: () => Kv,
  isListed: boolean,
): Record<string, unknown> {
  const env = assign({}, settings);
  if (hasOwn(env, "KV")) return env;
  let made: object | undefined;
  defineProperty(env, "KV", {
    enumerable: isListed,
    get() {
      made ??= makeKvNamespace(kvOf());
      return made;
    },
  });
  return env;
}

/** Over the store of one run. */
function makeKvNamespace(kv: Kv): object {
  const find = async (key: unknown) => {
    const entry = await kv.getEntry(key);
    if (entry === undefined) return undefined;
    const stored = toStored(entry);
    if (!isExpired(stored)) return stored;
    await kv.delete(key, { ifVersion: entry.version });
    return undefined;
  };
  const typeOf = (options: GetOptions = "text") =>
    typeof options === "string" ? options : (options.type ?? "text");
  const get = async (key: unknown, options?: GetOptions) => {
    const stored = await find(key);
    return stored === undefined ? null : toValue(stored, typeOf(options));
  };
  const getWithMetadata = async (key: unknown, options?: GetOptions) => {
    const stored = await find(key);
    if (stored === undefined) return { value: null, metadata: null, cacheStatus: null };
    return { value: toValue(stored, typeOf(options)), metadata: stored.metadata ?? null, cacheStatus: null };
  };
  /** Of one key, or by their keys of several. */
  const ofKeys =
    (work: typeof get | typeof getWithMetadata) => async (key: unknown, options?: GetOptions) => {
      if (!isArray(key)) return await work(key, options);
      if (key.length > MAX_KEYS) throw new NativeTypeError(`KV gets at most ${MAX_KEYS} keys at once`);
      const found = new NativeMap<unknown, unknown>();
      for (let i = 0; i < key.length; i++) mapSet(found, key[i], await work(key[i], options));
      return found;
    };
  return freeze({
    get: ofKeys(get),
    getWithMetadata: ofKeys(getWithMetadata),
    async put(key: unknown, value: unknown, options: PutOptions = {}) {
      const { metadata } = options;
      const stored = { $kv: 1, ...(await toContent(value)), expiration: toExpiration(options), metadata };
      await kv.set(key, stored);
    },
    async delete(key: unknown) {
      await kv.delete(key);
    },
    async list({ prefix, limit = MAX_LISTED, cursor }: ListOptions = {}) {
      const keys: { name: string; expiration?: number; metadata?: unknown }[] = [];
      let after = cursor ?? null;
      do {
        const wanted = limit - keys.length < PAGE ? limit - keys.length : PAGE;
        const page: { entries: Entry[]; after: string | null } = await kv.list({
          ...(prefix === undefined ? {} : { prefix }),
          after,
          limit: wanted,
        });
        for (const entry of page.entries) {
          const stored = toStored(entry);
          if (isExpired(stored)) continue;
          const { expiration, metadata } = stored;
          keys[keys.length] = {
            name: entry.key,
            ...(expiration === undefined ? {} : { expiration }),
            ...(metadata === undefined ? {} : { metadata }),
          };
        }
        after = page.after;
      } while (after !== null && keys.length < limit);
      const rest = after === null ? { list_complete: true } : { list_complete: false, cursor: after };
      return { keys, ...rest, cacheStatus: null };
    },
  });
}
