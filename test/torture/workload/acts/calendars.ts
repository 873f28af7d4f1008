/** A calendar that closes for days around today, and opens again. */
import type { Act } from "./act.ts";

export const CALENDAR = "closed";
const DAY_MS = 86_400_000;

/** Whatever the hour: yesterday, today and tomorrow. */
const daysAround = (now: number) =>
  [-1, 0, 1].map((days) => new Date(now + days * DAY_MS).toISOString().slice(0, 10));

export const CALENDAR_ACTS = {
  calendar: {
    weight: 1,
    draw: (random) => ({
      ...{ method: "PUT" as const, path: `/v1/calendars/${CALENDAR}` },
      body: { dates: random.next() < 0.3 ? daysAround(Date.now()) : [] },
    }),
  },
} satisfies Record<string, Act>;
