/** Runs that are executed beside each other, by who lost them, or by nobody. */
import { byModel, byTorture, type Mutation } from "../mutation.ts";

export const EXECUTING_MUTATIONS = {
  "claim-without-lock": {
    what: "A claim reads the runs that it takes without locking them",
    edits: [
      {
        file: "core/store/runs/claim.ts",
        from: "FROM task_runs_open r WHERE ${condition} FOR UPDATE SKIP LOCKED",
        to: "FROM task_runs_open r WHERE ${condition}",
      },
    ],
    violates: ["legal-changes", "no-overlap"],
    ...byTorture(["kill"]),
  },
  "leases-judged-at-once": {
    what: "Leases are judged at once after the database was away",
    edits: [
      {
        file: "core/store/contact.ts",
        from: "return { mayJudge: (word) => contact.hear(word, monotonicMs()) >= leaseMs };",
        to: "return { mayJudge: (word) => contact.hear(word, monotonicMs()) >= 0 };",
      },
    ],
    violates: ["lease-kept"],
    ...byModel(1, 5_000),
  },
} satisfies Record<string, Mutation>;
