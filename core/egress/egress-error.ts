import { messageOf } from "../errors.ts";
import type { LazyAbort } from "../lazy-abort.ts";

export type EgressErrorCode =
  /** The URL, the method or a header cannot be sent. */
  | "invalid_request"
  /** The address is not public and not allowed. */
  | "egress_blocked"
  /** The port is another protocol's. */
  | "port_blocked"
  | "dns_failed"
  | "connect_failed"
  | "tls_failed"
  /** The connection broke before the response was whole. */
  | "connection_reset"
  /** The peer does not speak HTTP, or its head is too large. */
  | "bad_response"
  | "bad_redirect"
  | "too_many_redirects"
  /** A redirect, where the caller wants none. */
  | "unexpected_redirect"
  /** A redirect asks for the body once more, and it was a stream. */
  | "body_not_replayable"
  | "response_too_large"
  /** Decoders hold all the memory that they may. Of streamed requests only: others stay encoded. */
  | "overloaded"
  | "request_timeout"
  | "aborted";

const FINAL = new Set<EgressErrorCode>([
  "invalid_request",
  "egress_blocked",
  "port_blocked",
  "bad_redirect",
  "too_many_redirects",
  "unexpected_redirect",
  "body_not_replayable",
  "response_too_large",
]);

/** Why a request got no response. Messages name the host, never the path, the query or a credential. */
export class EgressError extends Error {
  readonly code: EgressErrorCode;
  /** Whether the same request may fare better later. */
  readonly retryable: boolean;

  constructor(code: EgressErrorCode, message: string) {
    super(message);
    this.name = "EgressError";
    this.code = code;
    this.retryable = !FINAL.has(code);
  }
}

export function addressBlocked(hostname: string): EgressError {
  return new EgressError(
    "egress_blocked",
    `The address of ${JSON.stringify(hostname)} is not public, or an operator has denied its network (EGRESS_DENY, or the namespace's rules), so nothing was sent. EGRESS_ALLOW can allow a network that is not public.`,
  );
}

export function hostBlocked(hostname: string): EgressError {
  return new EgressError(
    "egress_blocked",
    `The namespace may call only the hosts that an operator has named, and ${JSON.stringify(hostname)} is not among them, so nothing was sent.`,
  );
}

export function dnsFailed(hostname: string, cause: unknown): EgressError {
  return new EgressError(
    "dns_failed",
    `The name ${JSON.stringify(hostname)} was not resolved (${codeOf(cause) || messageOf(cause)}).`,
  );
}

/** A namespace's rules are others than those by which a connection was to carry this. */
export function rulesChanged(host: string): EgressError {
  return new EgressError(
    "aborted",
    `Where the namespace may go was changed before this was sent to ${host}.`,
  );
}

/** Why the caller's signal aborted: its clock (a TimeoutError), or anything else. */
export function signalAborted(signal: AbortSignal | LazyAbort, host: string): EgressError {
  const { reason } = signal;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    return new EgressError("request_timeout", `${host} did not answer in time.`);
  }
  return requestAborted(host);
}

function requestAborted(host: string): EgressError {
  return new EgressError("aborted", `The request to ${host} was aborted.`);
}

export function connectTimedOut(host: string): EgressError {
  return new EgressError("connect_failed", `${host} did not accept a connection in time.`);
}

/** @param host of the last one */
export function tooManyRedirects(max: number, host: string): EgressError {
  return new EgressError("too_many_redirects", `More than ${max} redirects, the last from ${host}.`);
}

export function unaskedUpgrade(host: string): EgressError {
  return new EgressError(
    "bad_response",
    `${host} switched to another protocol (101), which was not asked for.`,
  );
}

/** Translates what undici, net and tls throw. `host` is `name` or `name:port`. */
export function toEgressError(thrown: unknown, host: string): EgressError {
  if (thrown instanceof EgressError) return thrown;
  const code = codeOf(thrown);
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return new EgressError("invalid_request", `The request cannot be sent: ${messageOf(thrown)}.`);
  }
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") {
    return new EgressError("invalid_request", "The request's body is not as long as was said.");
  }
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT") {
    return connectTimedOut(host);
  }
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED" || code === "UND_ERR_ABORTED") {
    return requestAborted(host);
  }
  // undici's words where the head of the 101 names the other protocol.
  if (messageOf(thrown) === "bad upgrade") return unaskedUpgrade(host);
  if (isConnectCode(code)) return new EgressError("connect_failed", `No connection to ${host} (${code}).`);
  if (isTlsCode(code)) return new EgressError("tls_failed", `No secure connection to ${host} (${code}).`);
  if (
    !isBrokenOff(thrown) &&
    ((thrown as Error).name === "HTTPParserError" || /^UND_ERR_(HEADERS|RES)/.test(code))
  ) {
    return new EgressError("bad_response", `${host} sent no valid HTTP response${suffix(code)}.`);
  }
  return new EgressError(
    "connection_reset",
    `The connection to ${host} broke before the response was complete${suffix(code)}.`,
  );
}

/** What undici says of a body that ended early where the connection was not to be kept. */
function isBrokenOff(thrown: unknown): boolean {
  return (
    codeOf(thrown) === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" || /Invalid EOF state/.test(messageOf(thrown))
  );
}

function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

function suffix(code: string): string {
  return code === "" ? "" : ` (${code})`;
}

function isConnectCode(code: string): boolean {
  return /^E(CONNREFUSED|HOSTUNREACH|NETUNREACH|HOSTDOWN|NETDOWN|ADDRNOTAVAIL|ACCES|PERM|MFILE|NFILE|INVAL|AFNOSUPPORT)$/.test(
    code,
  );
}

/** OpenSSL's certificate verdicts have names without a common prefix. */
function isTlsCode(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/.test(
    code,
  );
}
