/** How a call ended, and what its caller is told of it. */
import type { DirectOutcome } from "../../core/contracts/direct-call.ts";
import { PROBLEM_CODES, type ProblemCode } from "../../core/contracts/problem.ts";
import type { Run } from "../../core/contracts/run.ts";
import { type RunErrorCode, runError } from "../../core/domain/run-errors.ts";
import { isTerminal } from "../../core/domain/run-state.ts";
import { BellhopError } from "../../core/errors.ts";

/** Undefined: it took too long, or its caller went away. The run goes on by itself. */
export type CallEnd = DirectOutcome | undefined;

/** What the row of a run says; undefined while it is open. */
export function toCallEnd(run: Run | undefined): CallEnd {
  if (!run || !(isTerminal(run.state) || run.state === "dead")) return undefined;
  if (run.state === "succeeded") return { state: "succeeded", result: run.result };
  if (run.state === "cancelled") return { state: "cancelled" };
  const error = run.error ?? runError("internal_error", `The run ended as ${run.state}.`);
  return { state: "failed", error };
}

/** Whose fault it was, as a status: the function's own errors 500, its limits 504 and 507, the platform's 503; what was
 * deleted while the call waited, 404. */
const STATUS_BY_CODE = {
  function_timeout: 504,
  timeout: 504,
  function_cpu_exceeded: 504,
  function_memory_exceeded: 507,
  result_too_large: 507,
  input_too_large: 413,
  function_not_found: 404,
  executor_killed: 503,
  executor_unavailable: 503,
  executor_fault: 503,
  function_unavailable: 503,
  sandbox_overloaded: 503,
  secrets_unavailable: 503,
  database_unavailable: 503,
  worker_lost: 503,
  worker_stopped: 503,
  outcome_unknown: 503,
  response_lost: 502,
  internal_error: 503,
} as const satisfies { [Code in ProblemCode & RunErrorCode]?: number };

/** Status → codes of calls that fail, as routes say them. Any other error of a run is a 500. */
export const INVOCATION_ERRORS: Record<number, ("*" | ProblemCode)[]> = {
  400: ["bad_request"],
  409: ["run_cancelled"],
  500: ["*"],
};
const OTHER_STATUSES = { run_not_finished: 504, too_many_waiting: 503 } as const;
for (const [code, status] of Object.entries({ ...STATUS_BY_CODE, ...OTHER_STATUSES })) {
  const codes = INVOCATION_ERRORS[status] ?? [];
  INVOCATION_ERRORS[status] = [...codes, code as ProblemCode];
}

/** What the caller of a run is told that did not succeed. */
export function toInvocationError(
  end: Exclude<CallEnd, { state: "succeeded" }>,
  runId: string,
): BellhopError {
  const error = describeEnd(end);
  error.runId = runId;
  return error;
}

function describeEnd(end: Exclude<CallEnd, { state: "succeeded" }>): BellhopError {
  if (!end) {
    return new BellhopError(
      "run_not_finished",
      504,
      "The run has not ended yet; it continues, and Bellhop-Run-Id names it.",
    );
  }
  if (end.state === "cancelled") return new BellhopError("run_cancelled", 409, PROBLEM_CODES.run_cancelled);
  const { code, message } = end.error;
  return new BellhopError(code, (STATUS_BY_CODE as Record<string, number>)[code] ?? 500, message);
}
