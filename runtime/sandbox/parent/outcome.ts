import { type AttemptOutcome, failed, succeeded } from "../../../core/domain/attempt.ts";
import type { Json } from "../../../core/json.ts";
import { isNestedDeeper } from "../../../core/json-depth.ts";
import { findTextFault } from "../../../core/storable-text.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import type { Thrown } from "../../../functions/guest/thrown.ts";
import type { InvocationLimits as Limits } from "../invocation.ts";
import { LIMIT_MESSAGES } from "../protocol/limit-messages.ts";
import type { FailureCode, ResultMessage } from "../protocol/messages.ts";

const RETRYABLE: Record<Exclude<FailureCode, "cancelled">, boolean> = {
  function_error: true,
  function_timeout: true,
  function_cpu_exceeded: false,
  function_memory_exceeded: false,
  result_too_large: false,
  result_not_json: false,
  unsupported_shape: false,
  executor_fault: true,
};

/** What is deeper makes those fail that write it: the redactor, the worker's frames, the database, each at its own depth. */
export const MAX_RESULT_DEPTH = 1_000;

export const CANCELLED: AttemptOutcome = { kind: "cancelled" };

/** What an executor said of a run, as the run's outcome. */
export function toOutcome(message: ResultMessage, maxResultBytes: number): AttemptOutcome {
  if (message.result !== undefined) return readResult(message.result, maxResultBytes);
  const code = message.code ?? "executor_fault";
  if (code === "cancelled") return CANCELLED;
  const text = clip(message.message ?? "");
  if (code === "function_error") {
    return toThrownOutcome(message, text);
  }
  // What earlier runs left in a warm isolate may have filled it: the next attempt begins with an empty one.
  const retryable = RETRYABLE[code] || (code === "function_memory_exceeded" && message.reused);
  return failed(code, text, { retryable });
}

function toThrownOutcome(message: ResultMessage, text: string): AttemptOutcome {
  const details = toDetails(message);
  const said = text || details.name;
  const { again, afterMs } = message;
  if (again === "fatal") return failed("function_fatal", said, { retryable: false, details });
  if (again !== "retry") return failed("function_error", said, { retryable: true, details });
  const wait = afterMs === undefined ? {} : { waitMs: afterMs };
  return failed("function_retry", said, { retryable: true, details, ...wait });
}

/** The same of a run whose result is recorded: what the database would not take is no result, whoever waits for it. */
export function toRecordedOutcome(message: ResultMessage, maxResultBytes: number): AttemptOutcome {
  const outcome = toOutcome(message, maxResultBytes);
  const fault = outcome.kind === "succeeded" ? findTextFault(outcome.result, message.result!) : undefined;
  if (!fault) return outcome;
  const where = fault.path.length === 0 ? "" : ` at ${JSON.stringify(fault.path.join("."))}`;
  return failed("unrecordable_result", clip(`The result${where} ${fault.message}.`), { retryable: false });
}

/** Of what was thrown, beside its message. */
function toDetails({ name, stack, reason, causes = [] }: ResultMessage) {
  return {
    name: clip(name || "Error"),
    stack: clip(stack ?? ""),
    ...(reason === undefined ? {} : { code: clip(reason) }),
    ...(causes.length === 0 ? {} : { causes: causes.map(clipCause) }),
  };
}

function clipCause({ name, message, stack, code }: Thrown) {
  const told = { name: clip(name), message: clip(message), stack: clip(stack) };
  return code === undefined ? told : { ...told, code: clip(code) };
}

function readResult(json: string, maxBytes: number): AttemptOutcome {
  if (Buffer.byteLength(json) > maxBytes) {
    const message = `The result takes more than ${maxBytes} bytes as JSON.`;
    return failed("result_too_large", message, { retryable: false });
  }
  if (json.length > MAX_RESULT_DEPTH * 2 && isNestedDeeper(json, MAX_RESULT_DEPTH)) {
    const message = `The result is nested more than ${MAX_RESULT_DEPTH.toLocaleString("en-US")} levels deep: it cannot be recorded.`;
    return failed("unrecordable_result", message, { retryable: false });
  }
  try {
    return succeeded(JSON.parse(json) as Json);
  } catch {
    return failed("executor_fault", "The executor answered with something that is not JSON.", {
      retryable: true,
    });
  }
}

/** With U+FFFD for what is not recorded, so that whoever waits is told what the record tells. */
function clip(text: string): string {
  const cut = text.length > GUEST_LIMITS.errorChars ? `${text.slice(0, GUEST_LIMITS.errorChars)}…` : text;
  return cut.replaceAll("\0", "\ufffd").toWellFormed();
}

export function timedOut(limits: Limits): AttemptOutcome {
  return failed("function_timeout", LIMIT_MESSAGES.wall(limits), { retryable: true });
}

export function cpuExceeded(limits: Limits): AttemptOutcome {
  return failed("function_cpu_exceeded", LIMIT_MESSAGES.cpu(limits), { retryable: false });
}

export function memoryExceeded(limits: Limits): AttemptOutcome {
  return failed("function_memory_exceeded", LIMIT_MESSAGES.memory(limits), { retryable: false });
}

/** The run did nothing wrong; its executor went. `why` completes "The process that ran this function …". */
export function executorKilled(why: string): AttemptOutcome {
  return failed("executor_killed", `The process that ran this function ${why}.`, { retryable: true });
}
