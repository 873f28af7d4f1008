/** Revisions, and which of them a function's calls reach: traffic, tags, rollback. */
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { z } from "zod";
import { listQuery, nameField, toPage } from "../../core/contracts/common.ts";
import {
  type DescribedRevision,
  type FunctionRevision,
  rollbackInput,
  tagInput,
  toWireDiff,
  toWireRevision,
  trafficInput,
} from "../../core/contracts/function.ts";
import { effectiveLimits } from "../../core/domain/function-limits.ts";
import type { FileFacts } from "../../core/domain/revision-diff.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import {
  findRevision,
  findRevisionBefore,
  listRevisions,
  loadSources,
} from "../../core/store/functions/revisions.ts";
import { moveTag, removeTag } from "../../core/store/functions/tags.ts";
import { changeTraffic, rollBackTraffic } from "../../core/store/functions/traffic.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { decodeNumberCursor } from "../http/cursor.ts";
import { announceChange } from "./announce-change.ts";
import { answerFunction } from "./answer-function.ts";
import { requireFunction, requireFunctionEver } from "./function-of-path.ts";

const diffQuery = z.object({ from: z.string().max(64).optional() });
const sourceQuery = z.object({ source: z.enum(["true", "false"]).default("false") });

export function revisionRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { store, functionCaps } = parts;
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  /** 422 under the field that named it. */
  async function requireRevision(
    functionId: string,
    named: string,
    field: string,
  ): Promise<FunctionRevision> {
    const revision = await findRevision(db, functionId, named);
    if (!revision) throw invalidField(field, `this function has no revision ${JSON.stringify(named)}`);
    return revision;
  }

  routes.get("/:name/revisions", requireScope("read"), async (context) => {
    const fn = await requireFunctionEver(db, context);
    const { limit, cursor } = validate(listQuery, context.req.query());
    const rows = await listRevisions(db, fn.id, limit, decodeNumberCursor(cursor));
    const toItem = (revision: FunctionRevision): JsonObject => ({
      ...toWireRevision(revision, functionCaps),
      percent: fn.traffic[revision.id] ?? 0,
      tags: Object.keys(fn.tags).filter((tag) => fn.tags[tag] === revision.id),
    });
    return context.json(toPage(rows, limit, toItem, ({ number }) => String(number)));
  });

  routes.get("/:name/revisions/:revision", requireScope("read"), async (context) => {
    const fn = await requireFunctionEver(db, context);
    const named = context.req.param("revision");
    const { source } = validate(sourceQuery, context.req.query());
    const revision = await findRevision(db, fn.id, named);
    if (!revision) throw notFound("revision", named);
    const sources = await loadSources(db, revision.id);
    const files = Object.entries(sources).map(([path, text]) => [
      path,
      { ...describeFile(text), ...(source === "true" ? { source: text } : {}) },
    ]);
    return context.json({
      ...toWireRevision(revision, functionCaps),
      percent: fn.traffic[revision.id] ?? 0,
      files: Object.fromEntries(files),
    });
  });

  routes.get("/:name/revisions/:revision/diff", requireScope("read"), async (context) => {
    const fn = await requireFunctionEver(db, context);
    const named = context.req.param("revision");
    const { from: asked } = validate(diffQuery, context.req.query());
    const to = await findRevision(db, fn.id, named);
    if (!to) throw notFound("revision", named);
    const from =
      asked === undefined
        ? await findRevisionBefore(db, fn.id, to)
        : await requireRevision(fn.id, asked, "from");
    return context.json(toWireDiff(from && (await describe(from)), await describe(to)));
  });

  async function describe(revision: FunctionRevision): Promise<DescribedRevision> {
    const files = Object.entries(await loadSources(db, revision.id)).map(
      ([path, text]) => [path, describeFile(text)] as const,
    );
    const limits = effectiveLimits(revision.limits, functionCaps);
    return { revision, limits, files: Object.fromEntries(files) };
  }

  routes.put("/:name/traffic", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const shares = validate(trafficInput, await readJson(context));
    const traffic: Record<string, number> = {};
    for (const [named, percent] of Object.entries(shares)) {
      const { id } = await requireRevision(fn.id, named, named);
      if (id in traffic) throw invalidField(named, "names a revision that is named already");
      traffic[id] = percent;
    }
    await changeTraffic(db, fn.id, traffic);
    await announceChange(parts, fn.id);
    return await answerFunction(parts, context);
  });

  routes.post("/:name/rollback", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const { revision } = validate(rollbackInput, (await readJson(context, { optional: true })) ?? {});
    if (revision === undefined) await rollBackTraffic(db, fn.id);
    else await changeTraffic(db, fn.id, { [(await requireRevision(fn.id, revision, "revision")).id]: 100 });
    await announceChange(parts, fn.id);
    return await answerFunction(parts, context);
  });

  routes.put("/:name/tags/:tag", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const tag = nameField.safeParse(context.req.param("tag"));
    if (!tag.success) throw invalidField("tag", tag.error.issues[0]!.message);
    const { revision } = validate(tagInput, await readJson(context));
    const { id } = await requireRevision(fn.id, revision, "revision");
    await db.transaction().execute(async (tx) => {
      await tx.selectFrom("functions").select("id").where("id", "=", fn.id).forUpdate().execute();
      await moveTag(tx, fn.id, tag.data, id);
    });
    await announceChange(parts, fn.id);
    return await answerFunction(parts, context);
  });

  routes.delete("/:name/tags/:tag", requireScope("deploy"), async (context) => {
    const fn = await requireFunction(db, context);
    const tag = context.req.param("tag");
    if (!(await removeTag(db, fn.id, tag))) throw notFound("tag", tag);
    await announceChange(parts, fn.id);
    return context.body(null, 204);
  });

  return routes;
}

/** Two revisions differ in a file where its hashes do. */
function describeFile(text: string): FileFacts {
  return { sha256: createHash("sha256").update(text).digest("hex"), bytes: Buffer.byteLength(text) };
}
