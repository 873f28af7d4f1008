/** What is asked next, drawn at random: of every type, kind and policy there is. */
import type { Random } from "../../support/random.ts";
import type { Ask } from "./client.ts";

/** What earlier answers have made. */
export interface Known {
  /** Repeating tasks that nobody has cancelled. */
  repeating: string[];
  /** Where tasks call. */
  targetUrl: string;
}

interface Act {
  /** How often it is drawn, against the others. */
  weight: number;
  /** Undefined: there is nothing that it could be done to. */
  draw(random: Random, known: Known): Omit<Ask, "act" | "key"> | undefined;
}

export const MAX_REPEATING = 12;
export const FUNCTION_NAME = "errand";
/** It says a line before and after it has called. */
export const FUNCTION_SOURCE = `
export default async function (input, ctx) {
  ctx.log.info("begun " + ctx.attempt);
  const answer = await fetch(input.url + "&run=" + ctx.runId + "&attempt=" + ctx.attempt);
  ctx.log.info("called " + ctx.attempt);
  if (!answer.ok) throw new Retry({ after: "200ms" });
  return { attempt: ctx.attempt };
}`;

const QUICK_RETRY = { maxAttempts: 8, backoff: { initial: "100ms", max: "1s" } };

/** Mostly quick; now and then slow enough to meet a fault. */
const pauseOf = (random: Random) => (random.next() < 0.15 ? random.whole(500, 3_000) : random.whole(0, 60));
const target = ({ targetUrl }: Known, plan: string) => `${targetUrl}/run?plan=${plan}`;
const good = (random: Random) => `200:${pauseOf(random)}`;

const createTask = (body: object) => ({ method: "POST" as const, path: "/v1/tasks", body });

export const ACTS: Record<string, Act> = {
  "http now": {
    weight: 30,
    draw: (random, known) =>
      createTask({ type: "http", url: target(known, good(random)), retry: QUICK_RETRY, timeout: "10s" }),
  },
  "http later": {
    weight: 15,
    draw: (random, known) =>
      createTask({
        ...{ type: "http", url: target(known, good(random)), retry: QUICK_RETRY, timeout: "10s" },
        schedule: { delay: `${random.whole(0, 8_000)}ms` },
      }),
  },
  "http that fails at first": {
    weight: 10,
    draw: (random, known) =>
      createTask({
        ...{ type: "http", method: "POST", body: { n: random.whole(1, 9) } },
        ...{ url: target(known, `${random.pick(["503", "drop"])},${good(random)}`), retry: QUICK_RETRY },
      }),
  },
  "http that fails": {
    weight: 5,
    draw: (random, known) =>
      createTask({
        ...{ type: "http", url: target(known, random.pick(["400", "500"])), deadLetter: random.next() < 0.7 },
        retry: { maxAttempts: 2, backoff: { initial: "100ms" } },
      }),
  },
  function: {
    weight: 15,
    draw: (random, known) =>
      createTask({
        ...{ type: "function", function: FUNCTION_NAME, retry: QUICK_RETRY, timeout: "10s" },
        input: { url: target(known, random.next() < 0.2 ? `500,${good(random)}` : good(random)) },
      }),
  },
  call: {
    weight: 10,
    draw: (random, known) => ({
      ...{ method: "POST" as const, path: `/v1/functions/${FUNCTION_NAME}/invoke` },
      body: { url: target(known, good(random)) },
    }),
  },
  repeating: {
    weight: 1,
    draw: (random, known) => {
      if (known.repeating.length >= MAX_REPEATING) return undefined;
      const everyMs = random.pick([1_000, 1_500, 2_000, 3_000]);
      return createTask({
        ...{ type: "http", url: target(known, good(random)), retry: QUICK_RETRY, timeout: "10s" },
        schedule: random.pick([
          { every: `${everyMs}ms` },
          { cron: `*/${random.whole(1, 3)} * * * * *`, timezone: "Europe/Rome" },
        ]),
        overlap: random.pick(["skip", "allow", "wait", "cancel-previous"]),
      });
    },
  },
  "cancel repeating": {
    weight: 1,
    draw: (random, { repeating }) =>
      repeating.length < MAX_REPEATING
        ? undefined
        : { method: "POST", path: `/v1/tasks/${random.pick(repeating)}/cancel`, body: {} },
  },
};

const TICKETS = Object.entries(ACTS).flatMap(([name, { weight }]) => Array<string>(weight).fill(name));

/** @param count numbers the requests of a run: with the seed it makes their keys */
export function drawAct(random: Random, known: Known, seed: number, count: number): Ask {
  for (;;) {
    const act = random.pick(TICKETS);
    const drawn = ACTS[act]!.draw(random, known);
    if (drawn) return { act, key: `torture-${seed}-${count}`, ...drawn };
  }
}
