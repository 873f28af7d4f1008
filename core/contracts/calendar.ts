/** Calendars on the wire: named sets of days. */
import { z } from "zod";
import { hasKeyForm, KEY_FORM } from "../domain/task-key.ts";
import { instantOutput, pageOf } from "./common.ts";

export const MAX_CALENDAR_DATES = 5_000;

export const calendarNameField = z
  .string()
  .refine(hasKeyForm, `must be ${KEY_FORM}`)
  .meta({ description: `A calendar's name: ${KEY_FORM}.`, examples: ["it-holidays"] });

export const dateField = z.iso.date("must be a date such as 2026-12-25");

export const calendarInput = z
  .strictObject({
    dates: z
      .array(dateField)
      .max(MAX_CALENDAR_DATES, `holds at most ${MAX_CALENDAR_DATES} dates`)
      .meta({ description: "Days, in any order; duplicates count once." }),
  })
  .meta({ examples: [{ dates: ["2026-12-25", "2026-12-26"] }] });

const facts = { name: z.string(), createdAt: instantOutput, updatedAt: instantOutput };
const EXAMPLE_FACTS = {
  name: "it-holidays",
  createdAt: "2026-11-23T20:40:00.000Z",
  updatedAt: "2026-11-23T20:40:00.000Z",
};

export const calendarOutput = z
  .object({ ...facts, dates: z.array(z.string()).meta({ description: "Sorted." }) })
  .meta({ id: "Calendar", examples: [{ ...EXAMPLE_FACTS, dates: ["2026-12-25", "2026-12-26"] }] });

export const calendarListOutput = pageOf(z.object({ ...facts, dateCount: z.int() })).meta({
  id: "Calendars",
  examples: [{ items: [{ ...EXAMPLE_FACTS, dateCount: 2 }], nextCursor: null }],
});

export interface CalendarFacts {
  name: string;
  createdAt: Date;
  updatedAt: Date;
}

export interface Calendar extends CalendarFacts {
  dates: string[];
}

const toWireFacts = ({ name, createdAt, updatedAt }: CalendarFacts) => ({
  ...{ name, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() },
});

export const toWireCalendar = (calendar: Calendar): z.output<typeof calendarOutput> => ({
  ...toWireFacts(calendar),
  dates: calendar.dates,
});

export const toWireCalendarSummary = (calendar: CalendarFacts & { dateCount: number }) => ({
  ...toWireFacts(calendar),
  dateCount: calendar.dateCount,
});
