import type { AttemptOutcome } from "../domain/attempt.ts";
import type { Redactor } from "./redact.ts";

/** What is recorded of it. */
export function redactOutcome<Outcome extends AttemptOutcome>(outcome: Outcome, redactor: Redactor): Outcome;
export function redactOutcome(outcome: AttemptOutcome, redactor: Redactor): AttemptOutcome {
  if (outcome.kind === "succeeded") return { ...outcome, result: redactor.value(outcome.result) };
  if (outcome.kind !== "failed") return outcome;
  const { error, result } = outcome;
  return {
    ...outcome,
    error: {
      ...error,
      message: redactor.text(error.message),
      ...(error.details === undefined ? {} : { details: redactor.value(error.details) }),
    },
    ...(result === undefined ? {} : { result: redactor.value(result) }),
  };
}
