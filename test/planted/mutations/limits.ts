/** Limits, rates and pauses that do not hold, and permits that are lost. */
import { byModel, byTorture, type Mutation } from "../mutation.ts";

const PERMITS = "core/store/limits/permits.ts";

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
  "a-line-shares-a-permit": {
    what: "A whole line is admitted by the permit of its first run",
    edits: [
      {
        file: "core/domain/admission.ts",
        from: "left.set(key, left.get(key)! - 1);",
        to: "left.set(key, left.get(key)!);",
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
  "permits-never-come-back": {
    what: "The end of a run keeps its permits, and nobody counts them anew",
    edits: [
      {
        file: PERMITS,
        from: "greatest(l.permits_held - f.count, 0) FROM freed f",
        to: "l.permits_held FROM freed f",
      },
      {
        file: "core/store/limits/recount-permits.ts",
        from: "  const keys = await findWrongCounts(db);\n",
        to: "  const keys: string[] = [];\n",
      },
    ],
    violates: ["nothing-stuck"],
    ...byTorture(["kill"]),
  },
  "granted-permits-are-not-counted": {
    what: "A permit that is granted to who waits is not counted as out",
    edits: [
      {
        file: "core/store/limits/grant-permits.ts",
        from: "l.permits_held + coalesce(t.count, 0) AS held",
        to: "l.permits_held AS held",
      },
    ],
    violates: ["within-concurrency"],
    ...byTorture(["kill"], { ratePerSecond: 100, minutes: 0.7 }),
  },
  "claims-ignore-rates": {
    what: "A claim takes a run however far its rate is used up",
    edits: [
      {
        file: PERMITS,
        from: "(n.count - l.rate_burst) * l.rate_interval_ms <= ${NOW_MS}",
        to: "(n.count - l.rate_burst) * l.rate_interval_ms <= 2 * ${NOW_MS}",
      },
    ],
    violates: ["within-rates"],
    ...byTorture(["kill"]),
  },
} satisfies Record<string, Mutation>;
