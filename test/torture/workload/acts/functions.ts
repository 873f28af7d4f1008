/** Functions: as tasks, called, with a limit of their own, and one that takes more memory than it may. */
import { type Act, createTask, good, QUICK_RETRY, targetOf } from "./act.ts";

export interface Deployment {
  name: string;
  source: string;
  limits?: object;
}

/** It says a line before and after it has called. What a webhook brings is text. */
const ERRAND = `
export default async function (given, ctx) {
  const input = typeof given === "string" ? JSON.parse(given) : given;
  ctx.log.info("begun " + ctx.attempt);
  const answer = await fetch(input.url + "&run=" + ctx.runId + "&attempt=" + ctx.attempt);
  ctx.log.info("called " + ctx.attempt);
  if (!answer.ok) throw new Retry({ after: "200ms" });
  return { attempt: ctx.attempt };
}`;
/** Tells its target which inputs it was given: of a collected run a list of them. */
const GATHER = `
export default async function (given, ctx) {
  const inputs = Array.isArray(given) ? given : [given];
  const url = inputs[0].url + "&run=" + ctx.runId + "&attempt=" + ctx.attempt;
  ctx.log.info("begun " + ctx.attempt);
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(inputs.map(({ key }) => key)) });
  ctx.log.info("called " + ctx.attempt);
  if (!answer.ok) throw new Retry({ after: "200ms" });
  return inputs.length;
}`;
/** What it takes is not the heap's. */
const HOARDING = `
export default function () {
  const held = [];
  for (;;) held.push(new Uint8Array(1_000_000).fill(held.length));
}`;
const GREEDY = `
export default function () {
  const held = [];
  for (;;) held.push(new Array(100_000).fill(held.length));
}`;

export const DEPLOYMENTS: readonly Deployment[] = [
  { name: "errand", source: ERRAND },
  { name: "narrow", source: ERRAND, limits: { concurrency: 2 } },
  { name: "gather", source: GATHER },
  { name: "greedy", source: GREEDY, limits: { memoryMb: 32 } },
  { name: "hoarding", source: HOARDING, limits: { memoryMb: 32 } },
];

const functionTask = (name: string, url: string) =>
  createTask({ type: "function", function: name, retry: QUICK_RETRY, timeout: "10s", input: { url } });

export const FUNCTION_ACTS = {
  function: {
    weight: 12,
    draw: (random, known) =>
      functionTask("errand", targetOf(known, random.next() < 0.2 ? `500,${good(random)}` : good(random))),
  },
  "function with a limit": {
    weight: 5,
    draw: (random, known) => functionTask("narrow", targetOf(known, good(random))),
  },
  "function that takes too much memory": {
    weight: 1,
    draw: (random) =>
      createTask({
        type: "function",
        function: random.pick(["greedy", "hoarding"]),
        retry: { maxAttempts: 2, backoff: { initial: "100ms" } },
      }),
  },
  call: {
    weight: 10,
    draw: (random, known) => ({
      ...{ method: "POST" as const, path: "/v1/functions/errand/invoke" },
      body: { url: targetOf(known, good(random)) },
    }),
  },
  "call that is not waited for": {
    weight: 3,
    draw: (random, known) => ({
      ...{ method: "POST" as const, path: "/v1/functions/errand/invoke?maxAttempts=4" },
      headers: { prefer: "respond-async" },
      body: { url: targetOf(known, good(random)) },
    }),
  },
} satisfies Record<string, Act>;
