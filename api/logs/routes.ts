/** A function's log: a page of it, or live. */
import { type Context, Hono } from "hono";
import type { z } from "zod";
import { toPage } from "../../core/contracts/common.ts";
import { logQuery } from "../../core/contracts/log-query.ts";
import { toWireLogLine } from "../../core/contracts/run.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import { findRevision } from "../../core/store/functions/revisions.ts";
import { isId } from "../../core/store/ids.ts";
import {
  currentLogPosition,
  FIRST_LOG_POSITION,
  isLogPosition,
  type LogFilter,
  type LogPosition,
  listFunctionLogs,
  lowerText,
} from "../../core/store/logs.ts";
import { requireScope } from "../auth/scopes.ts";
import { validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunctionEver } from "../functions/function-of-path.ts";
import { decodeLogCursor } from "../http/cursor.ts";
import type { FollowFormat, FollowOptions } from "./follow.ts";

const RETRY_AFTER_SECONDS = 10;

type LogQuery = z.output<ReturnType<typeof logQuery>>;

export function logRoutes(parts: ApiParts): Hono<ApiEnv> {
  const { clock } = parts;
  const { db } = parts.store;
  const routes = new Hono<ApiEnv>();

  routes.get("/:name/logs", requireScope("read"), async (context) => {
    const fn = await requireFunctionEver(db, context);
    const query = validate(logQuery(clock.now()), context.req.query());
    const filter = await toFilter(fn.id, query);
    if (query.follow === "true") return await answerFollow(context, fn.id, filter, query.after);
    const { limit, cursor } = query;
    const rows = await listFunctionLogs(db, fn.id, limit, decodeLogCursor(cursor), filter);
    return context.json(toPage(rows, limit, toWireLogLine, ({ position }) => position));
  });

  async function toFilter(functionId: string, query: LogQuery): Promise<LogFilter> {
    const { level, since, until, q: text, revision: named, run: runId } = query;
    const revision = named === undefined ? undefined : await findRevision(db, functionId, named);
    if (named !== undefined && !revision)
      throw invalidField("revision", "this function has no such revision");
    if (runId !== undefined && !isId(runId)) throw invalidField("run", "is not the id of a run");
    return { level, since, until, text, revisionId: revision?.id, runId };
  }

  /** The line that was seen last. A reader that reconnects by itself repeats `after`; its header says more. */
  function readLastSeen(context: Context<ApiEnv>, after: string | undefined): string | undefined {
    const lastEventId = context.req.header("last-event-id");
    if (lastEventId !== undefined && !isLogPosition(lastEventId)) {
      throw new BellhopError("invalid_input", 400, "Last-Event-ID is not an id this stream gave.");
    }
    if (after !== undefined && !isLogPosition(after)) throw invalidField("after", "is not the id of a line");
    return lastEventId ?? after;
  }

  /** After the line that was seen last; else from the asked instant, or from now on. */
  async function startOf(lastSeen: string | undefined, { since }: LogFilter): Promise<LogPosition> {
    if (lastSeen !== undefined) return { position: lastSeen };
    return since ? { position: FIRST_LOG_POSITION } : await currentLogPosition(db);
  }

  async function answerFollow(
    context: Context<ApiEnv>,
    functionId: string,
    filter: LogFilter,
    after: string | undefined,
  ): Promise<Response> {
    const lastSeen = readLastSeen(context, after);
    const { keyId } = context.get("owner");
    const format = context.req.header("accept")?.includes("text/event-stream") ? "sse" : "ndjson";
    const prepare = async () => ({
      ...{ functionId, keyId, filter, format: format as FollowFormat },
      after: await startOf(lastSeen, filter),
      searchText: filter.text === undefined ? undefined : await lowerText(db, filter.text),
      isAllowed: () => parts.followers.isKeyValid(keyId),
      signal: AbortSignal.any([context.req.raw.signal, parts.stopping]),
    });
    // Nobody would read, or leave, what a HEAD gets.
    const isHead = context.req.raw.method === "HEAD";
    const stream = isHead ? undefined : await followOrSayWhen(context, keyId, prepare);
    context.header("cache-control", "no-store");
    context.header("x-accel-buffering", "no");
    context.header("content-type", format === "sse" ? "text/event-stream" : "application/x-ndjson");
    return stream ? context.body(stream) : context.body(null);
  }

  /** Who is refused is told when to try again: nobody knows when another leaves. */
  async function followOrSayWhen(
    context: Context<ApiEnv>,
    keyId: string,
    prepare: () => Promise<FollowOptions>,
  ): Promise<ReadableStream<Uint8Array>> {
    try {
      return await parts.followers.follow(keyId, prepare);
    } catch (error) {
      if (error instanceof BellhopError && error.status === 429)
        context.header("retry-after", String(RETRY_AFTER_SECONDS));
      throw error;
    }
  }

  return routes;
}
