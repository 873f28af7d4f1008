/** A function's log: a page of it, or live. */
import type { Context } from "hono";
import { z } from "zod";
import { pageOf, toPage } from "../../core/contracts/common.ts";
import { functionNameParam } from "../../core/contracts/function.ts";
import { logQuery } from "../../core/contracts/log-query.ts";
import { logLineOutput, toWireLogLine } from "../../core/contracts/run.ts";
import { invalidField } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
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
import { readKey } from "../auth/authenticate.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunctionEver } from "../functions/function-of-path.ts";
import { requireRevision } from "../functions/require-revision.ts";
import { decodeLogCursor } from "../http/cursor.ts";
import { readLastEventId } from "../http/last-event-id.ts";
import { refuseLimit } from "../http/refuse-limit.ts";
import { defineRoute, type Feature, type RouteSettings } from "../http/route.ts";
import type { FollowFormat } from "./follow.ts";

type LogQuery = z.output<ReturnType<typeof logQuery>>;

export const logFeature = ({ clock }: RouteSettings): Feature => ({
  tag: "Logs",
  description: "The log lines of functions, by page or live.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/functions/:name/logs",
      operationId: "readFunctionLogs",
      summary: "Read a function's log, newest line first, or follow it",
      description:
        "With `follow=true` the response is a stream of lines as they are recorded: server-sent events if `Accept` asks for them, otherwise NDJSON. A quiet stream sends an empty line, or a comment, every 15 seconds.",
      access: "read",
      params: { name: functionNameParam },
      query: logQuery(() => clock.now()),
      headers: {
        accept: z.string().meta({ description: "`text/event-stream` for server-sent events." }),
        "last-event-id": z.string().meta({ description: "The id of the last line seen." }),
      },
      answers: {
        200: {
          is: "A page of log lines; or each line as it comes.",
          schema: pageOf(logLineOutput),
          content: { "application/x-ndjson": logLineOutput, "text/event-stream": z.string() },
          headers: ["last-event-id"],
        },
      },
      errors: { 400: ["invalid_input"], 404: ["not_found"], 429: ["too_many_followers"] },
      async handle({ parts, context, owner, params: { name }, query }) {
        const { db } = parts.store;
        const fn = await requireFunctionEver(db, owner.namespaceId, name);
        const filter = await toFilter(db, fn.id, query);
        if (query.follow === "true") {
          refuseLimit(context);
          return await follow(parts, context, fn.id, filter, query.after);
        }
        const { limit, cursor } = query;
        const rows = await listFunctionLogs(db, fn.id, limit, decodeLogCursor(cursor), filter);
        return { status: 200, body: toPage(rows, limit, toWireLogLine, ({ position }) => position) };
      },
    }),
  ],
});

async function toFilter(db: Db, functionId: string, query: LogQuery): Promise<LogFilter> {
  const { level, since, until, q: text, revision: named, run: runId } = query;
  const revision = named === undefined ? undefined : await requireRevision(db, functionId, named, "revision");
  if (runId !== undefined && !isId(runId)) throw invalidField("run", "is not the id of a run");
  return { level, since, until, text, revisionId: revision?.id, runId };
}

/** The line that was seen last. A reader that reconnects by itself repeats `after`; its header says more. */
function readLastSeen(context: Context<ApiEnv>, after: string | undefined): string | undefined {
  const lastEventId = readLastEventId(context, (id) => (isLogPosition(id) ? id : undefined));
  if (after !== undefined && !isLogPosition(after)) throw invalidField("after", "is not the id of a line");
  return lastEventId ?? after;
}

/** After the line that was seen last; else from the asked instant, or from now on. */
async function startOf(db: Db, lastSeen: string | undefined, { since }: LogFilter): Promise<LogPosition> {
  if (lastSeen !== undefined) return { position: lastSeen };
  return since ? { position: FIRST_LOG_POSITION } : await currentLogPosition(db);
}

const CONTENT_TYPES = { ndjson: "application/x-ndjson", sse: "text/event-stream" } as const;

async function follow(
  parts: ApiParts,
  context: Context<ApiEnv>,
  functionId: string,
  filter: LogFilter,
  after: string | undefined,
) {
  const { db } = parts.store;
  const lastSeen = readLastSeen(context, after);
  const owner = context.get("owner");
  const { keyId } = owner;
  const format: FollowFormat = context.req.header("accept")?.includes("text/event-stream") ? "sse" : "ndjson";
  const headers: { "last-event-id"?: string } = {};
  const prepare = async () => {
    const start = await startOf(db, lastSeen, filter);
    headers["last-event-id"] = start.position;
    return {
      ...{ functionId, keyId, filter, format, after: start },
      searchText: filter.text === undefined ? undefined : await lowerText(db, filter.text),
      watchKey: (onInvalid: () => void) => parts.keyring.watch(readKey(context).key!, owner, onInvalid),
      signal: AbortSignal.any([context.req.raw.signal, parts.stopping]),
    };
  };
  // Nobody would read, or leave, what a HEAD gets.
  const isHead = context.req.raw.method === "HEAD";
  const content = isHead ? null : await parts.followers.follow(owner, prepare);
  context.header("cache-control", "no-store");
  context.header("x-accel-buffering", "no");
  return { status: 200, content, contentType: CONTENT_TYPES[format], headers } as const;
}
