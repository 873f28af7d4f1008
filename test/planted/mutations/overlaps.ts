/** Occurrences of a task that start beside each other although it forbids that. */
import { byModel, byTorture, type Mutation } from "../mutation.ts";

const OVERLAP = "core/domain/overlap.ts";

export const OVERLAP_MUTATIONS = {
  "overlaps-are-not-held": {
    what: "An occurrence may be claimed as soon as it is staged, whoever of its task is open",
    edits: [
      {
        file: "core/store/runs/decide-due-tasks.ts",
        from: 'return (task.overlap ?? "allow") === "allow" ? undefined : "open";',
        to: "return undefined;",
      },
    ],
    violates: ["one-at-a-time"],
    ...byTorture(["kill"]),
  },
  "skip-lets-go": {
    what: "An occurrence that is to be skipped beside another starts",
    edits: [
      {
        file: OVERLAP,
        from: 'verdict.skip.push(runId);\n        break;\n      case "wait":',
        to: 'verdict.start.push(runId);\n        break;\n      case "wait":',
      },
    ],
    violates: ["overlap-obeyed"],
    ...byModel(1),
  },
  "turns-come-too-early": {
    what: "Who waits for its turn starts although another is under way",
    edits: [
      {
        file: OVERLAP,
        from: "if (!line.isBusy) verdict.start = waiting.splice(0, 1);",
        to: "verdict.start = waiting.splice(0, 1);",
      },
    ],
    violates: ["overlap-obeyed"],
    ...byModel(1),
  },
  "due-together-start-together": {
    what: "Of several occurrences that are due at once each starts as if it were alone",
    edits: [
      {
        file: OVERLAP,
        from: "const isBusy = line.isBusy || verdict.start.length > 0;",
        to: "const isBusy = line.isBusy;",
      },
    ],
    violates: ["overlap-obeyed"],
    ...byModel(1),
  },
  "previous-goes-on": {
    what: "Who is to take another's place starts beside it",
    edits: [
      {
        file: OVERLAP,
        from: "verdict.cancelsBusy = line.isBusy;\n        waiting = [runId];",
        to: "waiting = [];\n        verdict.start = [runId];",
      },
    ],
    violates: ["overlap-obeyed"],
    ...byModel(1),
  },
  "held-wake-nobody": {
    what: "The scheduler does not wake for the instant of a run that is held",
    edits: [
      {
        file: "scheduler/stage.ts",
        from: "if (held) untilMs.push(held.getTime() - now.getTime());",
        to: "",
      },
    ],
    violates: ["on-time-afterwards", "nothing-stuck"],
    ...byModel(1),
  },
} satisfies Record<string, Mutation>;
