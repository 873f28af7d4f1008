/** What makes many things at once: batches of tasks, backfills, and bulk actions upon them. */
import type { Random } from "../../../support/random.ts";
import { type Act, good, httpTask, type Known, post, priority } from "./act.ts";

const GROUPS = ["red", "green", "blue"];

function drawItem(random: Random, known: Known): object {
  const isLater = random.next() < 0.4;
  return httpTask(known, random.next() < 0.05 ? `503,${good(random)}` : good(random), {
    ...{ priority: priority(random), labels: { group: random.pick(GROUPS) } },
    ...(isLater ? { schedule: { delay: `${random.whole(0, 10_000)}ms` } } : {}),
  });
}

const SECOND_MS = 1_000;
export const MANY_ACTS = {
  batch: {
    weight: 5,
    draw: (random, known) =>
      post("/v1/tasks/batch", {
        items: Array.from({ length: Math.round(known.bulk * random.whole(10, 40)) }, () =>
          drawItem(random, known),
        ),
      }),
  },
  backfill: {
    weight: 3,
    draw: (random, { repeating }) => {
      if (repeating.length === 0) return undefined;
      const toMs = Date.now() - random.whole(1, 5) * SECOND_MS;
      return post(`/v1/tasks/${random.pick(repeating)}/backfill`, {
        from: new Date(toMs - random.whole(5, 30) * SECOND_MS).toISOString(),
        to: new Date(toMs).toISOString(),
        ...random.pick([{ overlap: "allow" }, { overlap: "allow" }, { overlap: "wait" }, {}]),
      });
    },
  },
  "bulk of tasks": {
    weight: 1,
    draw: (random) =>
      post("/v1/bulk", {
        ...{ resource: "tasks", action: random.pick(["cancel", "pause", "resume"]) },
        filter: { state: ["active", "paused"], label: [`group=${random.pick(GROUPS)}`] },
      }),
  },
  "bulk cancel of runs": {
    weight: 1,
    draw: (random) =>
      post("/v1/bulk", {
        ...{ resource: "runs", action: "cancel" },
        filter: { queue: random.pick(["narrow", "keyed"]), state: ["queued"] },
      }),
  },
} satisfies Record<string, Act>;
