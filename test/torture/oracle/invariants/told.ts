/** What callers, receivers of callbacks and readers of logs are told. */
import { type Evidence, type Invariant, type RunChange, transactionsOf } from "../evidence.ts";

export const callersHearTheEnd: Invariant = {
  name: "callers-hear-the-end",
  holds:
    "What a caller of a function, or a server that completes a run, is told of its end is what the run's row says.",
  *find({ answers, rows, completions }) {
    for (const { act, key, path, status, runId, answer } of answers) {
      if (!(path.includes("/invoke") || path.startsWith("/hooks/")) || status === 0) continue;
      const named = runId ?? (answer["runId"] as string | undefined);
      if (named === undefined || status === 429 || status === 503) continue;
      const row = rows.get(named)?.[0];
      if (!row) yield `${act} ${key} was answered ${status} for run ${named}, which is not there`;
      else if (status !== 202 && (status === 200) !== (row.state === "succeeded"))
        yield `${act} ${key} was answered ${status}, and run ${named} is ${row.state}`;
    }
    for (const { runId, attempt, status, state } of completions) {
      const row = rows.get(runId)?.[0];
      if (status === 200 && row?.state !== state)
        yield `completing attempt ${attempt} of run ${runId} was answered ${state}, and it is ${row?.state}`;
    }
  },
};

const ENDS = ["succeeded", "failed", "dead", "cancelled", "skipped", "expired"];

/** The states in which it ended, one after another; a dead letter that is discarded has ended before. */
function endsOf(changes: readonly RunChange[]): string[] {
  const states = transactionsOf(changes).map((transaction) => transaction.at(-1)!.state);
  return states.filter(
    (state, index) =>
      ENDS.includes(state) &&
      states[index - 1] !== state &&
      !(state === "failed" && states[index - 1] === "dead"),
  );
}

export const callbacksDelivered: Invariant = {
  name: "callbacks-delivered",
  holds: "Each end of a run whose task names a callback has one, and one that succeeded has told that end.",
  *find({ answers, rows, changes, told }: Evidence) {
    const calling = new Set(
      answers.filter(({ body }) => body?.["on"] !== undefined).map(({ answer }) => String(answer["id"])),
    );
    const all = [...rows.values()].flat();
    const callbacks = Map.groupBy(all, ({ callbackOf }) => callbackOf);
    const heard = new Set(told.map(({ endedRunId, state }) => `${endedRunId} ${state}`));
    for (const { id, taskId } of all) {
      if (!calling.has(taskId ?? "")) continue;
      const ends = endsOf(changes.get(id) ?? []);
      const made = callbacks.get(id) ?? [];
      if (made.length !== ends.length)
        yield `run ${id} ended as ${ends.join(", ")} and has ${made.length} callbacks`;
      const succeeded = made.filter(({ state }) => state === "succeeded").length;
      const count = ends.filter((state) => heard.has(`${id} ${state}`)).length;
      if (count < Math.min(succeeded, ends.length))
        yield `run ${id} has ${succeeded} callbacks that succeeded, and its receiver heard of ${count} ends`;
    }
  },
};

/** An attempt that was recorded by who had made it: of others the lines may be lost with their worker. */
const isWhole = (code: string | undefined) => code === undefined || code === "function_retry";

export const logsComplete: Invariant = {
  name: "logs-complete",
  holds: "Each line of a function's attempt that ended by itself is there, once.",
  *find({ rows, logs, requests }) {
    for (const [runId, [row]] of rows) {
      if (row!.functionId === null || !requests.has(runId)) continue;
      for (const { attempt, error } of row!.attempts) {
        // One that was cancelled has no error.
        const isCut = row!.state === "cancelled" && attempt === row!.attempt;
        if (isCut || !isWhole(error?.code)) continue;
        for (const line of [`begun ${attempt}`, `called ${attempt}`]) {
          const count = (logs.get(runId) ?? []).filter(({ message }) => message === line).length;
          if (count !== 1) yield `run ${runId}: the line "${line}" is there ${count} times`;
        }
      }
    }
  },
};

export const deadLettersStay: Invariant = {
  name: "dead-letters-stay",
  holds: "A dead letter stays until somebody redrives or discards it.",
  *find({ rows, changes, answers }) {
    const decided = new Set(
      answers.flatMap(({ act, body }) => {
        if (act === "redrive") return [body!["taskId"]];
        return act === "bulk" ? [(body!["filter"] as { taskId: string }).taskId] : [];
      }),
    );
    for (const [runId, ofRun] of changes) {
      const died = ofRun.findIndex(({ op, state }) => op !== "D" && state === "dead");
      if (died < 0 || decided.has(ofRun[died]!.taskId)) continue;
      const state = rows.get(runId)?.[0]?.state;
      if (state !== "dead") yield `run ${runId} was dead, nobody decided, and it is ${state ?? "gone"}`;
    }
  },
};
