/** `/v1/functions`: deploy, list, get, invoke, logs. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { listQuery, nameField, toPage } from "../../core/contracts/common.ts";
import type { FunctionSummary } from "../../core/contracts/function.ts";
import { toWireFunction } from "../../core/contracts/function.ts";
import { toWireLogLine } from "../../core/contracts/run.ts";
import { BellhopError, invalidField, notFound } from "../../core/errors.ts";
import { deployRevision, findFunction, listFunctions } from "../../core/store/functions/functions.ts";
import { newId } from "../../core/store/ids.ts";
import { currentLogPosition, isLogPosition, listFunctionLogs } from "../../core/store/logs.ts";
import { offerRoom } from "../../core/store/runs/room.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { requireScope } from "../auth.ts";
import { readJson, validate } from "../body.ts";
import { decodeIdCursor, decodeLogCursor } from "../cursor.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { answerProblem } from "../problem.ts";
import { followFunctionLogs } from "./follow.ts";
import { invokeAndWait, startInvocation, toInvocationError } from "./invoke.ts";
import { hashRevision } from "./revision-hash.ts";
import { readUpload } from "./upload.ts";

const logQuery = listQuery.extend({ follow: z.enum(["true", "false"]).default("false") });

/** A name that cannot be is not there. */
function requireName(context: Context<ApiEnv>): string {
  const name = context.req.param("name") ?? "";
  if (!nameField.safeParse(name).success) throw notFound("function", name);
  return name;
}

export function functionRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { store, clock, log, functionCaps } = parts;
  const { db } = store;
  const routes = new Hono<ApiEnv>();

  async function requireFunction(context: Context<ApiEnv>): Promise<FunctionSummary> {
    const name = requireName(context);
    const fn = await findFunction(db, context.get("owner").namespaceId, name);
    if (!fn) throw notFound("function", name);
    return fn;
  }

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
    context.json(toWireFunction(await requireFunction(context), functionCaps)),
  );

  routes.post("/:name/invoke", requireScope("invoke"), async (context) => {
    const input = (await readJson(context, { optional: true })) ?? null;
    const target = {
      namespaceId: context.get("owner").namespaceId,
      functionName: requireName(context),
      input,
    };
    if (/\brespond-async\b/i.test(context.req.header("prefer") ?? "")) {
      const runId = newId();
      await startInvocation(parts, target, runId, false);
      context.header("bellhop-run-id", runId);
      context.header("location", `/v1/runs/${runId}`);
      context.header("preference-applied", "respond-async");
      return context.json({ runId }, 202);
    }
    const { runId, run } = await invokeAndWait(
      parts,
      target,
      AbortSignal.any([context.req.raw.signal, parts.stopping]),
    );
    context.header("bellhop-run-id", runId);
    if (run?.state === "succeeded") return context.json(run.result);
    return answerProblem(context, toInvocationError(run));
  });

  routes.get("/:name/logs", requireScope("read"), async (context) => {
    const fn = await requireFunction(context);
    const { limit, cursor, follow } = validate(logQuery, context.req.query());
    if (follow === "true") return await answerFollow(context, fn.id);
    const rows = await listFunctionLogs(db, fn.id, limit, decodeLogCursor(cursor));
    return context.json(toPage(rows, limit, toWireLogLine, ({ position }) => position));
  });

  async function answerFollow(context: Context<ApiEnv>, functionId: string): Promise<Response> {
    const lastSeen = context.req.header("last-event-id");
    if (lastSeen !== undefined && !isLogPosition(lastSeen)) {
      throw new BellhopError("invalid_input", 400, "Last-Event-ID is not an id this stream gave.");
    }
    const format = context.req.header("accept")?.includes("text/event-stream") ? "sse" : "ndjson";
    const stream = followFunctionLogs(db, {
      functionId,
      after: lastSeen === undefined ? await currentLogPosition(db) : { position: lastSeen },
      format,
      clock,
      signal: AbortSignal.any([context.req.raw.signal, parts.stopping]),
    });
    context.header("cache-control", "no-store");
    context.header("x-accel-buffering", "no");
    context.header("content-type", format === "sse" ? "text/event-stream" : "application/x-ndjson");
    return context.body(stream);
  }

  return routes;
}
