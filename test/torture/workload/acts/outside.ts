/** What comes from outside: webhooks, and tasks that an application enqueues in transactions of its own. */
import { type Act, good, httpTask, type Known, post, targetOf } from "./act.ts";

const enqueued = (known: Known, plan: string, end: "COMMIT" | "ROLLBACK") => ({
  ...{ method: "SQL" as const, path: end, body: httpTask(known, plan) },
});

export const OUTSIDE_ACTS = {
  hook: {
    weight: 4,
    draw: (random, known) => post(known.hookPath, { url: targetOf(known, good(random)) }),
  },
  enqueue: {
    weight: 6,
    draw: (random, known) => enqueued(known, good(random), "COMMIT"),
  },
  "enqueue and roll back": {
    weight: 1,
    draw: (random, known) => enqueued(known, good(random), "ROLLBACK"),
  },
} satisfies Record<string, Act>;
