/** Tasks and calls in queues with limits of every kind. */
import type { Random } from "../../../support/random.ts";
import { type Act, createTask, good, httpTask, post, targetOf } from "./act.ts";

/** Their limits never change, so that the oracle can hold every instant to them. */
export const QUEUES = {
  narrow: { concurrency: 3 },
  keyed: { concurrency: 6, perKey: { concurrency: 1 } },
  rated: { rate: { limit: 5, per: "1s", burst: 5 } },
  "rated-by-key": { perKey: { rate: { limit: 2, per: "1s", burst: 2 } } },
} as const;

const key = (random: Random) => `customer-${random.whole(1, 5)}`;

export const QUEUE_ACTS = {
  "in a queue": {
    weight: 4,
    draw: (random, known) => createTask(httpTask(known, good(random), { queue: "narrow" })),
  },
  "in a queue, with a key": {
    weight: 4,
    draw: (random, known) =>
      createTask(httpTask(known, good(random), { queue: "keyed", concurrencyKey: key(random) })),
  },
  "in a queue with a rate": {
    weight: 3,
    draw: (random, known) => createTask(httpTask(known, good(random), { queue: "rated" })),
  },
  "in a queue with rates of keys": {
    weight: 3,
    draw: (random, known) =>
      createTask(httpTask(known, good(random), { queue: "rated-by-key", rateKey: key(random) })),
  },
  "call in a queue": {
    weight: 2,
    draw: (random, known) => ({
      ...{ method: "POST" as const, path: "/v1/functions/errand/invoke?queue=narrow" },
      body: { url: targetOf(known, good(random)) },
    }),
  },
  "pause of a queue": {
    weight: 1,
    draw: (random) =>
      post(`/v1/queues/${random.pick(["narrow", "keyed"])}/pause`, {
        until: new Date(Date.now() + random.whole(200, 2_000)).toISOString(),
      }),
  },
} satisfies Record<string, Act>;
