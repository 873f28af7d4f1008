/** Functions and their immutable revisions. */
import { sql } from "kysely";
import type { FunctionSummary } from "../../contracts/function.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { Traffic } from "../../domain/traffic.ts";
import type { Db, Store } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { saveFunctionLimit } from "../limits/function-limits.ts";
import { adoptTasks } from "./remove.ts";
import { moveTag } from "./tags.ts";
import { setTraffic } from "./traffic.ts";

export interface RevisionContent {
  contentHash: string;
  entry: string;
  files: Record<string, string>;
  code: string;
  sourceMap: string;
  limits: AskedLimits;
  reuse: boolean;
}

export interface DeployOptions {
  /**
   * False: the revision waits without traffic; a function's first one leads all the same. Left out: it takes all, but
   * for a known one while the traffic is split, which then stays as it is.
   */
  takesTraffic?: boolean | undefined;
  /** Names the revision. */
  tag?: string | undefined;
  /** Whether the function's URL needs no key; undefined: as it is. */
  isPublic?: boolean | undefined;
  /** What runs find in their environment beside secrets; undefined: as it is. */
  env?: Record<string, string> | undefined;
}

/**
 * Records a revision and gives it traffic as `takesTraffic` says. The same content again is the revision already there
 * (`created` false). Deploys of one function wait for each other on its row.
 */
export async function deployRevision(
  db: Db,
  namespaceId: string,
  name: string,
  content: RevisionContent,
  { takesTraffic, tag, isPublic, env }: DeployOptions = {},
): Promise<{ fn: FunctionSummary; revisionId: string; created: boolean }> {
  return await db.transaction().execute(async (tx) => {
    const { id: functionId, traffic } = await lockFunction(tx, namespaceId, name);
    const known = await tx
      .selectFrom("function_revisions")
      .select("id")
      .where("function_id", "=", functionId)
      .where("content_hash", "=", content.contentHash)
      .executeTakeFirst();
    const revisionId = known?.id ?? newId();
    if (!known) {
      await tx
        .insertInto("function_revisions")
        .values({
          id: revisionId,
          function_id: functionId,
          number: sql<number>`(SELECT coalesce(max(number), 0) + 1 FROM function_revisions WHERE function_id = ${functionId})`,
          content_hash: content.contentHash,
          entry: content.entry,
          files: toJsonText(content.files),
          code: content.code,
          source_map: content.sourceMap,
          limits: toJsonText(content.limits),
          reuse: content.reuse,
        })
        .execute();
    }
    const isSplit = Object.keys(traffic).length > 1;
    if (takesTraffic ?? !(known && isSplit)) await setTraffic(tx, functionId, { [revisionId]: 100 });
    await sql`UPDATE functions SET active_revision_id = ${revisionId}, updated_at = now()
      WHERE id = ${functionId} AND active_revision_id IS NULL`.execute(tx);
    await saveFunctionLimit(tx, functionId);
    if (isPublic !== undefined) {
      await tx.updateTable("functions").set({ is_public: isPublic }).where("id", "=", functionId).execute();
    }
    if (env !== undefined) {
      await tx
        .updateTable("functions")
        .set({ env: toJsonText(env) })
        .where("id", "=", functionId)
        .execute();
    }
    if (tag !== undefined) await moveTag(tx, functionId, tag, revisionId);
    // Read here: a removal may come right after the commit.
    return { fn: (await findFunction(tx, namespaceId, name))!, revisionId, created: !known };
  });
}

/** The function of that name, made where there is none; no other deploy or removal goes on meanwhile. */
async function lockFunction(
  tx: Db,
  namespaceId: string,
  name: string,
): Promise<{ id: string; traffic: Traffic }> {
  const id = newId();
  // An update, not nothing: it locks the row, and where that was removed meanwhile the insert is tried again.
  const fn = await tx
    .insertInto("functions")
    .values({ id, namespace_id: namespaceId, name, active_revision_id: null })
    .onConflict((on) =>
      on
        .columns(["namespace_id", "name"])
        .where("removed_at", "is", null)
        .doUpdateSet({ updated_at: sql<Date>`functions.updated_at` }),
    )
    .returning(["id", "traffic"])
    .executeTakeFirstOrThrow();
  if (fn.id === id) await adoptTasks(tx, namespaceId, name, id);
  return fn;
}

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
      "f.env",
      sql<Record<string, string>>`(SELECT coalesce(jsonb_object_agg(tag, revision_id), '{}')
        FROM function_tags WHERE function_id = f.id)`.as("tags"),
      "r.id as revision_id",
      "r.number",
      "r.content_hash",
      "r.entry",
      "r.limits",
      "r.reuse",
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

/** Prepared: every task that calls a function asks. */
export async function findFunctionId(
  store: Store,
  namespaceId: string,
  name: string,
): Promise<string | undefined> {
  const { rows } = await store.pool.query<{ id: string }>({
    name: "find-function-id",
    text: "SELECT id FROM functions WHERE namespace_id = $1 AND name = $2 AND removed_at IS NULL",
    values: [namespaceId, name],
  });
  return rows[0]?.id;
}

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

export async function loadRevision(db: Db, revisionId: string): Promise<RunnableRevision> {
  return await db
    .selectFrom("function_revisions")
    .select(["code", "limits", "reuse"])
    .where("id", "=", revisionId)
    .executeTakeFirstOrThrow();
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
