/** Limits, rates and pauses that do not hold, and permits that are lost. */
import { byModel, type Mutation } from "../mutation.ts";

export const LIMIT_MUTATIONS = {
  "admission-gives-one-more": {
    what: "A run is admitted where no permit is left",
    edits: [
      {
        file: "core/domain/admission.ts",
        from: "?? Number.POSITIVE_INFINITY) < 1);",
        to: "?? Number.POSITIVE_INFINITY) < 0);",
      },
    ],
    violates: ["limits-exact"],
    ...byModel(1),
  },
  "held-permits-are-free": {
    what: "A limit does not count the permits that are out",
    edits: [
      {
        file: "core/domain/limit.ts",
        from: "Math.max(0, concurrency - permitsHeld)",
        to: "Math.max(0, concurrency)",
      },
    ],
    violates: ["limits-exact"],
    ...byModel(1),
  },
} satisfies Record<string, Mutation>;
