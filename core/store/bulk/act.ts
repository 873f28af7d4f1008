/** What a batch of a bulk action does to its tasks or runs: what their own routes do, in one transaction. */

import type { BulkFailure } from "../../domain/bulk.ts";
import type { FunctionLimitCaps } from "../../domain/function-limits.ts";
import { BellhopError } from "../../errors.ts";
import type { DailyLimits } from "../daily-limits.ts";
import type { EndedRun } from "../runs/end.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import type { Transaction } from "../transaction.ts";

/** What others are told of once it is committed. */
export interface BulkEffects {
  ended: EndedRun[];
  /** Running runs whose workers were asked to stop them. */
  asked: string[];
  /** To be rung. */
  staged: StagedRun[];
  /** Tasks have another next instant. */
  reschedules: boolean;
}

export interface Acted extends BulkEffects {
  /** How many of the ids, from the first on: fewer than all where the time was up. */
  count: number;
  failures: BulkFailure[];
}

/** What an action needs besides the ids. */
export interface ActContext {
  namespaceId: string;
  now: Date;
  traceparent: string | undefined;
  /** The key of who asked for it. */
  by: string | null;
  functionCaps: FunctionLimitCaps;
  /** Who makes a run counts it. */
  daily: DailyLimits;
  /** Whether what is left is left to the next batch. */
  isTimeUp(): boolean;
}

/** One action of a bulk action. */
export interface BulkVerb {
  /** Of a batch. */
  mostItems: number;
  act: Act;
}

type Act = (tx: Transaction, context: ActContext, ids: string[]) => Promise<Acted>;
type ActOnOne = (tx: Transaction, context: ActContext, id: string) => Promise<Partial<BulkEffects>>;

export const NO_EFFECTS: BulkEffects = { ended: [], asked: [], staged: [], reschedules: false };

/** Those that `done` says nothing of failed, all for the same reason. */
export function toActed(
  ids: string[],
  done: Iterable<string>,
  why: Omit<BulkFailure, "id">,
  effects: Partial<BulkEffects>,
): Acted {
  const doneIds = new Set(done);
  const failures = ids.filter((id) => !doneIds.has(id)).map((id) => ({ id, ...why }));
  return { ...NO_EFFECTS, ...effects, count: ids.length, failures };
}

/** All of them by the same statements. */
export const together = (act: Act): BulkVerb => ({ mostItems: 500, act });

/** One after the other. */
export const oneByOne = (act: ActOnOne): BulkVerb => ({
  mostItems: 100,
  act: (tx, context, ids) => actOnEach(tx, context, ids, act),
});

/** What says no to one of them has changed nothing of it. */
async function actOnEach(tx: Transaction, context: ActContext, ids: string[], act: ActOnOne): Promise<Acted> {
  const acted: Acted = { ...NO_EFFECTS, ended: [], asked: [], staged: [], count: 0, failures: [] };
  await tx.pool.query("SAVEPOINT item");
  for (const id of ids) {
    if (acted.count > 0 && context.isTimeUp()) break;
    acted.count += 1;
    try {
      const { ended = [], asked = [], staged = [], reschedules = false } = await act(tx, context, id);
      await tx.pool.query("RELEASE SAVEPOINT item; SAVEPOINT item");
      acted.ended.push(...ended);
      acted.asked.push(...asked);
      acted.staged.push(...staged);
      acted.reschedules ||= reschedules;
    } catch (error) {
      if (!(error instanceof BellhopError)) throw error;
      await tx.pool.query("ROLLBACK TO SAVEPOINT item");
      acted.failures.push({ id, code: error.code, message: error.message });
    }
  }
  return acted;
}

/**
 * Where runs of a day are counted, that row is held from the first run on, and whoever stages holds tasks before it: so those
 * that get runs are held first.
 *
 * @param findTasks of the ids of a batch, which are those of tasks themselves where it is left out
 */
export const holdingTasks = (
  { mostItems, act }: BulkVerb,
  findTasks = async (_tx: Transaction, ids: string[]): Promise<string[]> => ids,
): BulkVerb => ({
  mostItems,
  async act(tx, context, ids) {
    if (ids.length > 0 && context.daily.limitOf(context.namespaceId) !== undefined)
      await tx.pool.query("SELECT FROM tasks WHERE id = ANY($1::uuid[]) ORDER BY id FOR SHARE", [
        await findTasks(tx, ids),
      ]);
    return await act(tx, context, ids);
  },
});
