/** `/v1/clock`: reads and advances the clock for tests, where schedules go by one. */
import { advanceInput, clockOutput, MAX_ADVANCE_MS } from "../../core/contracts/clock.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { ScheduleTime, VirtualTime } from "../../core/schedule-time.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const toWireClock = (time: VirtualTime) => ({
  ...{ now: time.now().toISOString(), virtual: true as const },
  advancingTo: time.target?.toISOString() ?? null,
});

export const clockFeature: Feature = {
  tag: "Clock",
  description: "The clock for tests of `npm start -- --clock=virtual`: schedules see it, and nothing else.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/clock",
      operationId: "getClock",
      summary: "Get the time that schedules see",
      access: "read",
      answers: { 200: { is: "The clock for tests.", schema: clockOutput } },
      errors: { 404: ["clock_not_virtual"] },
      async handle({ parts: { time } }) {
        return { status: 200, body: toWireClock(requireVirtual(time)) };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/clock/advance",
      operationId: "advanceClock",
      summary: "Advance the time that schedules see",
      description:
        "It stops at each instant at which a task fires. The response comes when everything that fires up to there is staged; if you close the connection, the clock stops where it is.",
      access: "operator",
      audit: { not: "The clock for tests is of no installation that is in use." },
      idempotency: { by: null, why: "An advance to an instant may be repeated as it is." },
      body: { schema: advanceInput },
      answers: { 200: { is: "The clock has arrived.", schema: clockOutput } },
      errors: { 404: ["clock_not_virtual"], 409: ["clock_advancing"], 503: ["clock_stopped"] },
      async handle({ parts: { time: given, stopping }, context, body: { by, to } }) {
        const time = requireVirtual(given);
        const target = to ?? new Date(time.now().getTime() + by!);
        refuseTarget(time.now(), target, to ? "to" : "by");
        const signal = AbortSignal.any([context.req.raw.signal, stopping]);
        const reached = await time.advance(target, signal);
        if (reached < target) throw stoppedAt(reached);
        return { status: 200, body: toWireClock(time) };
      },
    }),
  ],
};

function requireVirtual(time: ScheduleTime): VirtualTime {
  if (time.isVirtual) return time;
  throw new BellhopError(
    "clock_not_virtual",
    404,
    "Schedules see the true time here. npm start -- --clock=virtual has a clock that you can advance.",
  );
}

function refuseTarget(now: Date, target: Date, field: "by" | "to"): void {
  if (target < now)
    throw invalidField(field, `is before the clock's ${now.toISOString()}: the clock never goes back`);
  if (target.getTime() - now.getTime() > MAX_ADVANCE_MS)
    throw invalidField(field, "is more than 3660 days ahead of the clock");
}

const stoppedAt = (reached: Date) =>
  new BellhopError(
    "clock_stopped",
    503,
    `The API is stopping: the clock stands at ${reached.toISOString()}. Advance it again.`,
  );
