/** What to do about each error, by its code; docs/errors.md is made of it. What the code means is told beside the code. */
import type { RunErrorCode } from "../domain/run-errors.ts";
import type { ProblemCode } from "./problem.ts";

const TRY_AGAIN = "Try again after `Retry-After`.";
const READ_RUN = "Look at the run by its id: `GET /v1/runs/{id}`.";
const OTHER_END = "It is tried again by itself, as its task says; look at the other end if it goes on.";

export const REMEDIES: Readonly<Record<ProblemCode | RunErrorCode, string>> = {
  aborted: "It is tried again by itself.",
  answer_not_kept: "Read what the request made by its name or id; do not send the request again.",
  attempt_over: "Nothing: the run has ended, or its next attempt is under way with a link of its own.",
  bad_redirect: "Give the task the address that the redirect was meant to lead to.",
  bad_request: "Look at what sends the request: the message says what of it cannot be read.",
  bad_response:
    "Look at what answers at the address: it has to speak HTTP/1.1 or 2, with a head of a usual size.",
  body_not_replayable:
    "Call the address that the redirect leads to, or send the body as text instead of a stream.",
  body_too_large: 'Send less, or in parts. docs/api.md, "Limits", has the bounds.',
  build_failed:
    "Mend the lines that `errors` names and deploy again; the function serves the revision before.",
  build_interrupted: TRY_AGAIN,
  build_overloaded: "Deploy again in a moment, and fewer at a time.",
  bulk_action_ended:
    "Nothing: it has done what it was to do, or was stopped. `GET /v1/bulk/{id}` shows its counts.",
  calendar_in_use: "Take it out of the tasks that name it, or cancel them.",
  clock_advancing: "Wait until `GET /v1/clock` shows no `advancingTo`.",
  clock_not_virtual: "Start with `npm start -- --clock=virtual`, with a `BELLHOP_DATA_DIR` of its own.",
  clock_stopped: "Advance the clock again, to the same instant.",
  completion_not_offered:
    "Set `BELLHOP_PUBLIC_URL` and `BELLHOP_SECRETS_KEY`, so that servers are told where to complete the run.",
  completion_timeout: "Have the server complete the run in time, or give the task a longer `timeout`.",
  completion_token_unknown: "Take the whole address from `Bellhop-Complete-Url` of that very attempt.",
  connect_failed: OTHER_END,
  connection_reset: OTHER_END,
  count_too_slow: "Narrow the filter, or act without a dry run.",
  database_unavailable: "Try again. If it stays, look at the database and at `/readyz`.",
  deadline_exceeded:
    "Give the task a longer `deadline`, or see in `details.lastError` why the attempts took so long.",
  default_namespace: "Delete what is in it instead.",
  deletion_not_abortable: "Nothing: it ends by itself, and the namespace is gone then.",
  dns_failed: "Check the name in the address, and the resolver of the worker's machine.",
  duplicate_under_way: "Try again: the answer is the one that was made.",
  egress_blocked:
    "Call a public address. For one of your own network the operator sets `EGRESS_ALLOW`, or `PUT /v1/namespaces/{name}/egress` for a namespace.",
  email_no_sender: "Give the e-mail a `from`, or set `EMAIL_FROM`.",
  email_not_configured: "The operator sets `EMAIL_URL`, then redrive the run.",
  executor_fault:
    "It is tried again by itself. If it happens again with the same input, look at what the function does there.",
  executor_killed: "It is tried again by itself. If it goes on, give the worker's machine more memory.",
  executor_unavailable: "It is tried again by itself. If it goes on, look at the worker's log.",
  expired: "Replay the run, give the task a longer `ttl`, or add workers.",
  forbidden:
    "Use a key with the scope that the message names; `GET /v1/whoami` shows what yours may do. A token opens what the operator's `OIDC_GRANTS` say.",
  function_busy: "Try again, or raise the function's `concurrency`.",
  function_cpu_exceeded: "Do less in one run, or raise the limit `cpuMs`.",
  function_error: "Look at the stack in the run's error: it names the author's lines.",
  function_fatal: "The function decided so: its message says why. Mend that and redrive the run.",
  function_in_use: "Cancel the tasks that call it, or have them call another one.",
  function_memory_exceeded: "Hold less at a time, or raise the limit `memoryMb`.",
  function_not_found: "Deploy the function, or bring back the tag or the revision that was asked for.",
  function_removed: "Deploy the function again and call it; the run cannot be replayed.",
  function_retry: "Nothing: it is tried again after the time that the function asked for.",
  function_timeout: "Wait for less in one run, or raise the limit `wallMs`.",
  function_unavailable: "It is tried again by itself. If it goes on, deploy the function again.",
  headers_too_large: "Send fewer or shorter headers.",
  hook_not_found: "Make another hook, and give its address to the sender.",
  http_status:
    "`details.status` has the status: look at the task and at the other end. Other statuses that are fine stand in `expectStatus`.",
  idempotency_key_in_use: TRY_AGAIN,
  idempotency_key_reused: "Take another key for another request.",
  input_not_kept: "Replay the run with an `input`.",
  input_too_large: "Hand over a reference, such as an address, in place of the data.",
  internal_error: "Try again. If it stays, the log of the API or the worker says more; please report it.",
  invalid_idempotency_key: "Send 1 to 255 visible ASCII characters, such as a UUID.",
  invalid_input: "Mend the fields that `errors` names.",
  invalid_json: "Send JSON. A shell's quotes are often what breaks it.",
  invalid_multipart: "Send the files as `multipart/form-data`, as `curl -F` does.",
  invalid_request: "Mend the task's address, method or headers, as the message says.",
  issuer_unavailable:
    "Try again, or use a key. If it stays, look in the API's log: it says what the provider at `OIDC_ISSUER` answered.",
  key_not_valid: "Make another key.",
  key_rotating: "Wait until the overlap is over, or revoke the key and make another one.",
  invalid_signature: "Give the hook the secret that the sender signs with, and look at the clocks of both.",
  limit_exceeded:
    "Remove what is not needed, or ask an operator for a higher limit. `GET /v1/usage` shows what is used.",
  mail_auth_failed: "Check the user and the password, or the token, in `EMAIL_URL`.",
  mail_invalid: "Take line breaks and control characters out of addresses, subject and file names.",
  mail_provider_error: "It is tried again by itself; see the provider's own status if it goes on.",
  mail_provider_rejected:
    "The message says what the provider refuses, often the sender's address: mend that and redrive.",
  mail_provider_unavailable: OTHER_END,
  mailbox_off:
    "Read the mails where they were sent to, or start with `EMAIL_CAPTURE=true` and without `EMAIL_URL`.",
  method_not_allowed: "Use a method that `Allow` names.",
  namespace_closed: "Use another namespace: this one is being deleted.",
  namespace_taken: "Take another name, or use the one that is there.",
  no_such_route: "Check the path. `/docs` lists all there are.",
  not_found: "Check the name or id, and with `GET /v1/whoami` the namespace that the key acts in.",
  nothing_to_roll_back: "Name the revision that is to get the traffic.",
  outcome_unknown: READ_RUN,
  overloaded: "Try again, and ask for less at a time.",
  port_blocked: "Serve it on a port that is not another protocol's, such as 443 or 8080.",
  precondition_failed: "Read the thing again and repeat the change with its present `ETag`.",
  queue_in_use: "Have its tasks and hooks name another queue, and let its runs end.",
  rate_limited: "Wait for `Retry-After`, and ask less often. An operator can raise the limit.",
  registry_unavailable:
    "Deploy again in a moment. If it stays, the operator looks at the registry; or bundle the packages on your side.",
  reported_failure: "`details` has the code and details that the server reported.",
  request_body_too_slow: "Send the body faster, or look at what lies between.",
  request_gone: "Have the caller send it again.",
  request_timeout: "Look at the other end, or give the task a longer `timeout`.",
  response_lost: READ_RUN,
  response_not_taken: "Nothing, where the caller left. Else read responses faster.",
  response_too_large: "Have the server answer with less, or call it from a function that reads a part.",
  result_not_json:
    "Return JSON: no functions, symbols, BigInts or circles. Of bytes, a `Map`, `Headers` or a `Blob` return what is in them: `bytes.toBase64()`, `Object.fromEntries(map)`, `await blob.text()`.",
  result_too_large: "Return less, or raise the limit `resultBytes`.",
  revision_unavailable: 'Replay it with `"revision": "current"`, or deploy the function.',
  run_cancelled: "Nothing, where it was meant. Else replay the run.",
  run_not_finished:
    "Wait: `GET /v1/runs/{id}` shows its end. For longer calls ask with `Prefer: respond-async`.",
  run_not_open: "Nothing: it has ended. Replay it to run it again.",
  sandbox_overloaded: "It is tried again by itself. If it goes on, add workers.",
  secret_not_found: "Set the secret again and redrive the run.",
  secrets_unavailable:
    "The operator sets `BELLHOP_SECRETS_KEY` to the key that the secrets were sealed with.",
  sign_in_code_invalid: "Sign in with a key, or start again for another link.",
  sign_in_refused:
    "Begin again, or sign in with a key. If it stays, compare the client at the provider with `OIDC_CLIENT_ID` and its redirect address.",
  smtp_deferred: OTHER_END,
  smtp_rejected: "The message has the server's words: mend the address or the sender, and redrive.",
  smtp_unavailable: "It is tried again by itself. If it goes on, check the host and the port in `EMAIL_URL`.",
  task_cancelled: "Make the task again: with its key, by `PUT /v1/tasks/{key}`.",
  task_completed: "Make another task, or run it again by a replay of one of its runs.",
  task_key_taken: "Take another key, or change the task that has it by `PUT /v1/tasks/{key}`.",
  task_removed: "Make the task again; its runs stay readable.",
  timeout: "Give the task a longer `timeout`, or have the other end answer sooner.",
  tls_failed: "Look at the server's certificate: its name, its date, and who has signed it.",
  too_many_bodies: TRY_AGAIN,
  too_many_bulk_actions: "Wait until one of them has ended: `GET /v1/bulk`.",
  too_many_calendars: "Delete calendars that no task names.",
  too_many_followers: "Close streams that nobody reads, then try again after `Retry-After`.",
  too_many_hooks: "Delete hooks that nobody calls.",
  too_many_keys: "Revoke keys that nobody uses: `GET /v1/keys` shows when each was used last.",
  too_many_namespaces: "Delete namespaces that nobody uses.",
  too_many_queues: "Delete queues that nothing names.",
  too_many_redirects: "Give the task the address that the redirects end at.",
  too_many_secrets: "Delete secrets that nothing names.",
  too_many_tags: "Take tags away that nobody calls.",
  too_many_waiting: "Try again, or add workers.",
  unauthenticated:
    "Send a key that is valid, `Authorization: Bearer bh_…`, or a token: the message says what is wrong with yours.",
  unexpected_redirect: "Give the task the address that the redirect leads to.",
  unknown_calendar: "Make the calendar first: `PUT /v1/calendars/{name}`.",
  unknown_function: "Deploy the function first: `PUT /v1/functions/{name}`.",
  unknown_queue: "Make the queue first: `PUT /v1/queues/{name}`.",
  unknown_secret: "Set the secret first: `PUT /v1/secrets/{NAME}`.",
  unrecordable_result:
    "Take out of the result and the log what JSON and a database cannot hold, such as a NUL character.",
  unsupported_condition: "Send an `ETag` as it was given, or leave the header out.",
  unsupported_media_type: "Send `Content-Type: application/json`, or what the operation takes besides.",
  unsupported_shape:
    "Export what is called: a default function, or `fetch` for its URL and `scheduled` for tasks.",
  worker_lost:
    "It is tried again as its task says. A function that has effects may have had them: make them repeatable.",
  worker_stopped: "It is tried again by itself.",
};
