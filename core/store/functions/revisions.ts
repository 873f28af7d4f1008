/** Reading a function's revisions. They never change. */
import { sql } from "kysely";
import type { FunctionRevision } from "../../contracts/function.ts";
import type { FileFacts } from "../../domain/revision-diff.ts";
import type { Db } from "../database.ts";

const COLUMNS = [
  "id",
  "number",
  "content_hash",
  "entry",
  "limits",
  "reuse",
  "cold_start_ms",
  "created_at",
] as const;

const revisionsOf = (db: Db, functionId: string) =>
  db.selectFrom("function_revisions").select(COLUMNS).where("function_id", "=", functionId);

type Row = Awaited<ReturnType<ReturnType<typeof revisionsOf>["executeTakeFirstOrThrow"]>>;

function toRevision(row: Row): FunctionRevision {
  return {
    id: row.id,
    number: row.number,
    contentHash: row.content_hash,
    coldStartMs: row.cold_start_ms,
    entry: row.entry,
    limits: row.limits,
    reuse: row.reuse,
    createdAt: row.created_at,
  };
}

/** Newest first, below `beforeNumber`. One more than `limit`, so that the caller knows whether there is a next page. */
export async function listRevisions(
  db: Db,
  functionId: string,
  limit: number,
  beforeNumber: number | undefined,
): Promise<FunctionRevision[]> {
  const rows = await revisionsOf(db, functionId)
    .$if(beforeNumber !== undefined, (query) => query.where("number", "<", beforeNumber!))
    .orderBy("number", "desc")
    .limit(limit + 1)
    .execute();
  return rows.map(toRevision);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NUMBER = /^[1-9]\d{0,8}$/;

/** A revision of the function by its id or its number. */
export async function findRevision(
  db: Db,
  functionId: string,
  named: string,
): Promise<FunctionRevision | undefined> {
  if (!UUID.test(named) && !NUMBER.test(named)) return undefined;
  const row = await revisionsOf(db, functionId)
    .$if(UUID.test(named), (query) => query.where("id", "=", named))
    .$if(NUMBER.test(named), (query) => query.where("number", "=", Number(named)))
    .executeTakeFirst();
  return row && toRevision(row);
}

/** The one that was deployed before it, if any. */
export async function findRevisionBefore(
  db: Db,
  functionId: string,
  { number }: FunctionRevision,
): Promise<FunctionRevision | undefined> {
  return (await listRevisions(db, functionId, 1, number))[0];
}

/** What was deployed: what tells its files apart, by path, and the settings. */
export interface DeployedContent {
  files: Record<string, FileFacts>;
  env: Record<string, string>;
}

/** The files' texts, which may be megabytes, stay in the database. */
export async function describeDeployedContent(db: Db, revisionId: string): Promise<DeployedContent> {
  const facts = sql<Record<string, FileFacts>>`(
    SELECT coalesce(jsonb_object_agg(path, jsonb_build_object(
        'sha256', encode(sha256(content), 'hex'), 'bytes', octet_length(content))), '{}')
      FROM (SELECT key AS path, convert_to(value, 'UTF8') AS content FROM jsonb_each_text(r.files)) AS each)`;
  return await db
    .selectFrom("function_revisions as r")
    .innerJoin("functions as f", "f.id", "r.function_id")
    .select([facts.as("files"), sql<Record<string, string>>`coalesce(r.env, f.env)`.as("env")])
    .where("r.id", "=", revisionId)
    .executeTakeFirstOrThrow();
}

/** Text by path. */
export async function loadSources(db: Db, revisionId: string): Promise<Record<string, string>> {
  const { files } = await db
    .selectFrom("function_revisions")
    .select("files")
    .where("id", "=", revisionId)
    .executeTakeFirstOrThrow();
  return files;
}
