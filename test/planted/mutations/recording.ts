/** Ends that are recorded by the wrong one, twice, or without what belongs to them. */
import { byTorture, type Mutation } from "../mutation.ts";

const END = "core/store/runs/end.ts";

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
        file: END,
        from: '${writeLines("kept", { attempt: "(s.record ->> \'attempt\')::int" })}, ${tellDead("kept")}',
        to: '${tellDead("kept")}',
      },
    ],
    violates: ["logs-complete"],
    ...byTorture(["kill"]),
  },
} satisfies Record<string, Mutation>;
