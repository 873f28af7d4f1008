/**
 * Callbacks of a run that has ended. Its end writes down whom it calls (`callBack` in runs/end.ts); then their runs are made,
 * by whoever comes first, in the transaction that takes the note away: none is lost, none is made twice.
 */
import { toWireRun } from "../../contracts/run.ts";
import { type RunFacts, type Telling, tellRun } from "../../domain/callback-message.ts";
import { type CalledState, chooseCallbacks, type RunCallbacks } from "../../domain/callbacks.ts";
import type { RunError } from "../../domain/run-errors.ts";
import type { Store } from "../database.ts";
import { findRun } from "../runs/read.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type Call, insertCalls } from "./insert-calls.ts";

/** Ends that one call deals with; the caller repeats while there are as many. */
export const CALLBACK_BATCH = 100;

interface NotedEnd {
  id: string;
  runId: string;
  namespaceId: string;
  taskName: string | null;
  state: CalledState;
  error: RunError | null;
  callbacks: RunCallbacks;
  endedAt: Date;
}

const TAKE = {
  name: "take-callbacks",
  text: `SELECT c.id, c.run_id AS "runId", c.namespace_id AS "namespaceId", t.name AS "taskName", c.state, c.error,
      c.on_end AS callbacks, c.ended_at AS "endedAt"
    FROM run_callbacks c LEFT JOIN tasks t ON t.id = c.task_id
    ORDER BY c.id LIMIT $1 FOR UPDATE OF c SKIP LOCKED`,
};

export interface MadeCallbacks {
  /** Queued: to be rung. */
  runs: StagedRun[];
  /** Ends that were dealt with. */
  ends: number;
  /** Runs whose ends were to run tasks that do not run, because a chain of callbacks is as long as it may be. */
  bounded: string[];
}

/** Makes the runs of callbacks of the ends that were noted first. */
export async function makeCallbacks(store: Store): Promise<MadeCallbacks> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows: ends } = await tx.pool.query<NotedEnd>({ ...TAKE, values: [CALLBACK_BATCH] });
    if (ends.length === 0) return { runs: [], ends: 0, bounded: [] };
    const calls: Call[] = [];
    const bounded: string[] = [];
    for (const end of ends) {
      const { called, isBounded } = chooseCallbacks(end.callbacks, end.state);
      if (isBounded) bounded.push(end.runId);
      const telling = await findTelling(tx, end);
      const { runId, namespaceId } = end;
      const depth = (end.callbacks.depth ?? 0) + 1;
      calls.push(...called.map((callback) => ({ callback, namespaceId, runId, depth, telling })));
    }
    const noteIds = ends.map(({ id }) => id);
    return { runs: await insertCalls(tx, calls, noteIds), ends: ends.length, bounded };
  });
}

/** The run at its end, also where it was redriven since; undefined where it is past the retention by now. */
async function findTelling(tx: Transaction, end: NotedEnd): Promise<Telling | undefined> {
  const run = await findRun(tx, end.namespaceId, end.runId);
  if (!run) return undefined;
  const { state, error, endedAt, taskName } = end;
  const shown = toWireRun({ ...run, state, error, finishedAt: endedAt });
  return tellRun({ event: state, at: endedAt, taskName, run: shown as unknown as RunFacts["run"] });
}
