/** Reading functions, and what a worker needs of their revisions. */
import { sql } from "kysely";
import type { FunctionSummary } from "../../contracts/function.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { Db, QueryScope } from "../database.ts";
import { createGatherer } from "../gather.ts";

const summariesEver = (db: Db, namespaceId: string) =>
  db
    .selectFrom("functions as f")
    .innerJoin("function_revisions as r", "r.id", "f.active_revision_id")
    .select([
      "f.id",
      "f.name",
      "f.created_at",
      "f.updated_at",
      "f.traffic",
      "f.is_public",
      sql<Record<string, string>>`coalesce(r.env, f.env)`.as("env"),
      sql<Record<string, string>>`(SELECT coalesce(jsonb_object_agg(tag, revision_id), '{}')
        FROM function_tags WHERE function_id = f.id)`.as("tags"),
      "r.id as revision_id",
      "r.number",
      "r.content_hash",
      "r.entry",
      "r.limits",
      "r.reuse",
      "r.cold_start_ms",
      "r.created_at as revision_created_at",
    ])
    .where("f.namespace_id", "=", namespaceId);

const summaries = (db: Db, namespaceId: string) =>
  summariesEver(db, namespaceId).where("f.removed_at", "is", null);

type SummaryRow = Awaited<ReturnType<ReturnType<typeof summaries>["executeTakeFirstOrThrow"]>>;

function toSummary(row: SummaryRow): FunctionSummary {
  return {
    id: row.id,
    name: row.name,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    traffic: row.traffic,
    tags: row.tags,
    isPublic: row.is_public,
    env: row.env,
    revision: {
      id: row.revision_id,
      number: row.number,
      contentHash: row.content_hash,
      coldStartMs: row.cold_start_ms,
      entry: row.entry,
      limits: row.limits,
      reuse: row.reuse,
      createdAt: row.revision_created_at,
    },
  };
}

export async function findFunction(
  db: Db,
  namespaceId: string,
  name: string,
): Promise<FunctionSummary | undefined> {
  const row = await summaries(db, namespaceId).where("f.name", "=", name).executeTakeFirst();
  return row && toSummary(row);
}

/** The same, or the one of that name that was removed last. */
export async function findFunctionEver(
  db: Db,
  namespaceId: string,
  name: string,
): Promise<FunctionSummary | undefined> {
  const row = await summariesEver(db, namespaceId)
    .where("f.name", "=", name)
    .orderBy("f.removed_at", (order) => order.desc().nullsFirst())
    .limit(1)
    .executeTakeFirst();
  return row && toSummary(row);
}

const FIND_IDS = `SELECT (SELECT f.id FROM functions f
    WHERE f.namespace_id = a.namespace_id AND f.name = a.name AND f.removed_at IS NULL) AS id
  FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS a(namespace_id, name, place) ORDER BY a.place`;

const findIds = createGatherer<{ namespaceId: string; name: string }, string | undefined>({
  ...{ atOnce: 1, most: 100, mostWeight: 100 },
  weigh: () => 1,
  async askAll({ pool }, asks) {
    const values = [asks.map(({ namespaceId }) => namespaceId), asks.map(({ name }) => name)];
    const { rows } = await pool.query<{ id: string | null }>({
      name: "find-function-ids",
      text: FIND_IDS,
      values,
    });
    return rows.map(({ id }) => id ?? undefined);
  },
});

/** Every task that calls a function asks; those that ask at the same moment are answered by one statement. */
export const findFunctionId = async (
  scope: QueryScope,
  namespaceId: string,
  name: string,
): Promise<string | undefined> => await findIds(scope, { namespaceId, name });

/** One more than `limit`, so that the caller knows whether there is a next page. */
export async function listFunctions(
  db: Db,
  namespaceId: string,
  limit: number,
  beforeId: string | undefined,
): Promise<FunctionSummary[]> {
  const rows = await summaries(db, namespaceId)
    .$if(beforeId !== undefined, (query) => query.where("f.id", "<", beforeId!))
    .orderBy("f.id", "desc")
    .limit(limit + 1)
    .execute();
  return rows.map(toSummary);
}

/** What a worker needs of a revision. Revisions never change, so callers may keep it for ever. */
export interface RunnableRevision {
  code: string;
  limits: AskedLimits;
  reuse: boolean;
}

/** Rejects where it is not there. */
export async function loadRevision(
  { pool }: Pick<QueryScope, "pool">,
  revisionId: string,
): Promise<RunnableRevision> {
  const { rows } = await pool.query<RunnableRevision>({
    name: "load-revision",
    text: "SELECT code, limits, reuse FROM function_revisions WHERE id = $1",
    values: [revisionId],
  });
  if (!rows[0]) throw new Error("The revision is not there.");
  return rows[0];
}

const MAX_SOURCE_MAP_CHARS = 8_000_000;

/** A revision's source map, JSON; undefined where it is too large to be read for the sake of a stack. */
export async function loadSourceMap(db: Db, revisionId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("function_revisions")
    .select("source_map")
    .where("id", "=", revisionId)
    .where(sql<number>`length(source_map)`, "<=", MAX_SOURCE_MAP_CHARS)
    .executeTakeFirst();
  return row?.source_map;
}
