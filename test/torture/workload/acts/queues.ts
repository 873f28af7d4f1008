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

/** Where a task of each queue belongs, with the key that its limits ask for. */
const PLACES: Record<keyof typeof QUEUES, (random: Random) => object> = {
  narrow: () => ({ queue: "narrow" }),
  keyed: (random) => ({ queue: "keyed", concurrencyKey: key(random) }),
  rated: () => ({ queue: "rated" }),
  "rated-by-key": (random) => ({ queue: "rated-by-key", rateKey: key(random) }),
};

const placeIn = (name: keyof typeof QUEUES): Act["draw"] => {
  return (random, known) => createTask(httpTask(known, good(random), PLACES[name](random)));
};

export const QUEUE_ACTS = {
  "in a queue": { weight: 4, draw: placeIn("narrow") },
  "in a queue, with a key": { weight: 4, draw: placeIn("keyed") },
  "in a queue with a rate": { weight: 3, draw: placeIn("rated") },
  "in a queue with rates of keys": { weight: 3, draw: placeIn("rated-by-key") },
  /** Single tasks seldom come faster than their queue lets them start. */
  "herd in a queue": {
    weight: 2,
    draw: (random, known) => {
      const place = PLACES[random.pick(Object.keys(PLACES) as (keyof typeof PLACES)[])];
      return post("/v1/tasks/batch", {
        items: Array.from({ length: random.whole(12, 20) }, () =>
          httpTask(known, good(random), place(random)),
        ),
      });
    },
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
