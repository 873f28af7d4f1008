/** Deploying functions and looking at them. */
import { Hono } from "hono";
import { listQuery, nameField, toPage } from "../../core/contracts/common.ts";
import { toWireFunction } from "../../core/contracts/function.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import { deployRevision, listFunctions } from "../../core/store/functions/functions.ts";
import { removeFunction } from "../../core/store/functions/remove.ts";
import { findRevision } from "../../core/store/functions/revisions.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { requireScope } from "../auth/scopes.ts";
import { validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { announceChange } from "./announce-change.ts";
import { answerFunction } from "./answer-function.ts";
import { requireName } from "./function-of-path.ts";
import { hashRevision } from "./revision-hash.ts";
import { readUpload } from "./upload.ts";

export function deployRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { store, functionCaps } = parts;
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  routes.put("/:name", requireScope("deploy"), async (context) => {
    const name = nameField.safeParse(context.req.param("name"));
    if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
    const { files, entry, isSingleSource, limits, reuse, takesTraffic, tag, isPublic, env } =
      await readUpload(context, functionCaps);
    const { namespaceId } = context.get("owner");
    const built = await buildRevision({
      files,
      entry,
      tenant: namespaceId,
      ...(isSingleSource ? { fieldOf: () => "source" } : {}),
    });
    const contentHash = hashRevision(built.contentHash, limits, reuse);
    const content = { ...built, files, limits, reuse, contentHash };
    const options = { takesTraffic, tag, isPublic, env };
    const { fn, revisionId, created } = await deployRevision(db, namespaceId, name.data, content, options);
    await announceChange(parts, fn.id);
    context.header("location", `/v1/functions/${fn.name}`);
    const { id, number } = (await findRevision(db, fn.id, revisionId))!;
    // `deployed`: the one that was uploaded, whichever leads.
    const answer = { ...toWireFunction(fn, functionCaps), deployed: { id, number } };
    return context.json(answer, created ? 201 : 200);
  });

  routes.get("/", requireScope("read"), async (context) => {
    const { limit, cursor } = validate(listQuery, context.req.query());
    const rows = await listFunctions(db, context.get("owner").namespaceId, limit, decodeIdCursor(cursor));
    return context.json(
      toPage(
        rows,
        limit,
        (fn) => toWireFunction(fn, functionCaps),
        ({ id }) => id,
      ),
    );
  });

  routes.get("/:name", requireScope("read"), (context) => answerFunction(parts, context));

  routes.delete("/:name", requireScope("deploy"), async (context) => {
    const name = requireName(context);
    if (!(await removeFunction(db, context.get("owner").namespaceId, name))) throw notFound("function", name);
    parts.callables.forget();
    parts.notifier.notify("bellhop_functions");
    return context.body(null, 204);
  });

  return routes;
}
