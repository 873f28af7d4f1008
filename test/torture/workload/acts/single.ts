/** Tasks that fire once. */
import { type Act, createTask, good, httpTask, priority, QUICK_RETRY, soon } from "./act.ts";

export const SINGLE_ACTS = {
  "http now": {
    weight: 30,
    draw: (random, known) => createTask(httpTask(known, good(random), { priority: priority(random) })),
  },
  "http later": {
    weight: 15,
    draw: (random, known) =>
      createTask(httpTask(known, good(random), { schedule: { delay: `${random.whole(0, 8_000)}ms` } })),
  },
  "http at an instant": {
    weight: 6,
    draw: (random, known) =>
      createTask(httpTask(known, good(random), { schedule: { at: soon(random, [1_000, 8_000]) } })),
  },
  "http that fails at first": {
    weight: 8,
    draw: (random, known) => {
      const backoff = random.pick([
        QUICK_RETRY.backoff,
        { kind: "linear", initial: "150ms" },
        { kind: "list", waits: ["1s", "300ms"] },
      ]);
      const plan = `${random.pick(["503", "drop"])},${good(random)}`;
      const retry = { ...QUICK_RETRY, backoff };
      return createTask(httpTask(known, plan, { method: "POST", body: { n: random.whole(1, 9) }, retry }));
    },
  },
  "http that fails": {
    weight: 4,
    draw: (random, known) =>
      createTask(
        httpTask(known, random.pick(["400", "500"]), {
          deadLetter: random.next() < 0.7,
          retry: { maxAttempts: 2, backoff: { initial: "100ms" } },
        }),
      ),
  },
  "http with bounds of time": {
    weight: 3,
    draw: (random, known) =>
      createTask(
        httpTask(known, `503,503,${good(random)}`, random.pick([{ ttl: "1s" }, { deadline: "3s" }])),
      ),
  },
  "http that is completed later": {
    weight: 4,
    draw: (random, known) =>
      createTask(httpTask(known, `later:${random.whole(0, 2_000)}`, { timeout: "30s" })),
  },
  "http with callbacks": {
    weight: 5,
    draw: (random, known) => {
      const call = [{ type: "http", url: `${known.targetUrl}/called` }];
      const plan = random.next() < 0.3 ? "400" : good(random);
      return createTask(httpTask(known, plan, { on: { always: call } }));
    },
  },
  email: {
    weight: 4,
    draw: (random) =>
      createTask({
        ...{ type: "email", to: `customer-${random.whole(1, 99)}@example.com`, subject: "An errand" },
        ...{ body: "It was run.", retry: QUICK_RETRY },
      }),
  },
} satisfies Record<string, Act>;
