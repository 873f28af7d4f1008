import type { JsonObject } from "../../../core/json.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import type { LogLine } from "../invocation.ts";
import type { LogMessage } from "../protocol/messages.ts";

/** The log of one run on its way out of the sandbox: bounded again, whatever the executor sends. */
export class RunLog {
  readonly #onLog: (line: LogLine) => void;
  readonly #maxLines: number;
  #lines = 0;
  #dropped = 0;

  constructor(onLog: (line: LogLine) => void, maxLines: number) {
    this.#onLog = onLog;
    this.#maxLines = maxLines;
  }

  add(message: LogMessage): void {
    if (this.#lines >= this.#maxLines) {
      this.#dropped++;
      return;
    }
    this.#lines++;
    const fields = readFields(message.fields);
    const text = cut(message.message, GUEST_LIMITS.logLineBytes);
    this.#onLog({
      level: message.level,
      message: text,
      at: new Date(message.at),
      ...(fields ? { fields } : {}),
    });
  }

  /** Counts lines that never arrived. */
  drop(lines: number): void {
    this.#dropped += Math.max(lines, 0);
  }

  /** Says in a last line what was left out. */
  close(): void {
    if (this.#dropped === 0) return;
    const most = this.#maxLines.toLocaleString("en-US");
    const message = `${this.#dropped.toLocaleString("en-US")} more log lines were dropped: this run may log ${most}.`;
    this.#onLog({ level: "warn", message, at: new Date() });
  }
}

function readFields(json: string): JsonObject | undefined {
  if (json === "" || Buffer.byteLength(json) > GUEST_LIMITS.logLineBytes) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The guest cuts lines kindly; this is for an executor that does not. */
function cut(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  return text.slice(0, Math.floor(maxBytes / 3));
}
