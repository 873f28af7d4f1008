/** The last log line of a function's failed attempt, which describes the failure. */
import type { RunError } from "../core/domain/run-errors.ts";
import type { AttemptLogLine } from "../core/store/runs/finish.ts";
import { GUEST_LIMITS } from "../functions/guest/limits.ts";
import { type ThrownInFull, UNHANDLED_REJECTION, writeThrown } from "../functions/guest/thrown.ts";

/** What `error.details` holds where something was thrown. */
type ThrownDetails = Omit<ThrownInFull, "message">;

/**
 * The lines, and one at level `error` with what failed. Where the attempt failed of a rejection that it handled too
 * late, the line that told of it goes: it is told once.
 */
export function withFailureLine(lines: AttemptLogLine[], error: RunError, at: Date): AttemptLogLine[] {
  const thrown = toThrown(error);
  const line = {
    ...{ at, level: "error", fields: { code: error.code } },
    message: cutBytes(thrown ? writeThrown(thrown) : error.message, GUEST_LIMITS.logLineBytes),
  };
  if (!thrown) return [...lines, line];
  const { name, message, stack } = thrown;
  const asRejection = `${UNHANDLED_REJECTION}: ${writeThrown({ name, message, stack })}`;
  const isTold = (earlier: AttemptLogLine) =>
    earlier.level === "error" &&
    earlier.message.startsWith(UNHANDLED_REJECTION) &&
    asRejection.startsWith(earlier.message);
  return [...lines.filter((earlier) => !isTold(earlier)), line];
}

function toThrown({ message, details }: RunError): ThrownInFull | undefined {
  const thrown = details as Partial<ThrownDetails> | null | undefined;
  if (typeof thrown?.name !== "string" || typeof thrown.stack !== "string") return undefined;
  const { name, stack, ...more } = thrown;
  // What was thrown without a message is told by its name.
  return { name, stack, ...more, message: message === name ? "" : message };
}

function cutBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const cut = Buffer.from(text)
    .subarray(0, maxBytes - 3)
    .toString();
  return `${cut.replace(/\uFFFD$/, "")}…`;
}
