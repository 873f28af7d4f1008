/** What a bulk action's filter finds, up to the moment at which it was asked for. */
import { sql } from "kysely";
import type { BulkInput } from "../../contracts/bulk.ts";
import type { RunFilter } from "../../contracts/run-filter.ts";
import { ERASE, RUN_ACTION_STATES, type RunAction } from "../../domain/bulk.ts";
import { invalidField } from "../../errors.ts";
import type { Db, Store } from "../database.ts";
import { planRunWalks } from "../runs/filter.ts";
import { planTaskWalks } from "../tasks/filter.ts";
import { inTransaction } from "../transaction.ts";
import { countWalks, type Found, type PageOptions, readWalks, type Walk } from "../walk.ts";

/** A dry run is a request that somebody waits for. */
export const COUNT_MS = 10_000;

export interface MatchPage extends Pick<PageOptions, "limit" | "afterId"> {
  untilId: string;
}

/** Oldest first; the ids of a page, and where the next one goes on. A snapshot of its own: no part of a transaction. */
export async function findMatches(
  { db }: Store,
  namespaceId: string,
  asked: BulkInput,
  { limit, afterId, untilId }: MatchPage,
): Promise<Found<{ id: string }>> {
  const page = { limit, afterId, untilId, order: "asc" } as const;
  const walks = await planWalks(db, namespaceId, asked, page);
  return await readWalks(
    db,
    walks,
    { select: (found) => sql<{ id: string }>`SELECT r.id FROM (${found}) r` },
    page,
  );
}

/** Exactly; 422 where that takes longer than 10 s. */
export async function countMatches(
  store: Store,
  namespaceId: string,
  asked: BulkInput,
  untilId: string,
  withinMs = COUNT_MS,
): Promise<number> {
  try {
    return await inTransaction(store.pool, async ({ db }) => {
      const walks = await planWalks(db, namespaceId, asked);
      await sql.raw(`SET LOCAL statement_timeout = ${Math.round(withinMs)}`).execute(db);
      return await countWalks(db, walks, untilId);
    });
  } catch (error) {
    if ((error as { code?: unknown }).code !== QUERY_CANCELED) throw error;
    throw invalidField("filter", WHY_UNCOUNTED, "count_too_slow");
  }
}

const QUERY_CANCELED = "57014";
const WHY_UNCOUNTED =
  "counting the matches would take longer than 10 s: narrow the filter, or ask the list for count=estimate";

async function planWalks(db: Db, namespaceId: string, asked: BulkInput, page?: PageOptions): Promise<Walk[]> {
  if (asked.resource === "tasks")
    return planTaskWalks(namespaceId, asked.filter, { withRemoved: asked.action === ERASE });
  return await planRunWalks(db, namespaceId, toMeant(asked.action, asked.filter), page);
}

const toMeant = (action: RunAction, filter: RunFilter): RunFilter =>
  filter.state ? filter : { ...filter, state: [...RUN_ACTION_STATES[action]] };
