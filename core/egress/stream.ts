/** A request whose bodies pass through as they come, redirects checked hop by hop. */
import type { Readable } from "node:stream";
import { type DecodeLimits, decodeBody, hasTooManyCodings, readCodings } from "./decode-body.ts";
import type { DecoderMemory } from "./decoder-memory.ts";
import { EgressError, signalAborted, tooManyRedirects } from "./egress-error.ts";
import { firstHop } from "./first-hop.ts";
import { toDecodedField } from "./headers.ts";
import type { Pools } from "./pools.ts";
import { type Hop, isRedirect, redirectHop } from "./redirect.ts";
import type { RequestBody } from "./request-body.ts";
import { resendIfStale } from "./resend.ts";
import { responseTooLarge, type StreamedHead, streamExchange } from "./streamed-exchange.ts";
import type { RulesOf } from "./tenant-rules.ts";

/** As many as the Fetch standard follows. */
export const MAX_STREAM_REDIRECTS = 20;
const DEFAULT_MAX_RESPONSE_BYTES = 100_000_000;
const NULL_BODY_STATUS = new Set([204, 205, 304]);

export interface EgressStreamRequest {
  /** Whose request it is: tenants share no connection, so none waits for, or speaks with, what another has opened. */
  tenant: string;
  /** Absolute http(s) URL. Credentials in it become an Authorization header, unless one is given. */
  url: string;
  method: string;
  /** `host`, framing and hop-by-hop fields are left out. */
  headers: Record<string, string>;
  /** Chunks are asked for as fast as the server takes them, and returned when they are not wanted any more. */
  body?: RequestBody | undefined;
  /** How many bytes a body of chunks will have; without it the body is sent in chunked encoding. */
  bodyBytes?: number | undefined;
  /** `manual` returns the 3xx itself, `error` fails on it. `follow` sends a body of chunks only once. */
  redirect: "follow" | "manual" | "error";
  /** Before each redirect is followed; what it throws ends the request. */
  onRedirect?: (() => void) | undefined;
  /** Ends the request at once, wherever it is, its body's reading too. */
  signal: AbortSignal;
  /** As received, and once more after each decoding. Default 100 MB. */
  maxResponseBytes?: number | undefined;
  /** Wait for a connection, per hop; upper bound and, but for the wait for a free one, default: the egress's own. */
  connectTimeoutMs?: number | undefined;
  /** Who the decoders of the answer count for. Default: this request alone, as far as its tenant may go. */
  decoding?: Decoding | undefined;
}

export interface Decoding {
  /** Requests with the same holder count together. */
  holder: object;
  maxBytes: number;
  /** Resolves when somebody reads the body: before that no decoder is made that would hold much. */
  wanted(): Promise<void>;
}

export interface EgressStreamResponse {
  status: number;
  statusText: string;
  /** As sent, in their order, without what speaks of the encoded bytes where their encoding is undone. */
  headers: [name: string, value: string][];
  /** Null where there can be none: HEAD, 204, 205, 304. gzip, deflate, br and zstd are undone. */
  body: AsyncIterable<Uint8Array> | null;
  /** Whether `body` is decoded, as soon as memory is granted for that. */
  isDecoded: boolean;
  /** The URL that answered, without credentials and fragment. */
  url: string;
  redirected: boolean;
}

export interface StreamParts {
  pools: Pools;
  rulesOf: RulesOf;
  decoders: DecoderMemory;
}

export async function streamRequest(
  { pools, rulesOf, decoders }: StreamParts,
  request: EgressStreamRequest,
): Promise<EgressStreamResponse> {
  const { signal, connectTimeoutMs, maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES } = request;
  const limits = { signal, maxResponseBytes, connectTimeoutMs };
  let hop = beginHop(request);
  for (let redirects = 0; ; redirects++) {
    const rules = await rulesOf(request, hop);
    const sent = hop;
    const pool = pools.get(sent.url, rules, request.tenant);
    const head = await resendIfStale(sent, () => streamExchange(pool, sent, limits));
    const location = locationToFollow(head, request.redirect);
    if (location === undefined) {
      return toResponse(sent, head, redirects > 0, {
        bound: (decoded) => atMost(decoded, sent.url.host, maxResponseBytes),
        ...decodeLimits(decoders, request),
      });
    }
    // Of a redirect's own body only what came with its head: then the connection serves on, else it is closed.
    head.body.destroy();
    hop = nextHop(sent, head.status, location, request, redirects);
  }
}

function decodeLimits(
  decoders: DecoderMemory,
  { tenant, signal, decoding }: EgressStreamRequest,
): Omit<DecodeLimits, "bound"> {
  const holder = decoding?.holder ?? {};
  const holderBytes = decoding?.maxBytes ?? Infinity;
  return {
    take: (bytes, onRevoked) => decoders.take({ tenant, holder, holderBytes, bytes, signal, onRevoked }),
    wanted: async () => decoding?.wanted(),
    signal,
  };
}

function beginHop(request: EgressStreamRequest): Hop<RequestBody> {
  const { body = null, bodyBytes } = request;
  const hop = firstHop(request, body);
  if (isStream(body) && bodyBytes !== undefined) hop.headers["content-length"] = String(bodyBytes);
  return hop;
}

function isStream(body: RequestBody | null): boolean {
  return body !== null && !(body instanceof Uint8Array);
}

/** Undefined where the response is the answer. */
function locationToFollow(head: StreamedHead, redirect: EgressStreamRequest["redirect"]): string | undefined {
  if (redirect === "manual" || !isRedirect(head.status)) return undefined;
  if (redirect === "error") {
    head.body.destroy();
    throw new EgressError("unexpected_redirect", `The answer is a redirect (${head.status}).`);
  }
  const location = fieldOf(head, "location");
  // Raw UTF-8 is not allowed there and met all the same.
  return location === undefined ? undefined : Buffer.from(location, "latin1").toString();
}

function nextHop(
  hop: Hop<RequestBody>,
  status: number,
  location: string,
  { onRedirect }: EgressStreamRequest,
  redirects: number,
): Hop<RequestBody> {
  if (redirects === MAX_STREAM_REDIRECTS) throw tooManyRedirects(MAX_STREAM_REDIRECTS, hop.url.host);
  const next = redirectHop(hop, status, location, "fetch");
  if (isStream(next.body)) {
    throw new EgressError(
      "body_not_replayable",
      `${hop.url.host} redirects with ${status}, which asks for the request's body once more; it was a stream.`,
    );
  }
  onRedirect?.();
  return next;
}

function toResponse(
  { url, method }: Hop<RequestBody>,
  head: StreamedHead,
  redirected: boolean,
  limits: DecodeLimits,
): EgressStreamResponse {
  const { status, statusText, headers, body } = head;
  const codings = readCodings(fieldOf(head, "content-encoding") ?? "");
  const response = {
    ...{ status, statusText, url: url.href, redirected },
    // Without a body too: it speaks of the body that a GET is answered with.
    headers: codings.length > 0 ? headers.flatMap(toDecodedFields) : headers,
  };
  if (method === "HEAD" || NULL_BODY_STATUS.has(status)) {
    body.destroy();
    return { ...response, body: null, isDecoded: false };
  }
  if (hasTooManyCodings(codings)) {
    body.destroy();
    throw new EgressError("bad_response", `${url.host} encoded its answer ${codings.length} times over.`);
  }
  const isDecoded = codings.length > 0;
  return { ...response, body: readBody(body, codings, url.host, limits), isDecoded };
}

function toDecodedFields([name, value]: [string, string]): [string, string][] {
  const said = toDecodedField(name, value);
  return said === undefined ? [] : [[name, said]];
}

/** Repeated fields are joined with a comma; `location` is taken once. */
function fieldOf(head: StreamedHead, lowerName: string): string | undefined {
  const values = head.headers.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value);
  return lowerName === "location" || values.length === 0 ? values[0] : values.join(",");
}

async function* readBody(
  body: Readable,
  codings: string[],
  host: string,
  limits: DecodeLimits,
): AsyncGenerator<Uint8Array> {
  try {
    yield* decodeBody(body, codings, limits);
  } catch (thrown) {
    if (thrown instanceof EgressError) throw thrown;
    if (limits.signal.aborted) throw signalAborted(limits.signal, host);
    throw new EgressError("bad_response", `The answer of ${host} is not encoded as it says.`);
  } finally {
    body.destroy();
  }
}

async function* atMost(
  chunks: AsyncIterable<Buffer>,
  host: string,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw responseTooLarge(host, maxBytes);
    yield chunk;
  }
}
