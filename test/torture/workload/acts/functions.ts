/** Functions: as tasks, called, with a limit of their own, and one that takes more memory than it may. */
import { type Act, createTask, good, QUICK_RETRY, targetOf } from "./act.ts";

export interface Deployment {
  name: string;
  source: string;
  limits?: object;
}

/** It says a line before and after it has called. */
const ERRAND = `
export default async function (input, ctx) {
  ctx.log.info("begun " + ctx.attempt);
  const answer = await fetch(input.url + "&run=" + ctx.runId + "&attempt=" + ctx.attempt);
  ctx.log.info("called " + ctx.attempt);
  if (!answer.ok) throw new Retry({ after: "200ms" });
  return { attempt: ctx.attempt };
}`;
const GREEDY = `
export default function () {
  const held = [];
  for (;;) held.push(new Array(100_000).fill(held.length));
}`;

export const DEPLOYMENTS: readonly Deployment[] = [
  { name: "errand", source: ERRAND },
  { name: "narrow", source: ERRAND, limits: { concurrency: 2 } },
  { name: "greedy", source: GREEDY, limits: { memoryMb: 32 } },
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
    draw: () =>
      createTask({
        type: "function",
        function: "greedy",
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
