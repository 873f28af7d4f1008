/** What is made of many calls, and what makes many runs. */
import type { Evidence, Gathered, Invariant, RecordedAnswer } from "../evidence.ts";

const runIdOf = ({ runId, answer }: RecordedAnswer) => runId ?? (answer["runId"] as string | undefined);

export const inputsInOneRun: Invariant = {
  name: "inputs-in-one-run",
  holds:
    "Each input that was acknowledged for a collected run is in that run, once, and in no other; a debounced run has the last one.",
  *find({ answers, gathered, rows }) {
    for (const [key, runs] of findRunsOfKeys(gathered))
      if (runs.size > 1) yield `the input of ${key} is in runs ${[...runs]}`;
    const inputsOf = new Map(gathered.map(({ runId, keys }) => [runId, keys]));
    const calls = answers.filter(({ act, status }) => JOINING.includes(act) && status === 202);
    for (const [runId, joined] of Map.groupBy(calls, runIdOf)) {
      const inputs = inputsOf.get(runId!) ?? [];
      const hasSucceeded = rows.get(runId!)?.[0]?.state === "succeeded";
      for (const { act, key, at } of joined) {
        const count = inputs.filter((each) => each === key).length;
        if (act === "collected" && hasSucceeded && count !== 1)
          yield `the input of ${key} is in run ${runId}, which it was acknowledged for, ${count} times`;
        // Who asked after the call had been answered came after it.
        const later = joined.find(({ firstAt }) => firstAt > at);
        if (act === "debounced" && count > 0 && later)
          yield `run ${runId} has the input of ${key}, and ${later.key} came later`;
      }
    }
  },
};

const JOINING = ["collected", "debounced"];

function findRunsOfKeys(gathered: readonly Gathered[]): Map<string, Set<string>> {
  const runs = new Map<string, Set<string>>();
  for (const { runId, keys } of gathered)
    for (const key of keys) runs.set(key, (runs.get(key) ?? new Set()).add(runId));
  return runs;
}

export const bulkActionsWhole: Invariant = {
  name: "bulk-actions-whole",
  holds:
    "A bulk action that was acknowledged is there and over, and backfills have made as many runs as they count, one for each instant.",
  *find({ answers, bulks, rows }: Evidence) {
    const byId = new Map(bulks.map((bulk) => [bulk.id, bulk]));
    for (const { path, key, status, answer } of answers) {
      if (!(path === "/v1/bulk" || path.endsWith("/backfill")) || status < 200 || status >= 300) continue;
      const bulk = byId.get(String(answer["id"]));
      if (!bulk || bulk.state === "running")
        yield `bulk action ${answer["id"]} of ${key} is ${bulk?.state ?? "gone"}`;
    }
    const made = Map.groupBy(
      [...rows.values()]
        .flat()
        .filter(({ trigger, replayOf }) => trigger === "backfill" && replayOf === null),
      ({ taskId }) => taskId,
    );
    const backfills = bulks.filter(({ action }) => action === "backfill");
    for (const { id, state, done, instants } of backfills)
      if (state === "succeeded" && done !== instants) yield `backfill ${id} made ${done} runs of ${instants}`;
    for (const [taskId, ofTask] of Map.groupBy(backfills, (bulk) => bulk.taskId)) {
      const counted = ofTask.reduce((sum, { done }) => sum + done, 0);
      const runs = made.get(taskId) ?? [];
      if (runs.length !== counted)
        yield `backfills of task ${taskId} count ${counted} runs, and it has ${runs.length}`;
      for (const [instant, same] of Map.groupBy(runs, ({ scheduledFor }) => scheduledFor))
        if (same.length > ofTask.length)
          yield `task ${taskId} was backfilled ${same.length} times for ${instant} by ${ofTask.length} backfills`;
    }
  },
};
