import { unwrap } from "../../client/client.ts";
import type { Arguments } from "../command.ts";
import { collectPages } from "../pages.ts";
import type { Session } from "../session.ts";
import { describeTarget, formatSchedule } from "../show-task.ts";
import { formatFromNow } from "../terminal/time.ts";
import { withoutGaps } from "../without-gaps.ts";

export interface ListOptions {
  state?: ("active" | "paused" | "completed" | "cancelled")[];
  type?: "http" | "email" | "function";
  label?: string[];
  grep?: string;
  function?: string;
  queue?: string;
  limit: number;
}

export async function listTasks(
  { client, out, now }: Session,
  _: Arguments,
  options: ListOptions,
): Promise<void> {
  const { state, type, label, grep, function: fn, queue, limit } = options;
  const filter = withoutGaps({ state, type, label, q: grep, function: fn, queue });
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/tasks", { params: { query: { ...filter, ...query } } })),
  );
  const { green, yellow, dim } = out.style;
  const paints: Record<string, (text: string) => string> = { active: green, paused: yellow };
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "TASK", text: ({ key, id }) => key ?? id },
        {
          title: "STATE",
          text: (task) => task.state,
          paint: (text, task) => (paints[task.state] ?? dim)(text),
        },
        { title: "DOES", text: describeTarget, shrinks: true },
        { title: "SCHEDULE", text: formatSchedule, shrinks: true },
        { title: "NEXT RUN", text: ({ nextRunAt }) => formatFromNow(nextRunAt, now()) },
        { title: "NAME", text: ({ name }) => name, shrinks: true },
      ],
      "No task matches: bellhop tasks create makes one.",
    ),
  );
}
