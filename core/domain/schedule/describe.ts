/** A schedule in plain English, for whoever looks at it before it fires. */
import cronstrue from "cronstrue";
import { formatDuration } from "../../duration.ts";
import { readCron, toCronText } from "./cron.ts";
import { describeRrule } from "./describe-rrule.ts";
import type { CronSchedule, Exclusions, RepeatingSchedule, Schedule } from "./schedule.ts";

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
    const { ofMonth, ofWeek } = readCron(expression).days;
    const text = toCronText(expression);
    return tellHours(ofMonth && ofWeek ? tellEitherDay(text) : tellCron(text));
  } catch {
    return `By the cron expression ${JSON.stringify(expression)}`;
  }
}

const tellCron = (text: string) => cronstrue.toString(text, { use24HourTimeFormat: true });

/** Where both day fields are restricted either one is enough; the library says "and". */
function tellEitherDay(text: string): string {
  const fields = text.split(" ");
  const [ofMonth, month, ofWeek] = fields.splice(-3) as [string, string, string];
  const times = tellCron([...fields, "* * *"].join(" "));
  const tell = (days: string) =>
    tellCron([...fields, days].join(" "))
      .slice(times.length)
      .replace(/^, /, "");
  const either = [tell(`${ofMonth} * *`), tell(`* * ${ofWeek}`).replace(/^only /, "")];
  const days = either.map((each) => each || "every day").join(" or ");
  return [times, days, tell(`* ${month} *`)].filter((each) => each !== "").join(", ");
}

/** "Every minute, at 02:00 and 04:00" would be two minutes. */
const tellHours = (text: string) =>
  text.replace(
    /^(Every minute, )at ((?:(?:, | and )?\d\d:00)+)/,
    (_, every: string, hours: string) => `${every}${hours.replace(/(\d\d):00/g, "from $1:00 to $1:59")}`,
  );

const MAX_DATES_LISTED = 3;

const lowerFirst = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

function describeLimits(schedule: RepeatingSchedule): string[] {
  const { startAt, endAt, maxRuns, exclude, jitterMs } = schedule;
  return [
    ...(startAt === undefined ? [] : [`from ${startAt} on`]),
    ...(endAt === undefined ? [] : [`until ${endAt}`]),
    ...(maxRuns === undefined ? [] : [maxRuns === 1 ? "once" : `${maxRuns} times at most`]),
    ...(exclude ? [`except ${describeExclusions(exclude).join(" and ")}`] : []),
    ...(jitterMs === undefined ? [] : [`up to ${formatDuration(jitterMs)} later`]),
  ];
}

function describeExclusions({ dates, cron, calendar }: Exclusions): string[] {
  const days =
    dates && dates.length > MAX_DATES_LISTED ? `on ${dates.length} dates` : `on ${dates?.join(", ")}`;
  return [
    ...(dates ? [days] : []),
    ...(cron === undefined ? [] : [describeExcludedTimes(cron)]),
    ...(calendar === undefined ? [] : [`on the days of the calendar ${calendar}`]),
  ];
}

/** An expression with five fields excludes whole minutes: `* 22-6 * * *` is "between 22:00 and 06:59". */
function describeExcludedTimes(expression: string): string {
  const text = lowerFirst(describeExpression(expression));
  return text.replace(/^every minute, (?:only )?/, "");
}
