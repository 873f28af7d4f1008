/** A task in few words, for lists. The API says a schedule in whole sentences (its preview). Pure. */
import type { Schemas } from "../../client/client.ts";

type Task = Schemas["Task"];
type Schedule = Task["schedule"];

export const nameOf = ({ name, key, ...task }: Task): string =>
  name ?? key ?? targetOf({ name, key, ...task } as Task);

export function targetOf(task: Task): string {
  if (task.type === "http") return `${task.method} ${task.url}`;
  if (task.type === "email") return `e-mail to ${task.to.join(", ")}`;
  return `function ${task.function}`;
}

export function saySchedule(schedule: Schedule): string {
  if (!schedule) return "once";
  const { at, delay, every, cron, rrule, timezone } = schedule;
  if (at) return `once, at ${at}`;
  if (delay) return `once, after ${delay}`;
  if (every) return `every ${every}`;
  const zone = timezone ? ` (${timezone})` : "";
  if (cron) return `cron ${[cron].flat().join(" and ")}${zone}`;
  return rrule ? `rule ${rrule}${zone}` : "once";
}
