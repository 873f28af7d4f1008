/** `/v1/calendars`: named sets of days, such as public holidays, that schedules exclude. */

import {
  calendarInput,
  calendarListOutput,
  calendarNameField,
  calendarOutput,
  MAX_CALENDAR_DATES,
  toWireCalendar,
  toWireCalendarSummary,
} from "../../core/contracts/calendar.ts";
import { hasKeyForm, KEY_FORM } from "../../core/domain/task-key.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import {
  deleteCalendar,
  findCalendar,
  holdCalendar,
  listCalendars,
} from "../../core/store/calendars/calendars.ts";
import { putCalendar } from "../../core/store/calendars/change.ts";
import { readJson, validate } from "../bodies/body.ts";
import type { Entity } from "../http/entity.ts";
import type { AuditSpec } from "../http/route.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const params = { name: calendarNameField };

const calendarEntity: Entity = {
  leaves: ["createdAt", "updatedAt"],
  lock: (tx, namespaceId, { name }) => holdCalendar(tx, namespaceId, name!),
  async read({ store }, namespaceId, { name }) {
    const calendar = await findCalendar(store, namespaceId, name!);
    return calendar && toWireCalendar(calendar);
  },
};

const audit: AuditSpec = {
  resource: "calendars/:name",
  async read({ parts: { store }, owner: { namespaceId }, params: { name } }) {
    const calendar = hasKeyForm(name!) && (await findCalendar(store, namespaceId, name!));
    return calendar ? toWireCalendar(calendar) : undefined;
  },
};

export const calendarFeature: Feature = {
  tag: "Calendars",
  description: "Named sets of days, such as public holidays, that schedules exclude.",
  routes: [
    defineRoute({
      method: "PUT",
      path: "/v1/calendars/:name",
      operationId: "putCalendar",
      summary: "Create a calendar, or change its dates",
      description: "As soon as this is answered, the tasks that name it follow the new dates.",
      access: "write",
      audit,
      params,
      ownBody: { content: { "application/json": calendarInput } },
      entity: calendarEntity,
      mayBeMinimal: true,
      answers: {
        200: { is: "The calendar, as changed.", schema: calendarOutput },
        201: { is: "The new calendar.", schema: calendarOutput },
      },
      errors: { 409: ["too_many_calendars"] },
      async handle({ parts: { store, time, notifier }, context, owner: { namespaceId }, params: { name } }) {
        const { dates } = validate(calendarInput, await readJson(context), MAX_CALENDAR_DATES);
        if (!hasKeyForm(name)) throw invalidField("name", `must be ${KEY_FORM}`);
        const { calendar, isNew } = await putCalendar(store, namespaceId, name, dates, () => time.now());
        if (!isNew) notifier.notify("bellhop_schedule");
        return { status: isNew ? 201 : 200, body: toWireCalendar(calendar) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/calendars",
      operationId: "listCalendars",
      summary: "List the calendars by name",
      access: "read",
      answers: { 200: { is: "All calendars, without their dates.", schema: calendarListOutput } },
      async handle({ parts: { store }, owner: { namespaceId } }) {
        const calendars = await listCalendars(store, namespaceId);
        return { status: 200, body: { items: calendars.map(toWireCalendarSummary), nextCursor: null } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/calendars/:name",
      operationId: "getCalendar",
      summary: "Get a calendar",
      access: "read",
      params,
      entity: calendarEntity,
      answers: { 200: { is: "The calendar.", schema: calendarOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, owner: { namespaceId }, params: { name } }) {
        const calendar = hasKeyForm(name) && (await findCalendar(store, namespaceId, name));
        if (!calendar) throw notFound("calendar", name);
        return { status: 200, body: toWireCalendar(calendar) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/calendars/:name",
      operationId: "deleteCalendar",
      summary: "Remove a calendar that no task names",
      access: "write",
      audit,
      params,
      entity: calendarEntity,
      answers: { 204: { is: "The calendar is removed." } },
      errors: { 404: ["not_found"], 409: ["calendar_in_use"] },
      async handle({ parts: { store }, owner: { namespaceId }, params: { name } }) {
        if (!hasKeyForm(name)) throw notFound("calendar", name);
        await deleteCalendar(store, namespaceId, name);
        return { status: 204 };
      },
    }),
  ],
};
