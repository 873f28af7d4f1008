/** Making revisions: of an upload, or of the one that leads with other settings. */
import { sql } from "kysely";
import type { FunctionSummary } from "../../contracts/function.ts";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { Traffic } from "../../domain/traffic.ts";
import type { Db } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { findFunction } from "./functions.ts";
import { saveLead } from "./lead.ts";
import { adoptTasks } from "./remove.ts";
import { chooseEnv, type FunctionEnv, fillMissingEnvs } from "./revision-env.ts";
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
  /** False: the revision waits without traffic; a function's first one leads all the same. */
  takesTraffic?: boolean | undefined;
  /** Names the revision. */
  tag?: string | undefined;
  /** Whether the function's URL needs no key; undefined: as it is. */
  isPublic?: boolean | undefined;
  /** What runs of the revision find in their environment beside secrets; undefined: as it is. */
  env?: FunctionEnv | undefined;
}

export interface Deployed {
  fn: FunctionSummary;
  revisionId: string;
  /** False: it was there already. */
  created: boolean;
}

/**
 * Records a revision and gives it traffic as `takesTraffic` says; left out, all of it, but for a known revision while the
 * traffic is split, which then stays as it is. The same content with the same settings is the revision already there.
 * Deploys of one function wait for each other on its row.
 */
export async function deployRevision(
  db: Db,
  namespaceId: string,
  name: string,
  content: RevisionContent,
  options: DeployOptions = {},
): Promise<Deployed> {
  return await db.transaction().execute(async (tx) => {
    const { id: functionId, traffic } = await lockOrMakeFunction(tx, namespaceId, name);
    await fillMissingEnvs(tx, functionId);
    const env = options.env ?? (await chooseEnv(tx, functionId, content.contentHash));
    const known = await findByContent(tx, functionId, content.contentHash, env);
    const revisionId = known ?? (await insertRevision(tx, functionId, content, env));
    const isSplit = Object.keys(traffic).length > 1;
    const takesTraffic = options.takesTraffic ?? !(known && isSplit);
    await placeRevision(tx, functionId, revisionId, { ...options, takesTraffic });
    // Read here: a removal may come right after the commit.
    return { fn: (await findFunction(tx, namespaceId, name))!, revisionId, created: !known };
  });
}

/**
 * Changes a function without its source: with other settings the content that leads is another revision, which takes
 * all traffic unless `takesTraffic` says otherwise. What `change` makes of the settings is decided under the function's
 * lock; what it throws is thrown on, and nothing has changed. Undefined where there is no such function.
 */
export async function changeFunction(
  db: Db,
  namespaceId: string,
  name: string,
  change: (env: FunctionEnv) => DeployOptions,
): Promise<Deployed | undefined> {
  return await db.transaction().execute(async (tx) => {
    const functionId = await lockFunction(tx, namespaceId, name);
    if (functionId === undefined) return undefined;
    await fillMissingEnvs(tx, functionId);
    const leading = await findLeading(tx, functionId);
    const options = change(leading.env);
    const env = options.env ?? leading.env;
    const known = await findByContent(tx, functionId, leading.contentHash, env);
    const revisionId = known ?? (await copyRevision(tx, functionId, leading.id, env));
    const takesTraffic = options.takesTraffic ?? revisionId !== leading.id;
    await placeRevision(tx, functionId, revisionId, { ...options, takesTraffic });
    return { fn: (await findFunction(tx, namespaceId, name))!, revisionId, created: !known };
  });
}

/** The function of that name, made where there is none; no other deploy or removal goes on meanwhile. */
async function lockOrMakeFunction(
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

async function lockFunction(tx: Db, namespaceId: string, name: string): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`SELECT id FROM functions
    WHERE namespace_id = ${namespaceId} AND name = ${name} AND removed_at IS NULL
    FOR NO KEY UPDATE`.execute(tx);
  return rows[0]?.id;
}

async function findLeading(tx: Db, functionId: string) {
  const { rows } = await sql<{ id: string; contentHash: string; env: FunctionEnv }>`
    SELECT r.id, r.content_hash AS "contentHash", r.env
    FROM functions f JOIN function_revisions r ON r.id = f.active_revision_id WHERE f.id = ${functionId}`.execute(
    tx,
  );
  return rows[0]!;
}

async function findByContent(
  tx: Db,
  functionId: string,
  contentHash: string,
  env: FunctionEnv,
): Promise<string | undefined> {
  const known = await tx
    .selectFrom("function_revisions")
    .select("id")
    .where("function_id", "=", functionId)
    .where("content_hash", "=", contentHash)
    .where("env", "=", sql<FunctionEnv>`${toJsonText(env)}::jsonb`)
    .executeTakeFirst();
  return known?.id;
}

const nextNumber = (functionId: string) =>
  sql<number>`(SELECT coalesce(max(number), 0) + 1 FROM function_revisions WHERE function_id = ${functionId})`;

async function insertRevision(
  tx: Db,
  functionId: string,
  content: RevisionContent,
  env: FunctionEnv,
): Promise<string> {
  const id = newId();
  await tx
    .insertInto("function_revisions")
    .values({
      id,
      function_id: functionId,
      number: nextNumber(functionId),
      content_hash: content.contentHash,
      entry: content.entry,
      files: toJsonText(content.files),
      code: content.code,
      source_map: content.sourceMap,
      limits: toJsonText(content.limits),
      reuse: content.reuse,
      env: toJsonText(env),
    })
    .execute();
  return id;
}

/** What was built once is not built again. */
async function copyRevision(
  tx: Db,
  functionId: string,
  revisionId: string,
  env: FunctionEnv,
): Promise<string> {
  const id = newId();
  await sql`
    INSERT INTO function_revisions
      (id, function_id, number, content_hash, entry, files, code, source_map, limits, reuse, env)
    SELECT ${id}, function_id, ${nextNumber(functionId)}, content_hash, entry, files, code, source_map, limits, reuse,
      ${toJsonText(env)}::jsonb
    FROM function_revisions WHERE id = ${revisionId}`.execute(tx);
  return id;
}

/** What a deploy says besides the revision's content. A function's first revision leads in any case. */
async function placeRevision(
  tx: Db,
  functionId: string,
  revisionId: string,
  { takesTraffic, tag, isPublic }: DeployOptions,
): Promise<void> {
  if (takesTraffic) await setTraffic(tx, functionId, { [revisionId]: 100 });
  await sql`UPDATE functions SET active_revision_id = ${revisionId}, updated_at = now()
    WHERE id = ${functionId} AND active_revision_id IS NULL`.execute(tx);
  await saveLead(tx, functionId);
  if (isPublic !== undefined)
    await sql`UPDATE functions SET is_public = ${isPublic}, updated_at = now()
      WHERE id = ${functionId} AND is_public <> ${isPublic}`.execute(tx);
  if (tag !== undefined) await moveTag(tx, functionId, tag, revisionId);
}
