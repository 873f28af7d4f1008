/** A schedule in plain English, for whoever looks at it before it fires. */
import cronstrue from "cronstrue";
import { formatDuration } from "../../duration.ts";
import { toCronText } from "./cron.ts";
import type { CronSchedule, RepeatingSchedule, RruleSchedule, Schedule } from "./schedule.ts";

/** One sentence, with its full stop. */
export function describeSchedule(schedule: Schedule): string {
  switch (schedule.kind) {
    case "now":
      return "Once, when it is made.";
    case "once":
      return schedule.local
        ? `Once, at ${schedule.local.at.replace("T", " ")} in ${schedule.local.timezone}.`
        : `Once, at ${schedule.at}.`;
    case "delay":
      return `Once, ${formatDuration(schedule.delayMs)} after it is made.`;
    default:
      return `${[describeRule(schedule), ...describeLimits(schedule)].join(", ")}.`;
  }
}

function describeRule(schedule: RepeatingSchedule): string {
  if (schedule.kind === "every") {
    const every = `Every ${formatDuration(schedule.everyMs)}`;
    return schedule.anchor === undefined ? every : `${every}, counted from ${schedule.anchor}`;
  }
  const zone = schedule.timezone === "UTC" ? "in UTC" : `in ${schedule.timezone}`;
  const rule = schedule.kind === "cron" ? describeCron(schedule) : describeRrule(schedule);
  return `${rule}, ${zone}`;
}

function describeCron({ expression }: CronSchedule): string {
  const sentences = [expression].flat().map(describeExpression);
  return sentences.map((each, index) => (index === 0 ? each : lowerFirst(each))).join("; and ");
}

function describeExpression(expression: string): string {
  try {
    return cronstrue.toString(toCronText(expression), { use24HourTimeFormat: true });
  } catch {
    return `By the cron expression ${JSON.stringify(expression)}`;
  }
}

const lowerFirst = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

const describeRrule = ({ rule, anchor }: RruleSchedule) =>
  `By the rule ${JSON.stringify(rule)} from ${anchor ?? "when it is made"} on`;

function describeLimits(schedule: RepeatingSchedule): string[] {
  const { startAt, endAt, maxRuns, exclude, jitterMs } = schedule;
  const excluded = exclude && [
    ...(exclude.dates
      ? [exclude.dates.length > 3 ? `${exclude.dates.length} dates` : exclude.dates.join(", ")]
      : []),
    ...(exclude.cron === undefined ? [] : [`the times of ${JSON.stringify(exclude.cron)}`]),
    ...(exclude.calendar === undefined ? [] : [`the days of the calendar ${exclude.calendar}`]),
  ];
  return [
    ...(startAt === undefined ? [] : [`from ${startAt} on`]),
    ...(endAt === undefined ? [] : [`until ${endAt}`]),
    ...(maxRuns === undefined ? [] : [maxRuns === 1 ? "once" : `${maxRuns} times at most`]),
    ...(excluded ? [`except ${excluded.join(" and ")}`] : []),
    ...(jitterMs === undefined ? [] : [`up to ${formatDuration(jitterMs)} later`]),
  ];
}
