/** Each run has one row and, in the end, one final state that nothing overwrites; what is written is of who had the run. */
import { canTransition } from "../../../core/domain/run-state.ts";
import { changesOf, type Invariant } from "./invariant.ts";

export const legalChanges: Invariant = {
  name: "legal-changes",
  promise:
    "a run's state changes only as its states allow, and its end is written by the transaction that takes its row",
  watch: (_world, report) => ({
    committed(changes, { process }) {
      const finals = changesOf(changes, "finals");
      for (const { key, before, after } of changesOf(changes, "runs")) {
        const to = after?.state ?? finals.find((final) => final.after?.runId === key)?.after?.state;
        if (!before) {
          if (to !== "queued") report(`${key} began as ${to}`);
        } else if (to === undefined) report(`${key} is gone without a final row`);
        else if (to !== before.state && !canTransition(before.state, to))
          report(`${key} went from ${before.state} to ${to}`);
        else if (before.state === "dead" && to !== "dead" && process.role !== "api")
          report(`${key}, a dead letter, became ${to} without being asked`);
      }
    },
  }),
};

export const oneFinalRow: Invariant = {
  name: "one-final-row",
  promise: "a run has one final row, which nothing changes or follows",
  watch(world, report) {
    const ended = new Set<string>();
    return {
      committed(changes) {
        for (const { before, after } of changesOf(changes, "finals")) {
          const runId = (after ?? before)!.runId;
          if (before) report(`the final row of ${runId} was changed`);
          else if (ended.has(runId)) report(`${runId} has two final rows`);
          ended.add(runId);
        }
        for (const { key, after } of changesOf(changes, "runs"))
          if (after && ended.has(key)) report(`${key} is open and has a final row`);
        for (const { after } of changesOf(changes, "finals"))
          if (after && world.database.read("runs").has(after.runId))
            report(`${after.runId} has a final row and is open`);
      },
    };
  },
};

export const recordedByHolder: Invariant = {
  name: "recorded-by-holder",
  promise: "only the claim that holds a run records its result; an older claim's result is dropped",
  watch: (_world, report) => ({
    committed(changes, { process, name }) {
      if (process.role !== "worker" || !name.endsWith("/recorder")) return;
      const runs = changesOf(changes, "runs");
      for (const { after } of changesOf(changes, "finals")) {
        const run = runs.find(({ key }) => key === after?.runId)?.before;
        if (!run || !after) continue;
        const workerId = `${process.name}.${process.incarnation}`;
        if (run.claimNo !== after.claimNo || run.workerId !== workerId)
          report(
            `claim ${after.claimNo} of ${run.id} at ${workerId} was recorded, claim ${run.claimNo} had it`,
          );
      }
    },
  }),
};

export const executedAtLeastOnce: Invariant = {
  name: "at-least-once",
  promise: "a run that succeeded was executed, and none more often than it was claimed",
  watch(world, report) {
    const begun = new Map<string, number>();
    return {
      began: ({ runId }) => void begun.set(runId, (begun.get(runId) ?? 0) + 1),
      quiet() {
        for (const { runId, state, claimNo } of world.database.read("finals").values()) {
          const count = begun.get(runId) ?? 0;
          if (state === "succeeded" && count === 0) report(`${runId} succeeded and was never executed`);
          if (state !== "skipped" && count > claimNo)
            report(`${runId} began ${count} times, claimed ${claimNo}`);
        }
      },
    };
  },
};
