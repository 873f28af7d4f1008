import type { z } from "zod";
import { type listQuery, type Page, toPage } from "../../core/contracts/common.ts";
import { toWireRun, type WireRun } from "../../core/contracts/run.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { listRuns, type RunFilter } from "../../core/store/runs/read.ts";
import { decodeIdCursor } from "../http/cursor.ts";

/** A page of runs, newest first. */
export async function readRunPage(
  scope: QueryScope,
  namespaceId: string,
  { limit, cursor }: z.output<typeof listQuery>,
  filter: RunFilter,
): Promise<Page<WireRun>> {
  const rows = await listRuns(scope, namespaceId, filter, limit, decodeIdCursor(cursor));
  return toPage(rows, limit, toWireRun, ({ id }) => id);
}
