/** `/v1/schedules/preview`, `/v1/tasks/{id}/next`, `/v1/upcoming`: what fires when, before it does. */

import { toPage } from "../../core/contracts/common.ts";
import {
  DENSITY_SLICES,
  densityOutput,
  densityQuery,
  nextOutput,
  nextQuery,
  previewInput,
  previewOutput,
  toLocalText,
  toWireInstant,
  upcomingOutput,
  upcomingQuery,
} from "../../core/contracts/occurrence.ts";
import { notFound } from "../../core/errors.ts";
import { findCalendarDates } from "../../core/store/calendars/calendars.ts";
import { countUpcoming } from "../../core/store/tasks/count-upcoming.ts";
import { findFirst } from "../../core/store/tasks/first-instant.ts";
import { listNextOfTask, listUpcoming, type UpcomingInstant } from "../../core/store/tasks/upcoming.ts";
import { decodeUpcomingCursor, encodeUpcomingPosition } from "../http/cursor.ts";
import { defineRoute, type Feature, type RouteSettings } from "../http/route.ts";
import { ofTask } from "../tasks/name-task.ts";
import { previewSchedule } from "./preview.ts";

const toWireUpcoming = (instant: UpcomingInstant) => ({
  ...{ taskId: instant.taskId, name: instant.name },
  ...toWireInstant(instant),
});

export const scheduleFeature = ({ time }: RouteSettings): Feature => ({
  tag: "Schedules",
  description: "When schedules and tasks will fire.",
  routes: [
    defineRoute({
      method: "POST",
      path: "/v1/schedules/preview",
      operationId: "previewSchedule",
      summary: "Show when a schedule fires",
      description: "As for a task created at `from`. It creates nothing.",
      access: "read",
      body: { schema: previewInput(() => time.now()) },
      answers: { 200: { is: "The schedule in words, and its next instants.", schema: previewOutput } },
      errors: { 422: ["unknown_calendar"] },
      async handle({ parts: { store }, owner: { namespaceId }, body: { schedule, from, count } }) {
        const dates = await findCalendarDates(store, namespaceId, schedule);
        const madeAt = from ?? time.now();
        findFirst(schedule, madeAt, dates);
        return { status: 200, body: await previewSchedule(schedule, madeAt, count, dates) };
      },
    }),

    ...ofTask([
      defineRoute({
        method: "GET",
        path: "/v1/tasks/:id/next",
        operationId: "listNextOccurrences",
        summary: "List a task's next instants",
        access: "read",
        query: nextQuery,
        answers: { 200: { is: "Those of an active task; of another, none.", schema: nextOutput } },
        errors: { 404: ["not_found"] },
        async handle({ parts: { store }, owner, params: { id }, query: { count } }) {
          const found = await listNextOfTask(store, owner.namespaceId, id, count);
          if (!found) throw notFound("task", id);
          const items = found.instants.map((instant) => ({
            ...toWireUpcoming(instant),
            local: toLocalText(found.schedule, instant.nominalAt),
          }));
          const truncated = found.isCut && { truncated: true as const };
          return { status: 200, body: { items, nextCursor: null, ...truncated } };
        },
      }),
    ]),

    defineRoute({
      method: "GET",
      path: "/v1/upcoming/density",
      operationId: "countUpcoming",
      summary: "Count the upcoming instants of all tasks, slice by slice",
      access: "read",
      query: densityQuery,
      answers: { 200: { is: "Counts of instants.", schema: densityOutput } },
      async handle({ parts: { store }, owner: { namespaceId }, query: { within } }) {
        const fromMs = time.now().getTime();
        const span = { fromMs, untilMs: fromMs + within, slices: DENSITY_SLICES };
        const { counts, isEstimated } = await countUpcoming(store, namespaceId, span);
        const items = counts.map((count, slice) => ({
          at: new Date(fromMs + (slice * within) / DENSITY_SLICES).toISOString(),
          count,
        }));
        return { status: 200, body: { items, estimated: isEstimated } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/upcoming",
      operationId: "listUpcoming",
      summary: "List the upcoming instants of all tasks, in order",
      access: "read",
      query: upcomingQuery,
      answers: { 200: { is: "A page of instants.", schema: upcomingOutput } },
      async handle({ parts: { store }, owner: { namespaceId }, query: { within, limit, cursor } }) {
        const position = decodeUpcomingCursor(cursor);
        const untilMs = position?.untilMs ?? time.now().getTime() + within;
        const found = await listUpcoming(store, namespaceId, new Date(untilMs), position, limit + 1);
        const body = toPage(found, limit, toWireUpcoming, ({ taskId, effectiveAt }) =>
          encodeUpcomingPosition({ untilMs, atMs: effectiveAt.getTime(), taskId }),
        );
        return { status: 200, body };
      },
    }),
  ],
});
