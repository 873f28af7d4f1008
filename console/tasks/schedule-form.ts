/** What somebody enters as a schedule, and what the API takes. Pure. */
export const KINDS = [
  ["every", "On an interval"],
  ["cron", "By a cron expression"],
  ["rrule", "By a calendar rule"],
  ["at", "Once, at an instant"],
  ["delay", "Once, after a delay"],
  ["none", "Once, now"],
] as const;
export type Kind = (typeof KINDS)[number][0];

export interface ScheduleForm {
  kind: Kind;
  every: string;
  cron: string;
  rrule: string;
  at: string;
  delay: string;
  timezone: string;
}

export const EMPTY_SCHEDULE: ScheduleForm = {
  ...{ kind: "every", every: "10s", cron: "0 9 * * 1-5", rrule: "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17" },
  ...{ at: "", delay: "10m", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" },
};

export type WireSchedule = Record<string, string>;

/** Undefined: none, or nothing entered yet. */
export function toSchedule({ kind, timezone, ...form }: ScheduleForm): WireSchedule | undefined {
  if (kind === "none") return undefined;
  const value = form[kind].trim();
  if (value === "") return undefined;
  // What a browser's field holds is in the reader's own zone.
  if (kind === "at") return { at: new Date(value).toISOString() };
  const isCivil = kind === "cron" || kind === "rrule";
  return { [kind]: value, ...(isCivil && timezone ? { timezone } : {}) };
}
