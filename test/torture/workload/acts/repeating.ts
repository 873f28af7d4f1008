/** Tasks that repeat, of every kind of schedule, overlap and catch-up; not many at once, for each goes on by itself. */
import type { Random } from "../../../support/random.ts";
import { type Act, createTask, good, httpTask, type Known, post, soon, targetOf } from "./act.ts";
import { CALENDAR } from "./calendars.ts";

export const MAX_REPEATING = 40;
const KEYS = ["put-1", "put-2", "put-3"];

function drawSchedule(random: Random): object {
  const seconds = random.whole(1, 2);
  const every = `${random.pick([1_000, 1_000, 1_500, 2_000])}ms`;
  const cron = `*/${seconds} * * * * *`;
  return random.pick([
    ...[{ every }, { every }, { cron }],
    { every, anchor: soon(random, [-9_000, -1_000]) },
    { every, startAt: soon(random, [1_000, 4_000]) },
    { every, jitter: "500ms" },
    { cron, timezone: "Europe/Rome" },
    { cron, exclude: { cron: "*/4 * * * * *" } },
    { cron, exclude: { calendar: CALENDAR } },
    { rrule: `FREQ=SECONDLY;INTERVAL=${seconds}` },
  ]);
}

const drawPolicy = (random: Random) => ({
  overlap: random.pick(["skip", "allow", "wait", "cancel-previous"]),
  catchUp: random.pick([null, { policy: "latest" }, { policy: "all", max: 5 }, { policy: "none" }]),
  ...random.pick([{}, { expect: { within: "2s" } }]),
});

const drawTask = (random: Random, known: Known) =>
  httpTask(known, random.next() < 0.2 ? `503,${good(random)}` : good(random), {
    schedule: drawSchedule(random),
    ...drawPolicy(random),
  });

export const REPEATING_ACTS = {
  repeating: {
    weight: 6,
    draw: (random, known) =>
      known.repeating.length < MAX_REPEATING ? createTask(drawTask(random, known)) : undefined,
  },
  put: {
    weight: 2,
    draw: (random, known) => ({
      ...{ method: "PUT" as const, path: `/v1/tasks/${random.pick(KEYS)}`, body: drawTask(random, known) },
    }),
  },
  patch: {
    weight: 2,
    draw: (random, known) =>
      known.repeating.length === 0
        ? undefined
        : {
            ...{ method: "PATCH" as const, path: `/v1/tasks/${random.pick(known.repeating)}` },
            body: { timeout: `${random.whole(5, 10)}s`, url: targetOf(known, good(random)) },
          },
  },
  "run now": { weight: 2, draw: onRepeating("run") },
  pause: { weight: 2, draw: onRepeating("pause") },
  resume: { weight: 2, draw: onRepeating("resume") },
  "cancel repeating": {
    weight: 1,
    draw: (random, known) =>
      known.repeating.length < MAX_REPEATING ? undefined : onRepeating("cancel")(random, known),
  },
} satisfies Record<string, Act>;

function onRepeating(verb: string): Act["draw"] {
  return (random, { repeating }) =>
    repeating.length === 0 ? undefined : post(`/v1/tasks/${random.pick(repeating)}/${verb}`);
}
