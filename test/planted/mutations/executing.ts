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
  "gaps-go-unnoticed": {
    what: "However long the database was away, that counts as contact with it",
    edits: [
      {
        file: "core/store/contact.ts",
        from: "const contact = createContact(leaseMs / 2);",
        to: "const contact = createContact(leaseMs * 100);",
      },
    ],
    violates: ["lease-kept"],
    ...byModel(1, 5_000),
  },
  "leases-judged-by-no-one": {
    what: "A rescue takes every run that is running, whatever the lease of its worker",
    edits: [
      {
        file: "core/store/runs/rescue.ts",
        from: `
        AND NOT EXISTS (SELECT FROM workers w
          WHERE w.id = r.worker_id AND w.lease_until > \${word.exactAt}::timestamptz)`,
        to: "",
      },
    ],
    violates: ["lease-kept"],
    ...byTorture(["kill"]),
  },
  "lost-bells-are-missed-late": {
    what: "A run whose bell was lost is looked for after a minute, by workers and schedulers alike",
    edits: [
      {
        file: "core/store/runs/find-claimable.ts",
        from: "export const SWEEP_OVERDUE_MS = 1_000;",
        to: "export const SWEEP_OVERDUE_MS = 60_000;",
      },
      {
        file: "scheduler/jobs.ts",
        from: "export const OVERDUE_MS = 1_000;",
        to: "export const OVERDUE_MS = 60_000;",
      },
    ],
    violates: ["on-time-afterwards"],
    ...byModel(1),
  },
  "slots-stay-taken": {
    what: "A worker's slot is not given back when its run has ended",
    edits: [{ file: "runtime/slots.ts", from: "    free += count;\n", to: "" }],
    violates: ["on-time-afterwards", "nothing-stuck"],
    ...byModel(1),
  },
} satisfies Record<string, Mutation>;
