/**
 * The one way out: every HTTP request that Bellhop makes for somebody passes here. URLs are parsed once, addresses
 * checked and pinned, redirects checked hop by hop, bodies capped; the caller's signal is the clock.
 */
import { type Clock, steadyClock } from "../clock.ts";
import { type LazyAbort, toSignal } from "../lazy-abort.ts";
import { type AddressRules, type Network, operatorsRules } from "./address-policy.ts";
import { createGuardedConnector, type Resolve, systemResolve } from "./connector.ts";
import { decodeGathered } from "./decode-gathered.ts";
import { DecoderMemory, type DecoderMemoryLimits } from "./decoder-memory.ts";
import { tooManyRedirects } from "./egress-error.ts";
import { exchange } from "./exchange.ts";
import { firstHop, refuseHost, refuseOrigin } from "./first-hop.ts";
import { omitHeaders } from "./headers.ts";
import { createPools } from "./pools.ts";
import {
  type FollowRedirects,
  type Hop,
  isFollowed,
  isRedirect,
  MAX_REDIRECTS,
  redirectHop,
} from "./redirect.ts";
import { resendIfStale } from "./resend.ts";
import { type EgressStreamRequest, type EgressStreamResponse, streamRequest } from "./stream.ts";
import { createRulesOf, type FindTenantRules } from "./tenant-rules.ts";

export interface EgressRequest {
  /** Absolute http(s) URL. Credentials in it become an Authorization header, unless one is given. */
  url: string;
  method: string;
  /** Whose request it is: tenants share no connection. Default: that of all requests that name none. */
  tenant?: string | undefined;
  /** `host`, framing and hop-by-hop fields are left out. */
  headers: Record<string, string>;
  body?: string | Uint8Array | undefined;
  /** Up to 5 hops; a 3xx that is not followed is the response. */
  followRedirects: FollowRedirects;
  /** What no other origin is told: these headers, in lower case, and the body, which no redirect takes there. */
  confidential?: { headers: ReadonlySet<string>; isInBody: boolean } | undefined;
  /** Ends the request at once, wherever it is. */
  signal: AbortSignal | LazyAbort;
  /** Bytes of body to keep, as sent and as decoded; where more come the connection is closed and `truncated` set. */
  maxResponseBytes: number;
  /** Wait for a connection, per hop; default and upper bound: the egress's own `connectTimeoutMs`. */
  connectTimeoutMs?: number | undefined;
  /** The operator chose the host: private addresses that he has not denied, and any port, are fine. Never for a URL that a user wrote. */
  trusted?: boolean | undefined;
}

export interface EgressResponse {
  status: number;
  /** Names in lower case, repeated fields joined with `, `; without what speaks of encoded bytes where they were decoded. */
  headers: Record<string, string>;
  /** gzip, deflate, br and zstd are undone, as far as they can be. */
  body: Buffer;
  /** They could not be, or another coding is there: `headers` names it. */
  isEncoded: boolean;
  truncated: boolean;
  /** The URL that answered, without credentials. */
  url: string;
}

export interface Egress {
  /**
   * Resolves with any response, whatever its status; rejects with EgressError only. An idempotent request whose
   * kept-alive connection the server closed before answering is sent once more, at once; any other such request
   * fails as `connection_reset`, retryable.
   */
  request(request: EgressRequest): Promise<EgressResponse>;
  /**
   * Like `request`, but neither body is kept in memory. Resolves with the head; the body is read off the socket only
   * as fast as it is taken; who does not read it to its end leaves the loop over it or aborts the signal. Rejects, as does the
   * body, with EgressError or what `onRedirect` threw.
   */
  stream(request: EgressStreamRequest): Promise<EgressStreamResponse>;
  /** Ends all connections; requests in flight fail as `aborted`. */
  close(): Promise<void>;
}

export interface EgressOptions {
  /** Networks open besides the public ones. */
  allow: readonly Network[];
  /** Networks that are closed, whatever else opens them. Default: none. */
  deny?: readonly Network[] | undefined;
  /** What a tenant may do besides, or may not. Trusted requests are not asked about. Default: nothing. */
  tenantRules?: FindTenantRules | undefined;
  /** Default: the system's resolver. */
  resolve?: Resolve | undefined;
  /** Name, connection and TLS handshake together. Default 10 s. */
  connectTimeoutMs?: number | undefined;
  /** Default 128. */
  connectionsPerOrigin?: number | undefined;
  /** Held by the decoders of answers. Default 64 MB a tenant, three of the largest, and 128 MB in all. */
  decoderMemory?: DecoderMemoryLimits | undefined;
  /** Of the waits for that memory. Default: the system's. */
  clock?: Clock | undefined;
  /** Origins with kept connections. Default 512. */
  maxOrigins?: number | undefined;
  /** Of one tenant. Default 64. */
  maxOriginsPerTenant?: number | undefined;
  /** Beyond so many open ones of a tenant none is kept after its answer. Default 256. */
  keptConnectionsPerTenant?: number | undefined;
}

export function createEgress(options: EgressOptions): Egress {
  const {
    allow,
    deny = [],
    tenantRules,
    resolve = systemResolve,
    connectTimeoutMs = 10_000,
    connectionsPerOrigin = 128,
    maxOrigins = 512,
    maxOriginsPerTenant = 64,
    keptConnectionsPerTenant = 256,
    decoderMemory = { tenantBytes: 67_108_864, totalBytes: 134_217_728 },
    clock = steadyClock,
  } = options;
  const rulesOf = createRulesOf({ allow, deny }, tenantRules);
  const trustedRules = operatorsRules(deny);
  const poolLimits = { connectionsPerOrigin, maxOrigins, maxOriginsPerTenant, keptConnectionsPerTenant };
  // Apart, so that a connection made for a trusted request never serves another.
  const connectBy = (rules: AddressRules) => createGuardedConnector({ resolve, rules, connectTimeoutMs });
  const guarded = createPools({ judge: refuseOrigin, connectBy }, poolLimits);
  const trusted = createPools({ judge: refuseHost, connectBy }, poolLimits);
  // Whoever takes his time with a stream holds its connection: those who want a whole answer must not wait for him.
  const streamed = createPools({ judge: refuseOrigin, connectBy }, poolLimits);
  const decoders = new DecoderMemory(decoderMemory, clock);

  /** Each request counts by itself, within its tenant. */
  function takeFor({ tenant = "", signal: abort }: EgressRequest) {
    const signal = toSignal(abort);
    const claim = { tenant, holder: {}, holderBytes: Infinity, signal };
    return {
      signal,
      take: (bytes: number, onRevoked: () => void) => decoders.take({ ...claim, bytes, onRevoked }),
    };
  }

  return {
    async request(request) {
      const pools = request.trusted ? trusted : guarded;
      const { signal, maxResponseBytes, connectTimeoutMs } = request;
      const limits = { signal, maxResponseBytes, connectTimeoutMs };
      let hop: Hop = firstHop(request, request.body ?? null);
      for (let redirects = 0; ; redirects++) {
        // For each hop: one may be waited for long.
        const found = request.trusted ? trustedRules : rulesOf(request, hop);
        const rules = found instanceof Promise ? await found : found;
        const sent = hop;
        const pool = pools.get(sent.url, rules, request.tenant);
        const response = await resendIfStale(sent, () => exchange(pool, sent, limits));
        const { status, headers } = response;
        const { location } = headers;
        const follows = isRedirect(status) && isFollowed(request.followRedirects, status, hop.method);
        const next = follows && location !== undefined ? nextHop(request, sent, status, location) : undefined;
        if (!next) {
          const url = hop.url.href;
          if (headers["content-encoding"] === undefined) return { ...response, isEncoded: false, url };
          const decoded = await decodeGathered(response, maxResponseBytes, () => takeFor(request));
          return { ...decoded, url };
        }
        if (redirects === MAX_REDIRECTS) throw tooManyRedirects(MAX_REDIRECTS, hop.url.host);
        hop = next;
      }
    },

    stream: (request) => streamRequest({ pools: streamed, rulesOf, decoders }, request),

    async close() {
      await Promise.all([guarded.destroy(), trusted.destroy(), streamed.destroy()]);
    },
  };
}

/** Undefined where the redirect would tell another origin what it must not know. */
function nextHop(
  { confidential }: EgressRequest,
  hop: Hop,
  status: number,
  location: string,
): Hop | undefined {
  const next = redirectHop(hop, status, location);
  if (!confidential || next.url.origin === hop.url.origin) return next;
  if (confidential.isInBody && next.body !== null) return undefined;
  return { ...next, headers: omitHeaders(next.headers, (name) => confidential.headers.has(name)) };
}
