import type { JsonObject } from "../../../core/json.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import type { LogLine } from "../invocation.ts";
import type { LogMessage } from "../protocol/messages.ts";

/** The log of one run on its way out of the sandbox: bounded again, whatever the executor sends. */
export class RunLog {
  readonly #onLog: (line: LogLine) => void;
  readonly #maxLines: number;
  #lines = 0;
  #bytes = 0;
  #dropped = 0;
  /** It is over the bytes that it may take: no later line is let in because it is short. */
  #isLarge = false;

  constructor(onLog: (line: LogLine) => void, maxLines: number) {
    this.#onLog = onLog;
    this.#maxLines = maxLines;
  }

  add(message: LogMessage): void {
    const text = cut(message.message, GUEST_LIMITS.logLineBytes);
    const fields = readFields(message.fields);
    this.#bytes += Buffer.byteLength(text) + (fields ? Buffer.byteLength(message.fields) : 0);
    this.#isLarge ||= this.#bytes > GUEST_LIMITS.runLogBytes;
    if (this.#isLarge || this.#lines >= this.#maxLines) {
      this.#dropped++;
      return;
    }
    this.#lines++;
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
    const [bytes, lines] = [GUEST_LIMITS.runLogBytes, this.#maxLines].map((most) =>
      most.toLocaleString("en-US"),
    );
    const most = this.#isLarge
      ? `the lines of a run take at most ${bytes} bytes`
      : `this run may log ${lines}`;
    const message = `${this.#dropped.toLocaleString("en-US")} more log lines were dropped: ${most}.`;
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
