/** Why a fetch failed, in words for the function's author: no inner address, no setting of the operator's. */
import { EgressError, type EgressErrorCode } from "../../../../core/egress/egress-error.ts";

/** A failure that is not of the network's. */
export class FetchRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "FetchRefused";
    this.code = code;
  }
}

export interface FetchFailure {
  code: string;
  message: string;
}

/** @param redirected whether the failing request was no more the one to the author's own URL */
export function toFetchFailure(thrown: unknown, redirected: boolean): FetchFailure {
  if (thrown instanceof FetchRefused) return { code: thrown.code, message: thrown.message };
  if (!(thrown instanceof EgressError)) return { code: "fetch_failed", message: "The request failed." };
  const code = thrown.code === "egress_blocked" ? "address_blocked" : thrown.code;
  if (redirected) return { code, message: AFTER_REDIRECT[thrown.code] };
  return { code, message: thrown.code === "egress_blocked" ? BLOCKED : thrown.message };
}

const BLOCKED = "The address is not public, so nothing was sent: functions may call public addresses only.";

/** The host it failed at is one that another server named: it stays unnamed. */
const AFTER_REDIRECT: Record<EgressErrorCode, string> = {
  invalid_request: "The request could not be repeated where a redirect leads.",
  egress_blocked: "A redirect leads to an address that is not public; it was not followed.",
  port_blocked: "A redirect leads to a port of another protocol than HTTP; it was not followed.",
  dns_failed: "A redirect leads to a name that was not resolved.",
  connect_failed: "The server to which a redirect leads did not accept a connection.",
  tls_failed: "There is no secure connection to the server to which a redirect leads.",
  connection_reset:
    "The server to which a redirect leads broke the connection before its answer was complete.",
  bad_response: "The server to which a redirect leads sent no valid HTTP response.",
  bad_redirect: "A redirect leads to something that is not an http:// or https:// URL.",
  too_many_redirects: "There were too many redirects.",
  unexpected_redirect: "The answer is a redirect.",
  body_not_replayable: "A redirect asks for the request's body once more; it was a stream.",
  response_too_large: "The answer is too large.",
  overloaded: "Too many large encoded answers are read at once.",
  request_timeout: "The server to which a redirect leads did not answer in time.",
  aborted: "The request was aborted.",
};
