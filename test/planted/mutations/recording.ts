/** Ends that are recorded by the wrong one, twice, or without what belongs to them. */
import { byTorture, type Mutation } from "../mutation.ts";

export const RECORDING_MUTATIONS = {
  "ends-call-nobody": {
    what: "The end of a run is written without the callbacks that it makes",
    edits: [
      {
        file: "core/store/runs/finish.ts",
        from: "staysOpen(attempt) || isExpired(attempt) || attempt.hasCallbacks;",
        to: "staysOpen(attempt) || isExpired(attempt);",
      },
    ],
    violates: ["callbacks-delivered"],
    ...byTorture(["kill"]),
  },
  "retried-attempts-lose-their-lines": {
    what: "Only the end of a run writes log lines, not that of an attempt which is tried again",
    edits: [
      {
        file: "core/store/runs/finish-statements.ts",
        from: '${writeLinesOfVerdicts("kept", { attempt: "(s.record ->> \'attempt\')::int" })}, ${tellDead("kept")}',
        to: '${tellDead("kept")}',
      },
    ],
    violates: ["logs-complete"],
    ...byTorture(["kill"]),
  },
  "cancel-takes-dead-letters": {
    what: "A cancel of a task ends its dead letters as well",
    edits: [
      {
        file: "core/store/runs/cancel.ts",
        from: "state IN ('scheduled', 'queued', 'running', 'deferred')",
        to: "state IN ('scheduled', 'queued', 'running', 'deferred', 'dead')",
      },
    ],
    violates: ["legal-changes", "dead-letters-stay"],
    ...byTorture(["kill"], { ratePerSecond: 100, minutes: 0.7 }),
  },
  "skips-in-silence": {
    what: "An instant that is skipped for another run leaves no record",
    edits: [
      {
        file: "core/store/runs/end.ts",
        from: 'ended AS (${moveEnded({ state: "\'skipped\'", skipped: "g.end_skipped" })}\n  )',
        to: "ended AS (SELECT 1)",
      },
    ],
    violates: ["every-instant"],
    ...byTorture(["kill"]),
  },
} satisfies Record<string, Mutation>;
