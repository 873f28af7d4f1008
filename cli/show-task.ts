/** A task as people read it. */
import type { Schemas } from "../client/client.ts";
import type { Output } from "./terminal/output.ts";
import { printableLine } from "./terminal/printable.ts";
import { formatFromNow, formatInstant } from "./terminal/time.ts";

export type Created = Schemas["Task"] | Schemas["CreatedTask"];

export interface Instant {
  nominalAt: string;
  effectiveAt: string;
  local?: string;
}

export function describeTarget(task: Created): string {
  if (task.type === "http") return `${task.method} ${task.url}`;
  if (task.type === "function") return task.function;
  return `e-mail to ${[task.to].flat().join(", ")}`;
}

/** As it was given, on one line. */
export function formatSchedule({ schedule }: Pick<Created, "schedule">): string {
  if (schedule === null) return "once, at once";
  const { timezone, ...rest } = schedule;
  const [kind, value] = Object.entries(rest)[0] ?? [];
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  return [kind === "cron" ? text : `${kind} ${text}`, ...(timezone === undefined ? [] : [timezone])].join(
    " ",
  );
}

export function showTask(
  out: Output,
  task: Created,
  words: string | undefined,
  next: readonly Instant[],
  now: number,
): void {
  out.facts([
    ["id", task.id],
    ["key", task.key],
    ["name", task.name === null ? null : printableLine(task.name)],
    ["state", task.state],
    ["does", printableLine(describeTarget(task))],
    ["schedule", formatSchedule(task)],
    ["in words", words],
    [
      "next run",
      task.nextRunAt === null
        ? "none"
        : `${formatInstant(task.nextRunAt)} (${formatFromNow(task.nextRunAt, now)})`,
    ],
    ["queue", task.queue === "default" ? null : task.queue],
    ["overlap", task.overlap],
    ["attempts", `at most ${task.retry.maxAttempts}, ${task.timeout} each`],
    [
      "labels",
      Object.entries(task.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(", "),
    ],
  ]);
  if (next.length > 0) {
    out.line();
    showInstants(out, next, now);
  }
}

export function showInstants(out: Output, items: readonly Instant[], now: number): void {
  out.table(
    items,
    [
      { title: "NEXT", text: ({ nominalAt }) => formatInstant(nominalAt) },
      { title: "BY ITS ZONE", text: ({ local }) => local },
      { title: "", text: ({ effectiveAt }) => formatFromNow(effectiveAt, now) },
    ],
    "It does not fire any more.",
  );
}
