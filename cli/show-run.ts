/** A run as people read it. */
import type { Schemas } from "../client/client.ts";
import { formatLine, type LogLine } from "./log-lines.ts";
import { describeRunError } from "./show-error.ts";
import type { Output } from "./terminal/output.ts";
import type { Style } from "./terminal/style.ts";
import type { Column } from "./terminal/table.ts";
import { formatDuration, formatInstant } from "./terminal/time.ts";

export type Run = Schemas["Run"];

export function paintState(state: Run["state"], style: Style): (text: string) => string {
  if (state === "succeeded") return style.green;
  if (state === "failed" || state === "dead" || state === "expired") return style.red;
  return state === "running" ? style.cyan : style.yellow;
}

export const hasEnded = ({ finishedAt, state }: Run): boolean => finishedAt !== null || state === "dead";

export const RUN_COLUMNS = (style: Style): Column<Run>[] => [
  { title: "RUN", text: ({ id }) => id },
  { title: "STATE", text: ({ state }) => state, paint: (text, { state }) => paintState(state, style)(text) },
  { title: "OF", text: describeOrigin, shrinks: true },
  { title: "TRIGGER", text: ({ trigger }) => trigger },
  { title: "DUE", text: ({ scheduledFor }) => formatInstant(scheduledFor) },
  { title: "TOOK", text: (run) => formatTook(run), align: "right" },
  { title: "ERROR", text: ({ error, reason }) => error?.code ?? reason, shrinks: true },
];

/** What it is a run of. */
export const describeOrigin = ({ function: fn, taskId, type }: Run): string => fn ?? taskId ?? type;

function formatTook({ startedAt, finishedAt }: Run): string | undefined {
  if (startedAt === null || finishedAt === null) return undefined;
  return formatDuration(Date.parse(finishedAt) - Date.parse(startedAt));
}

export function showRun(out: Output, run: Run & { input?: unknown }, lines: readonly LogLine[]): void {
  const { style } = out;
  const paint = paintState(run.state, style);
  out.facts([
    ["run", run.id],
    ["state", run.state + (run.waitingFor ? ` (waits for ${run.waitingFor})` : ""), paint],
    ["of", describeOrigin(run)],
    ["task", run.function === null ? null : run.taskId],
    ["trigger", run.trigger],
    ["due", formatInstant(run.scheduledFor)],
    [
      "waited",
      run.startedAt === null
        ? null
        : formatDuration(Date.parse(run.startedAt) - Date.parse(run.scheduledFor)),
    ],
    ["took", formatTook(run)],
    ["attempts", run.attempts.length > 1 ? String(run.attempts.length) : null],
    ["next attempt", run.nextAttemptAt === null ? null : formatInstant(run.nextAttemptAt)],
    ["skipped for", run.reason],
    ["input", run.input == null ? null : JSON.stringify(run.input)],
    ["result", run.result == null ? null : JSON.stringify(run.result)],
  ]);
  if (run.error) for (const line of describeRunError(run.error, style)) out.line(line);
  if (lines.length > 0) out.line();
  for (const line of lines) for (const text of formatLine(line, style)) out.line(text);
}
