/** A function's log: a page of it, or live. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { listQuery, toPage } from "../../core/contracts/common.ts";
import { toWireLogLine } from "../../core/contracts/run.ts";
import { BellhopError } from "../../core/errors.ts";
import { currentLogPosition, isLogPosition, listFunctionLogs } from "../../core/store/logs.ts";
import { requireScope } from "../auth.ts";
import { validate } from "../body.ts";
import { decodeLogCursor } from "../cursor.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { followFunctionLogs } from "./follow.ts";
import { requireFunction } from "./function-of-path.ts";

const logQuery = listQuery.extend({ follow: z.enum(["true", "false"]).default("false") });

export function logRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { clock } = parts;
  const { db } = parts.store;
  const routes = new Hono<ApiEnv>();

  routes.get("/:name/logs", requireScope("read"), async (context) => {
    const fn = await requireFunction(db, context);
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
