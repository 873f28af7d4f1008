/** Forms of other systems that have no meaning here, or another one: what to write in their stead. */

/** What is wrong with the expression, or undefined: then it is one of ours, or simply wrong. */
export function findForeignForm(text: string): string | undefined {
  const interval = /^@every\s+(\S+)$/i.exec(text)?.[1];
  if (interval !== undefined) return `write {"every": ${JSON.stringify(interval)}} for an interval`;
  if (/^@reboot$/i.test(text))
    return '"@reboot" is not known: a task without a schedule runs once, when it is made';
  const wrapped = /^(cron|rate|at)\((.*)\)$/i.exec(text);
  if (wrapped) return `write ${unwrap(wrapped[1]!.toLowerCase(), wrapped[2]!.trim())}`;
  // THU and MARCH hold an H, and begin with none.
  if (!text.startsWith("@") && /\bH/i.test(text))
    return "hashed fields (H) are not supported; jitter spreads tasks over a window";
  return findYearField(text.split(/\s+/));
}

function unwrap(form: string, inner: string): string {
  if (form === "at") return `{"at": ${JSON.stringify(inner)}, "timezone": "…"}`;
  if (form === "rate") return `{"every": ${JSON.stringify(toDuration(inner))}}`;
  const fields = inner.split(/\s+/);
  return JSON.stringify(fields.length === 6 ? fields.slice(0, 5).join(" ") : inner);
}

/** `5 minutes` → `5m`. */
function toDuration(rate: string): string {
  const [count, unit] = rate.split(/\s+/);
  return `${count}${unit?.[0]?.toLowerCase() ?? ""}`;
}

/** Some systems end with a year; their `?` and names then stand one field further left than ours. */
function findYearField(fields: string[]): string | undefined {
  const hasSevenFields = fields.length === 7;
  const endsWithYear = fields.length === 6 && /^(?:19|2[01])\d\d\b/.test(fields[5]!);
  const isShifted = fields.length === 6 && (fields[4] === "?" || isWeekdays(fields[4]!) || fields[2] === "?");
  if (!hasSevenFields && !endsWithYear && !isShifted) return undefined;
  const shown = JSON.stringify(fields.slice(0, -1).join(" "));
  return `a year is no field here (six fields begin with the second): write ${shown}, with startAt and endAt for years`;
}

const isWeekdays = (field: string) => /^(?:sun|mon|tue|wed|thu|fri|sat)/i.test(field);
