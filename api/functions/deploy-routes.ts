/** Deploying functions and looking at them. */
import { Hono } from "hono";
import { listQuery, nameField, toPage } from "../../core/contracts/common.ts";
import { toWireFunction } from "../../core/contracts/function.ts";
import { invalidField } from "../../core/errors.ts";
import { deployRevision, listFunctions } from "../../core/store/functions/functions.ts";
import { offerRoom } from "../../core/store/runs/room.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { requireScope } from "../auth.ts";
import { validate } from "../body.ts";
import { decodeIdCursor } from "../cursor.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunction } from "./function-of-path.ts";
import { hashRevision } from "./revision-hash.ts";
import { readUpload } from "./upload.ts";

export function deployRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { store, log, functionCaps } = parts;
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  /** The new revision may leave room for runs that wait for it; where it cannot be looked, the scheduler soon does. */
  async function ringOffered(functionId: string): Promise<void> {
    const offered = await offerRoom(store, [functionId]).catch((error) => {
      log.warn({ error }, "runs that wait for room were not looked for; the scheduler does it");
      return [];
    });
    parts.ringer.ring(offered);
  }

  routes.put("/:name", requireScope("deploy"), async (context) => {
    const name = nameField.safeParse(context.req.param("name"));
    if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
    const { files, entry, isSingleSource, limits, reuse } = await readUpload(context, functionCaps);
    const { namespaceId } = context.get("owner");
    const built = await buildRevision({
      files,
      entry,
      tenant: namespaceId,
      ...(isSingleSource ? { fieldOf: () => "source" } : {}),
    });
    const { fn, created } = await deployRevision(db, namespaceId, name.data, {
      ...{ ...built, files, limits, reuse },
      contentHash: hashRevision(built.contentHash, limits, reuse),
    });
    await ringOffered(fn.id);
    context.header("location", `/v1/functions/${fn.name}`);
    return context.json(toWireFunction(fn, functionCaps), created ? 201 : 200);
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

  routes.get("/:name", requireScope("read"), async (context) =>
    context.json(toWireFunction(await requireFunction(db, context), functionCaps)),
  );

  return routes;
}
