/** Instants, as people say them: how long ago, and exactly. */
import { formatDuration } from "./duration.ts";

const JUST_NOW_MS = 1_500;

/** `3 min ago`, `in 20 s`, `now`. */
export function formatRelative(at: Date, now: Date): string {
  const away = at.getTime() - now.getTime();
  if (Math.abs(away) < JUST_NOW_MS) return "now";
  const roughly = formatDuration(Math.abs(away)).split(" ").slice(0, 2).join(" ").replace(/\.\d/, "");
  return away > 0 ? `in ${roughly}` : `${roughly} ago`;
}

/** In the reader's own zone, to the second, the day left out where it is today. */
export function formatExact(at: Date, now: Date): string {
  const time = at.toLocaleTimeString("en-GB");
  if (at.toDateString() === now.toDateString()) return time;
  const isThisYear = at.getFullYear() === now.getFullYear();
  const day = at.toLocaleDateString("en-GB", {
    ...{ day: "numeric", month: "short" },
    ...(isThisYear ? {} : { year: "numeric" }),
  });
  return `${day} ${time}`;
}

/** With milliseconds, for lines of a log. */
export const formatClock = (at: Date) =>
  `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;

const LOCAL = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** An instant of a schedule as clocks in its zone show it: `Tue 24 Nov 2026, 09:00:00 +01:00`. */
export function formatLocal(local: string): string {
  const [, day, time, offset] = LOCAL.exec(local) ?? [];
  if (day === undefined) return local;
  const date = new Date(`${day}T00:00:00Z`).toLocaleDateString("en-GB", {
    ...{ weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" },
  });
  return `${date.replace(",", "")}, ${time} ${offset}`;
}
