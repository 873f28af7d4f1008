/** What to do about each error, by its code; docs/errors.md is made of it. What the code means is told beside the code. */
import type { RunErrorCode } from "../domain/run-errors.ts";
import type { ProblemCode } from "./problem.ts";

const TRY_AGAIN = "Try again after `Retry-After`.";
const READ_RUN = "Read the run by its id: `GET /v1/runs/{id}`.";
const OTHER_END =
  "The run is retried automatically, as its task says; check the server if the error persists.";

export const REMEDIES: Readonly<Record<ProblemCode | RunErrorCode, string>> = {
  aborted: "The run is retried automatically.",
  answer_not_kept: "Read what the request created by its name or id; do not send the request again.",
  attempt_over: "Nothing: the run has ended, or its next attempt is running with its own link.",
  bad_redirect: "Give the task the address that the redirect was meant to lead to.",
  bad_request: "Check the client: the message says which part of the request cannot be read.",
  bad_response: "Check the server at the address: it must speak HTTP/1.1 or 2, with headers of a usual size.",
  body_not_replayable:
    "Call the address that the redirect leads to, or send the body as text instead of a stream.",
  body_too_large: 'Send less, or send it in parts. docs/api.md, "Limits", lists the bounds.',
  build_failed:
    "Fix the lines that `errors` names and deploy again; the function keeps serving the previous revision.",
  build_interrupted: TRY_AGAIN,
  build_overloaded: "Deploy again in a moment, and fewer at a time.",
  bulk_action_ended: "Nothing: it has finished or was aborted. `GET /v1/bulk/{id}` shows its counts.",
  calendar_in_use: "Remove it from the tasks that name it, or cancel them.",
  clock_advancing: "Wait until `GET /v1/clock` shows no `advancingTo`.",
  clock_not_virtual: "Start with `npm start -- --clock=virtual`, with a separate `BELLHOP_DATA_DIR`.",
  clock_stopped: "Advance the clock again, to the same instant.",
  completion_not_offered:
    "Set `BELLHOP_PUBLIC_URL` and `BELLHOP_SECRETS_KEY`, so that servers are told where to complete the run.",
  completion_timeout: "Have the server complete the run in time, or give the task a longer `timeout`.",
  completion_token_unknown: "Use the complete address from `Bellhop-Complete-Url` of that very attempt.",
  connect_failed: OTHER_END,
  connection_reset: OTHER_END,
  count_too_slow: "Narrow the filter, or act without a dry run.",
  database_unavailable: "Try again. If the error persists, check the database and `/readyz`.",
  deadline_exceeded:
    "Give the task a longer `deadline`, or see `details.lastError` for why the attempts took so long.",
  default_namespace: "Delete its contents instead.",
  deletion_not_abortable: "Nothing: the deletion ends by itself, and then the namespace is gone.",
  dns_failed: "Check the name in the address, and the resolver of the worker's machine.",
  duplicate_under_way: "Try again: the response is then what was created.",
  egress_blocked:
    "Call a public address. For an address in your own network, the operator sets `EGRESS_ALLOW`, or uses `PUT /v1/namespaces/{name}/egress` for one namespace.",
  email_no_sender: "Give the e-mail a `from`, or set `EMAIL_FROM`.",
  email_not_configured: "Ask the operator to set `EMAIL_URL`, then redrive the run.",
  executor_fault:
    "The run is retried automatically. If it happens again with the same input, check what the function does with it.",
  executor_killed:
    "The run is retried automatically. If the error persists, give the worker's machine more memory.",
  executor_unavailable: "The run is retried automatically. If the error persists, check the worker's log.",
  expired: "Replay the run, give the task a longer `ttl`, or add workers.",
  forbidden:
    "Use a key with the scope that the message names; `GET /v1/whoami` shows what yours may do. A token grants what the operator's `OIDC_GRANTS` say.",
  function_busy: "Try again, or raise the function's `concurrency`.",
  function_cpu_exceeded: "Do less in one run, or raise the limit `cpuMs`.",
  function_error: "Check the stack in the run's error: it names your lines.",
  function_fatal: "The function decided this: its message says why. Fix the cause and redrive the run.",
  function_in_use: "Cancel the tasks that call it, or have them call another one.",
  function_memory_exceeded: "Use less memory at a time, or raise the limit `memoryMb`.",
  function_not_found: "Deploy the function, or restore the tag or the revision that was asked for.",
  function_removed: "Deploy the function again and call it; the run cannot be replayed.",
  function_retry: "Nothing: the run is retried after the delay that the function asked for.",
  function_timeout: "Wait for less in one run, or raise the limit `wallMs`.",
  function_unavailable: "The run is retried automatically. If the error persists, deploy the function again.",
  headers_too_large: "Send fewer or shorter headers.",
  hook_not_found: "Create another hook, and give its address to the sender.",
  http_status:
    "`details.status` has the status: check the task and the server. To accept other statuses, list them in `expectStatus`.",
  idempotency_key_in_use: TRY_AGAIN,
  idempotency_key_reused: "Use another key for another request.",
  input_not_kept: "Replay the run with an `input`.",
  input_too_large: "Pass a reference, such as a URL, instead of the data.",
  internal_error:
    "Try again. If the error persists, the log of the API or the worker has details; please report it.",
  invalid_idempotency_key: "Send 1 to 255 visible ASCII characters, such as a UUID.",
  invalid_input: "Fix the fields that `errors` names.",
  invalid_json: "Send valid JSON. Shell quoting is a common cause.",
  invalid_multipart: "Send the files as `multipart/form-data`, as `curl -F` does.",
  invalid_request: "Fix the task's URL, method or headers, as the message says.",
  issuer_unavailable:
    "Try again, or use a key. If the error persists, check the API's log for the response of the provider at `OIDC_ISSUER`.",
  key_not_valid: "Create another key.",
  key_rotating: "Wait until the overlap has ended, or revoke the key and create another one.",
  invalid_signature: "Give the hook the secret that the sender signs with, and check the clocks of both.",
  limit_exceeded:
    "Remove what you do not need, or ask an operator for a higher limit. `GET /v1/usage` shows the usage.",
  mail_auth_failed: "Check the user and the password, or the token, in `EMAIL_URL`.",
  mail_invalid: "Remove line breaks and control characters from addresses, subject and file names.",
  mail_provider_error:
    "The run is retried automatically; check the provider's status page if the error persists.",
  mail_provider_rejected:
    "The message says what the provider refuses, often the sender's address: fix that and redrive the run.",
  mail_provider_unavailable: OTHER_END,
  mailbox_off:
    "Read the e-mails where they were sent, or start with `EMAIL_CAPTURE=true` and without `EMAIL_URL`.",
  method_not_allowed: "Use a method listed in `Allow`.",
  namespace_closed: "Use another namespace: this one is being deleted.",
  namespace_taken: "Choose another name, or use the existing namespace.",
  no_such_route: "Check the path. `/docs` lists all routes.",
  not_found: "Check the name or id, and use `GET /v1/whoami` to check the namespace that the key acts in.",
  nothing_to_roll_back: "Name the revision that should get the traffic.",
  outcome_unknown: READ_RUN,
  overloaded: "Try again, and ask for less at a time.",
  port_blocked: "Use a port that does not belong to another protocol, such as 443 or 8080.",
  precondition_failed: "Read the resource again and repeat the change with its current `ETag`.",
  queue_in_use: "Move its tasks and hooks to another queue, and let its runs end.",
  rate_limited: "Wait for `Retry-After`, and send fewer requests. An operator can raise the limit.",
  registry_unavailable:
    "Deploy again in a moment. If the error persists, ask the operator to check the registry, or bundle the packages on your side.",
  reported_failure: "`details` has the code and details that the server reported.",
  request_body_too_slow: "Send the body faster, or check the network in between.",
  request_gone: "Have the caller send the request again.",
  request_timeout: "Check the server, or give the task a longer `timeout`.",
  response_lost: READ_RUN,
  response_not_taken: "Nothing if the caller disconnected. Otherwise read responses faster.",
  response_too_large:
    "Have the server send less, or call it from a function that reads part of the response.",
  result_not_json:
    "Return JSON: no functions, symbols, BigInts or cycles. For bytes, a `Map`, `Headers` or a `Blob`, return their contents: `bytes.toBase64()`, `Object.fromEntries(map)`, `await blob.text()`.",
  result_too_large: "Return less, or raise the limit `resultBytes`.",
  revision_unavailable: 'Replay it with `"revision": "current"`, or deploy the function.',
  run_cancelled: "Nothing if it was intended. Otherwise replay the run.",
  run_not_finished: "Wait: `GET /v1/runs/{id}` shows its end. For longer calls use `Prefer: respond-async`.",
  run_not_open: "Nothing: the run has ended. Replay it to run it again.",
  sandbox_overloaded: "The run is retried automatically. If the error persists, add workers.",
  secret_not_found: "Set the secret again and redrive the run.",
  secrets_unavailable: "Ask the operator to set `BELLHOP_SECRETS_KEY` to the key that encrypted the secrets.",
  sign_in_code_invalid: "Sign in with a key, or restart `npm start` for another link.",
  sign_in_refused:
    "Begin again, or sign in with a key. If the error persists, compare the client at the provider with `OIDC_CLIENT_ID`, and its redirect address.",
  smtp_deferred: OTHER_END,
  smtp_rejected: "The message has the server's words: fix the address or the sender, and redrive the run.",
  smtp_unavailable:
    "The run is retried automatically. If the error persists, check the host and the port in `EMAIL_URL`.",
  task_cancelled: "Create the task again, with its key by `PUT /v1/tasks/{key}`.",
  task_completed: "Create another task, or run it again by replaying one of its runs.",
  task_key_taken: "Use another key, or change the task that has it by `PUT /v1/tasks/{key}`.",
  task_removed: "Create the task again; its runs stay readable.",
  timeout: "Give the task a longer `timeout`, or have the server respond sooner.",
  tls_failed: "Check the server's certificate: its name, its expiry, and who signed it.",
  too_many_bodies: TRY_AGAIN,
  too_many_bulk_actions: "Wait until one of them has ended: `GET /v1/bulk`.",
  too_many_calendars: "Delete calendars that no task names.",
  too_many_followers: "Close streams that nobody reads, then try again after `Retry-After`.",
  too_many_hooks: "Delete hooks that nobody calls.",
  too_many_keys: "Revoke keys that nobody uses: `GET /v1/keys` shows when each was used last.",
  too_many_namespaces: "Delete namespaces that nobody uses.",
  too_many_queues: "Delete queues that nothing names.",
  too_many_redirects: "Give the task the address where the redirects end.",
  too_many_secrets: "Delete secrets that nothing names.",
  too_many_tags: "Remove tags that nobody calls.",
  too_many_waiting: "Try again, or add workers.",
  unauthenticated:
    "Send a key that is valid, `Authorization: Bearer bh_…`, or a token: the message says what is wrong with yours.",
  unexpected_redirect: "Give the task the address that the redirect leads to.",
  unknown_calendar: "Create the calendar first: `PUT /v1/calendars/{name}`.",
  unknown_function: "Deploy the function first: `PUT /v1/functions/{name}`.",
  unknown_queue: "Create the queue first: `PUT /v1/queues/{name}`.",
  unknown_secret: "Set the secret first: `PUT /v1/secrets/{NAME}`.",
  unrecordable_result:
    "Remove from the result and the log what JSON and a database cannot store, such as a NUL character.",
  unsupported_condition: "Send an `ETag` exactly as you received it, or omit the header.",
  unsupported_media_type:
    "Send `Content-Type: application/json`, or another type that the operation accepts.",
  unsupported_shape:
    "Export a function for this kind of call: a default function, or `fetch` for its URL and `scheduled` for tasks.",
  worker_lost:
    "The run is retried as its task says. Its side effects may already have happened: make them repeatable.",
  worker_stopped: "The run is retried automatically.",
};
