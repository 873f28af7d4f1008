/** What somebody decides about what was asked before: cancels, removals, redrives, bulk actions. */
import { type Act, post } from "./act.ts";

export const DECISION_ACTS = {
  cancel: {
    weight: 3,
    draw: (random, { single }) =>
      single.length === 0 ? undefined : post(`/v1/tasks/${random.pick(single)}/cancel`),
  },
  remove: {
    weight: 1,
    draw: (random, { single }) =>
      single.length === 0 ? undefined : { method: "DELETE", path: `/v1/tasks/${random.pick(single)}` },
  },
  redrive: {
    weight: 2,
    draw: (random, { failing }) =>
      failing.length === 0 ? undefined : post("/v1/dead-letters/redrive", { taskId: random.pick(failing) }),
  },
  bulk: {
    weight: 1,
    draw: (random, { failing }) =>
      failing.length === 0
        ? undefined
        : post("/v1/bulk", {
            ...{ resource: "runs", action: random.pick(["redrive", "discard", "replay"]) },
            filter: { taskId: random.pick(failing) },
          }),
  },
} satisfies Record<string, Act>;
