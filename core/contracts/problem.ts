/** Problem documents (RFC 9457), and every code the API may give. What a run's own error may be is docs/api.md, "Runs". */
import { z } from "zod";

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
  bad_request: "The request cannot be read, or breaks off.",
  body_too_large: "The body has more bytes than are taken here.",
  build_failed: "The upload cannot be made into a revision; `errors` name files, lines and columns.",
  build_interrupted: "The compiler was interrupted; try again.",
  build_overloaded: "The compiler has too much to do, or too little memory; try again.",
  database_unavailable: "The database does not answer right now; try again.",
  executor_fault: "The executor broke down under the run.",
  executor_killed: "The executor was ended from outside.",
  executor_unavailable: "No executor could be started.",
  forbidden: "The key lacks the scope.",
  function_busy: "A public function has as many callers as it may have at once; try again.",
  function_cpu_exceeded: "The function used up its processor time.",
  function_in_use: "Tasks call the function.",
  function_memory_exceeded: "The function used up its memory.",
  function_timeout: "The function took longer than it may.",
  function_unavailable: "The function could not be loaded in time.",
  headers_too_large: "There are too many headers, or one is too long.",
  hook_not_found: "There is no such hook.",
  idempotency_key_reused: "The key was used for another request.",
  input_too_large: "The function's input is too large.",
  internal_error: "A fault of Bellhop's own; the operator's log has more.",
  invalid_idempotency_key: "The header is not 1 to 255 visible ASCII characters.",
  invalid_input: "The input was read and refused; `errors` name the fields.",
  invalid_json: "The body is not JSON, or is nested too deeply.",
  invalid_multipart: "The multipart body cannot be read.",
  mailbox_off: "E-mails are not captured here.",
  method_not_allowed: "The path takes other methods: see `Allow`.",
  no_such_route: "No route has this path.",
  not_found: "There is nothing of that name or id in the key's namespace.",
  nothing_to_roll_back: "The function's traffic has never been another one.",
  outcome_unknown: "The worker is lost and the database does not answer: the run tells later how it ended.",
  request_body_too_slow: "The body came too slowly.",
  response_lost: "The run succeeded, but its response was lost on the way.",
  result_too_large: "The function's result is larger than it may be.",
  run_cancelled: "The run was cancelled.",
  run_not_finished: "The run has not ended yet; it goes on.",
  run_not_open: "The run is over.",
  sandbox_overloaded: "The worker's sandbox has too much to do; try again.",
  secrets_unavailable: "The operator has set no key that seals secrets, or another one.",
  task_cancelled: "The task is cancelled.",
  task_completed: "The task is over.",
  timeout: "The attempt took longer than it may.",
  too_many_bodies: "Too many request bodies are on their way; try again.",
  too_many_followers: "Too many streams are open; try again.",
  too_many_hooks: "The function has as many hooks as it may have.",
  too_many_secrets: "There are as many secrets as there may be.",
  too_many_tags: "The function has as many tags as it may have.",
  too_many_waiting: "Too many callers wait for a worker; try again.",
  unauthenticated: "There is no key, or it is unknown, expired or revoked.",
  unknown_function: "The task's function does not exist.",
  unsupported_media_type: "The body is of a type that is not taken here.",
  worker_lost: "The worker that ran this stopped answering.",
  worker_stopped: "The worker that ran this was stopped.",
} as const;
export type ProblemCode = keyof typeof PROBLEM_CODES;
