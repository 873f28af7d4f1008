import type { Context } from "hono";
import { listQuery, toPage } from "../../core/contracts/common.ts";
import { toWireRun } from "../../core/contracts/run.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { listRuns, type RunFilter } from "../../core/store/runs/read.ts";
import { validate } from "../bodies/body.ts";
import type { ApiEnv } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";

/** A page of runs, newest first. */
export async function answerRunPage(
  context: Context<ApiEnv>,
  scope: QueryScope,
  filter: RunFilter,
): Promise<Response> {
  const { limit, cursor } = validate(listQuery, context.req.query());
  const rows = await listRuns(scope, context.get("owner").namespaceId, filter, limit, decodeIdCursor(cursor));
  return context.json(toPage(rows, limit, toWireRun, ({ id }) => id));
}
