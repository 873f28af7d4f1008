import { RUN_NOT_OPEN, type RunAction } from "../../domain/bulk.ts";
import { originRemoved } from "../../domain/replay.ts";
import { notFound } from "../../errors.ts";
import { earliestTraceOf, newId } from "../ids.ts";
import { cancelRuns, discardDeadLetters } from "../runs/cancel.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { enqueueReplay } from "../runs/enqueue.ts";
import { findReplayable } from "../runs/find-replayable.ts";
import { planReplay, takeGivenInput } from "../runs/plan-replay.ts";
import type { Transaction } from "../transaction.ts";
import { type BulkVerb, holdingTasks, oneByOne, toActed, together } from "./act.ts";

const NOT_DEAD = { code: "not_found", message: "The run is not a dead letter." };
const NOT_REDRIVEN = {
  code: "not_found",
  message: "The run is not a dead letter, or its task is cancelled or removed.",
};

export const RUN_VERBS: Record<RunAction, BulkVerb> = {
  cancel: together(async (tx, { namespaceId }, ids) => {
    const { ended, asked } = await cancelRuns(tx, namespaceId, { runIds: ids });
    return toActed(ids, [...ended.map(({ runId }) => runId), ...asked], RUN_NOT_OPEN, { ended, asked });
  }),

  discard: together(async (tx, { namespaceId }, ids) => {
    const ended = await discardDeadLetters(tx, namespaceId, ids);
    const done = ended.map(({ runId }) => runId);
    return toActed(ids, done, NOT_DEAD, { ended });
  }),

  redrive: together(async (tx, { namespaceId }, ids) => {
    const staged = await redriveDeadLetters(tx, namespaceId, { runIds: ids });
    const done = staged.map(({ runId }) => runId);
    return toActed(ids, done, NOT_REDRIVEN, { staged });
  }),

  replay: holdingTasks(
    oneByOne(async (tx, { namespaceId, traceparent, functionCaps, daily }, id) => {
      const run = await findReplayable(tx, namespaceId, id);
      if (!run) throw notFound("run", id);
      const plan = await planReplay(run, "current", functionCaps, () => takeGivenInput(run));
      const staged = await enqueueReplay(tx, { runId: newId(), namespaceId, traceparent, ...plan });
      if (!staged) throw originRemoved(run);
      await daily.count(tx, namespaceId);
      return { staged: [staged] };
    }),
    findTasks,
  ),
};

/** Of those of the runs that are a task's. */
async function findTasks({ pool }: Transaction, runIds: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT DISTINCT task_id AS id FROM task_runs
     WHERE id = ANY($1::uuid[]) AND finished_at >= $2 AND task_id IS NOT NULL`,
    [runIds, earliestTraceOf(runIds.toSorted()[0]!)],
  );
  return rows.map(({ id }) => id);
}
