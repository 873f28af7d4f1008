import type { z } from "zod";
import { type FilteredPage, toFilteredPage } from "../../core/contracts/common.ts";
import { toWireRun, type WireRun } from "../../core/contracts/run.ts";
import type { RunFilter, runListQuery } from "../../core/contracts/run-filter.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { estimateRuns, listRuns } from "../../core/store/runs/read.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import { resolveTaskFilter } from "../tasks/name-task.ts";

type ListQuery = Pick<z.output<typeof runListQuery>, "limit" | "cursor" | "order" | "count"> & RunFilter;

/** A page of the runs that the query asks for, and of them those that `only` says. */
export async function readRunPage(
  scope: QueryScope,
  namespaceId: string,
  { limit, cursor, order, count, ...given }: ListQuery,
  only: RunFilter = {},
): Promise<FilteredPage<WireRun>> {
  const filter = await resolveTaskFilter(scope, namespaceId, { ...given, ...only });
  const found = await listRuns(scope, namespaceId, filter, { limit, order, afterId: decodeIdCursor(cursor) });
  const estimatedCount = count && (await estimateRuns(scope, namespaceId, filter));
  return toFilteredPage({ ...found, estimatedCount }, toWireRun);
}
