/** What went wrong, as people and scripts are told: a sentence, what to do next, and an exit code. */
import { findHelp, type Problem, ProblemError } from "../client/client.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

export interface FailureOptions {
  exitCode?: ExitCode;
  /** What to do next. */
  hint?: string | undefined;
  /** Where more is told of it. */
  help?: string | undefined;
  /** Further lines, such as an excerpt of source. */
  details?: readonly string[];
  code?: string;
  cause?: unknown;
}

export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  readonly help: string | undefined;
  readonly details: readonly string[];
  readonly code: string;

  constructor(message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint;
    this.help = options.help;
    this.details = options.details ?? [];
    this.code = options.code ?? "failed";
  }
}

export const usageFailure = (message: string, hint?: string) =>
  new Failure(message, { exitCode: EXIT.usage, code: "usage", hint });

/** Ctrl-C. Nothing is said of it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

const EXIT_OF_STATUS: Readonly<Record<number, ExitCode>> = {
  401: EXIT.forbidden,
  403: EXIT.forbidden,
  404: EXIT.notFound,
  429: EXIT.unreachable,
  502: EXIT.unreachable,
  503: EXIT.unreachable,
  504: EXIT.unreachable,
};

const HINT_OF_CODE: Readonly<Record<string, string>> = {
  unauthenticated: "Sign in with a key that is valid: bellhop login",
  forbidden: "bellhop whoami shows what the key may do.",
  rate_limited: "Try again in a moment.",
  clock_not_virtual: "npm start -- --clock=virtual has a clock for tests.",
  function_in_use: "Remove or repoint those tasks first.",
  unknown_function: "bellhop functions list shows the functions; bellhop deploy creates one.",
  unknown_queue: "bellhop queues list shows the queues; bellhop queues set creates one.",
  unknown_secret: "bellhop secrets set makes it.",
  queue_in_use: "bellhop tasks list --queue NAME shows the tasks.",
  run_not_open: "It has ended already: bellhop runs get shows how.",
  run_not_finished: "It goes on: bellhop runs watch follows it.",
  secrets_unavailable: "The operator sets BELLHOP_SECRETS_KEY.",
};

export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ProblemError) return fromProblem(error.problem, error.response);
  return new Failure(error instanceof Error ? error.message : String(error), { cause: error });
}

export function fromProblem(problem: Problem, response: Response): Failure {
  const retryAfter = response.headers.get("retry-after");
  const wait = retryAfter === null ? undefined : `Try again in ${retryAfter} s.`;
  return new Failure(problem.detail, {
    exitCode: EXIT_OF_STATUS[response.status] ?? EXIT.failed,
    code: problem.code,
    hint: HINT_OF_CODE[problem.code] ?? wait,
    help: findHelp(response),
    details: (problem.errors ?? [])
      .map(({ field, message }) => `${field}: ${message}`)
      .filter((line) => line !== problem.detail),
    cause: problem,
  });
}

/** Node's fetch waits no longer for the head of an answer, or for the next part of its body. */
const GIVEN_UP = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** A request that was not answered. */
export function unreachable(url: string, cause: unknown): Failure {
  if (GIVEN_UP.has(reasonOf(cause)))
    return new Failure(
      `${url} has not answered for five minutes. What it was asked may still be under way.`,
      {
        exitCode: EXIT.unreachable,
        code: "no_answer",
        hint: "bellhop runs list shows the run; bellhop invoke --async does not wait for it.",
        cause,
      },
    );
  return new Failure(`Nobody answers at ${url} (${reasonOf(cause)}).`, {
    exitCode: EXIT.unreachable,
    code: "unreachable",
    hint: "Is it running, and is the address right? bellhop doctor looks into it.",
    cause,
  });
}

function reasonOf(error: unknown): string {
  const { code, cause, message } = error as { code?: string; cause?: unknown; message?: string };
  if (typeof code === "string") return code;
  return cause === undefined ? (message ?? String(error)) : reasonOf(cause);
}
