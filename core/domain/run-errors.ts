/**
 * Every way in which a run fails, by its code. A code never changes: people's programs look at it. Whatever fails a run
 * takes its code from here (`failed`, or one of the errors below); docs/api.md, "Error codes of runs", lists them.
 */
import type { Json } from "../json.ts";

/** Code → what it means. */
export const RUN_ERRORS = {
  // An http task's server answered, and not as hoped.
  http_status: "The response's status does not count as success.",
  completion_not_offered: "The server wants to complete the run later, but was not sent a URL for that.",
  completion_timeout: "The server did not complete the run in time.",
  reported_failure: "The server that was to complete the run reported a failure.",

  // No answer: why the request got none.
  invalid_request: "The request cannot be sent: its URL, method or a header.",
  egress_blocked: "The address is neither public nor allowed, or the namespace may not call it.",
  port_blocked: "The port is another protocol's.",
  dns_failed: "The host name could not be resolved.",
  connect_failed: "The connection could not be established.",
  tls_failed: "The TLS session could not be established.",
  connection_reset: "The connection broke before the response was complete.",
  bad_response: "The server does not speak HTTP, or its head is too large.",
  bad_redirect: "The redirect has no usable target.",
  too_many_redirects: "There were too many redirects in a row.",
  unexpected_redirect: "The server redirected, but the task does not follow redirects.",
  body_not_replayable: "A redirect needs the body again, but it was a stream.",
  response_too_large: "The response is larger than the limit.",
  overloaded: "The worker has no memory left to decode the response.",
  request_timeout: "There was no response in time.",
  aborted: "The attempt was stopped while it waited.",

  // An http task's or an e-mail's secrets.
  secret_not_found: "A secret that the task names no longer exists.",

  // E-mails.
  email_not_configured: "No mail provider is configured.",
  email_no_sender: "Neither the task nor EMAIL_FROM names a sender.",
  mail_invalid: "An address, the subject or a file name contains a control character.",
  smtp_rejected: "The mail server refused it for good.",
  smtp_deferred: "The mail server refused it for now.",
  smtp_unavailable: "The mail server could not be reached, or the connection broke.",
  mail_auth_failed: "The mail provider refused the credentials.",
  mail_provider_rejected: "The mail provider's API refused it for good.",
  mail_provider_error: "The mail provider's API is busy or broken.",
  mail_provider_unavailable: "The mail provider's API could not be reached.",

  // The function's doing.
  function_error: "The function threw.",
  function_retry: "The function threw a Retry: it asks to be retried.",
  function_fatal: "The function threw a Fatal: it is not retried.",
  function_timeout: "The function exceeded its time limit.",
  function_cpu_exceeded: "The function used up its processor time.",
  function_memory_exceeded: "The function used up its memory.",
  result_too_large: "The result is larger than the limit.",
  result_not_json: "The result is not JSON.",
  unsupported_shape: "The revision does not export a function for this kind of call.",
  input_too_large: "The input is larger than the limit.",
  unrecordable_result: "The result or the log contains something that cannot be stored.",
  function_not_found: "The function, or the tag or revision that the run asked for, no longer exists.",
  request_gone: "The request that the run was to answer no longer exists.",

  // The caller's doing.
  request_body_too_slow: "The request's body arrived too slowly.",
  response_not_taken: "The caller did not read the response.",

  // Bellhop's own.
  function_unavailable: "The function could not be loaded.",
  secrets_unavailable: "Secrets that the function needs could not be decrypted.",
  database_unavailable: "The database did not respond in time.",
  sandbox_overloaded: "The worker's sandbox is overloaded.",
  executor_unavailable: "No executor could be started.",
  executor_killed: "The executor was ended from outside.",
  executor_fault: "The executor crashed during the run.",
  timeout: "The attempt took longer than the task's timeout.",
  expired: "The run did not start within its task's ttl.",
  deadline_exceeded: "The task's deadline leaves no time for the run.",
  worker_lost: "The worker stopped answering.",
  worker_stopped: "The worker was stopped.",
  internal_error: "An error in Bellhop itself.",

  // Told to a caller only: the run itself is recorded otherwise, or will be.
  outcome_unknown: "The worker is lost, and it is not known yet how the run ended.",
  response_lost: "The run succeeded, and its response was lost.",
} as const satisfies Record<string, string>;

export type RunErrorCode = keyof typeof RUN_ERRORS;

export const isRunErrorCode = (code: string): code is RunErrorCode => Object.hasOwn(RUN_ERRORS, code);

/** What an attempt's failure looks like to people: a stable `code`, a `message` they understand. */
export interface RunError {
  /** As it was recorded: a later release may have written one that this one does not know. */
  code: string;
  message: string;
  /** More where there is more to say: the http status, a stack of the author's lines. */
  details?: Json;
}

/** The one way to make a run's error. */
export function runError(code: RunErrorCode, message: string, details?: Json): RunError {
  return { code, message, ...(details === undefined ? {} : { details }) };
}

/** The end of an attempt whose worker cannot say any more how it ended. */
export const WORKER_LOST = runError(
  "worker_lost",
  "The worker that ran this stopped answering before it had recorded an end.",
);

export const WORKER_STOPPED = runError(
  "worker_stopped",
  "The worker was stopped before this attempt had ended.",
);

export const UNRECORDABLE = runError(
  "unrecordable_result",
  "The attempt ended, but cannot be stored: its result or its log contains something that the database refuses.",
);

/** Its worker is lost, and nobody can say yet how it is recorded: the database does not answer, or has no end in time. */
export const OUTCOME_UNKNOWN = runError(
  "outcome_unknown",
  "The worker that ran this call is lost, and it is not known yet how the call ended; Bellhop-Run-Id names the run.",
);

/** Of a call over HTTP whose run succeeded: nothing keeps its response. */
export const RESPONSE_LOST = runError(
  "response_lost",
  "The run succeeded, but its response was lost on the way; Bellhop-Run-Id names the run.",
);
