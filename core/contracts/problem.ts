/** Problem documents (RFC 9457), and every code the API may give. What a run's own error may be is docs/api.md, "Runs". */
import { z } from "zod";
import { RUN_ERRORS } from "../domain/run-errors.ts";

const fieldError = z.object({
  field: z.string().meta({ description: "Dotted path into the input; empty for the whole of it." }),
  message: z.string(),
  file: z.string().optional().meta({ description: "Of an upload." }),
  line: z.int().optional().meta({ description: "Counted from 1." }),
  column: z.int().optional().meta({ description: "Counted from 1." }),
});

export const problemOutput = z
  .object({
    type: z.literal("about:blank"),
    title: z.string().meta({ description: "The status in words." }),
    status: z.int(),
    detail: z.string().meta({ description: "What is wrong, for people." }),
    code: z.string().meta({ description: "What is wrong, for programs: it never changes." }),
    runId: z.uuid().optional().meta({ description: "The run of a call that failed." }),
    errors: z.array(fieldError).optional().meta({ description: "The parts of the input that were refused." }),
  })
  .meta({
    id: "Problem",
    description: "An error (RFC 9457).",
    examples: [
      {
        type: "about:blank",
        title: "Unprocessable Entity",
        status: 422,
        detail: "schedule.cron: this expression never fires: no such day in that month",
        code: "invalid_input",
        errors: [
          { field: "schedule.cron", message: "this expression never fires: no such day in that month" },
        ],
      },
    ],
  });
export type Problem = z.output<typeof problemOutput>;

/** Code → when it is given. */
export const PROBLEM_CODES = {
  answer_not_kept: "The request with this key was done; its answer was too large to be kept.",
  bad_request: "The request cannot be read, or breaks off.",
  body_too_large: "The body has more bytes than are taken here.",
  build_failed: "The upload cannot be made into a revision; `errors` name files, lines and columns.",
  build_interrupted: "The compiler was interrupted; try again.",
  build_overloaded: "The compiler has too much to do, or too little memory; try again.",
  bulk_action_ended: "The bulk action is over.",
  count_too_slow: "Too much has to be looked at to count what matches.",
  database_unavailable: RUN_ERRORS.database_unavailable,
  duplicate_under_way: "The same is being made right now; try again.",
  executor_fault: RUN_ERRORS.executor_fault,
  executor_killed: RUN_ERRORS.executor_killed,
  executor_unavailable: RUN_ERRORS.executor_unavailable,
  forbidden: "The key lacks the scope.",
  function_busy: "A public function has as many callers as it may have at once; try again.",
  function_cpu_exceeded: RUN_ERRORS.function_cpu_exceeded,
  function_in_use: "Tasks call the function.",
  function_memory_exceeded: RUN_ERRORS.function_memory_exceeded,
  function_removed: "The run's function was removed.",
  function_timeout: RUN_ERRORS.function_timeout,
  function_unavailable: RUN_ERRORS.function_unavailable,
  headers_too_large: "There are too many headers, or one is too long.",
  hook_not_found: "There is no such hook.",
  idempotency_key_in_use: "A request with this key is still under way; try again.",
  idempotency_key_reused: "The key was used for another request.",
  input_not_kept: "What the run was given is not there any more: a replay must be given its `input`.",
  input_too_large: RUN_ERRORS.input_too_large,
  internal_error: RUN_ERRORS.internal_error,
  invalid_idempotency_key: "The header is not 1 to 255 visible ASCII characters.",
  invalid_input: "The input was read and refused; `errors` name the fields.",
  invalid_json: "The body is not JSON, or is nested too deeply.",
  invalid_multipart: "The multipart body cannot be read.",
  mailbox_off: "E-mails are not captured here.",
  method_not_allowed: "The path takes other methods: see `Allow`.",
  no_such_route: "No route has this path.",
  not_found: "There is nothing of that name or id in the key's namespace.",
  nothing_to_roll_back: "The function's traffic has never been another one.",
  outcome_unknown: RUN_ERRORS.outcome_unknown,
  request_body_too_slow: RUN_ERRORS.request_body_too_slow,
  response_lost: RUN_ERRORS.response_lost,
  result_too_large: RUN_ERRORS.result_too_large,
  revision_unavailable: "The run has no revision that could run again.",
  run_cancelled: "The run was cancelled.",
  run_not_finished: "The run has not ended yet; it goes on.",
  run_not_open: "The run is over.",
  sandbox_overloaded: RUN_ERRORS.sandbox_overloaded,
  secrets_unavailable: RUN_ERRORS.secrets_unavailable,
  task_cancelled: "The task is cancelled.",
  task_completed: "The task is over.",
  task_key_taken: "Another task has the key, and is not over.",
  task_removed: "The run's task was removed.",
  timeout: RUN_ERRORS.timeout,
  too_many_bodies: "Too many request bodies are on their way; try again.",
  too_many_bulk_actions: "As many bulk actions of the namespace are running as may at once; try again.",
  too_many_followers: "Too many streams are open; try again.",
  too_many_hooks: "The function has as many hooks as it may have.",
  too_many_secrets: "There are as many secrets as there may be.",
  too_many_tags: "The function has as many tags as it may have.",
  too_many_waiting: "Too many callers wait for a worker; try again.",
  unauthenticated: "There is no key, or it is unknown, expired or revoked.",
  unknown_function: "The task's function does not exist.",
  unknown_secret: "The task names a secret that its namespace does not have.",
  unsupported_media_type: "The body is of a type that is not taken here.",
  worker_lost: RUN_ERRORS.worker_lost,
  worker_stopped: RUN_ERRORS.worker_stopped,
} as const;
export type ProblemCode = keyof typeof PROBLEM_CODES;
