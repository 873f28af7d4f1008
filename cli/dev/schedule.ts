/** The schedule that `dev` fires: a task on the local Bellhop, and the clock for tests that leads from instant to instant. */
import { unwrap } from "../../client/client.ts";
import type { Session } from "../session.ts";
import { formatInstant } from "../terminal/time.ts";

export interface DevSchedule {
  cron: string;
  timezone?: string | undefined;
  /** Where the clock begins: the first instant from here on is the first to fire. */
  at?: Date | undefined;
}

const KEY = "dev";
const TASK = { params: { path: { id: KEY } } };

/** Of a function that is there. */
export async function createSchedule(
  { client }: Session,
  fn: string,
  input: unknown,
  { cron, timezone, at }: DevSchedule,
): Promise<void> {
  if (at) await unwrap(client.POST("/v1/clock/advance", { body: { to: justBefore(at) } }));
  const schedule = { cron, ...(timezone === undefined ? {} : { timezone }) };
  const task = { type: "function", function: fn, schedule, overlap: "allow", retry: { maxAttempts: 1 } };
  const body = input === undefined ? task : { ...task, input };
  await unwrap(client.PUT("/v1/tasks/{id}", { ...TASK, body: body as never }));
}

/** Moves the clock to the next instant; the run that it makes, or undefined: the schedule is over. */
export async function fireNext({ client, out }: Session): Promise<string | undefined> {
  const query = { count: 1 };
  const { items } = await unwrap(client.GET("/v1/tasks/{id}/next", { params: { ...TASK.params, query } }));
  const [next] = items;
  if (!next) {
    out.note(out.noteStyle.yellow("The schedule no longer fires."));
    return undefined;
  }
  await unwrap(client.POST("/v1/clock/advance", { body: { to: next.effectiveAt } }));
  const runs = await unwrap(
    client.GET("/v1/tasks/{id}/runs", { params: { ...TASK.params, query: { limit: 1 } } }),
  );
  const local = next.local === undefined ? "" : ` (${next.local})`;
  out.note(out.noteStyle.dim(`The clock shows ${formatInstant(next.nominalAt)}${local}.`));
  return runs.items[0]?.id;
}

/** What fires at the instant itself is still to come. */
const justBefore = (instant: Date) => new Date(instant.getTime() - 1).toISOString();
