/**
 * The calendar without a zone. A local time is a number: the milliseconds since 1970 that it would be if the clock on
 * the wall showed UTC. A day is a number as well: whole days since 1970-01-01.
 */
export const SECOND_MS = 1_000;
export const DAY_MS = 86_400_000;

export const dayOf = (localMs: number): number => Math.floor(localMs / DAY_MS);

/** 0 is Sunday. 1970-01-01 was a Thursday. */
export const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7;

/** `month` is 1 to 12, or beyond: month 13 is the next year's first. */
export const dayNumber = (year: number, month: number, dayOfMonth: number): number =>
  Date.UTC(year, month - 1, dayOfMonth) / DAY_MS;

export const daysIn = (year: number, month: number): number =>
  dayNumber(year, month + 1, 1) - dayNumber(year, month, 1);

export function toCivil(day: number): { year: number; month: number; dayOfMonth: number } {
  const date = new Date(day * DAY_MS);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, dayOfMonth: date.getUTCDate() };
}

/** The day as a calendar writes it: `2026-12-25`. */
export const toDateText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);
