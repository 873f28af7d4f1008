/** `/v1/runs`: list, get, logs, cancel, replay. */
import type { z } from "zod";
import { filteredPageOf, idParam, pageOf, toPage } from "../../core/contracts/common.ts";
import { runLogQuery } from "../../core/contracts/log-query.ts";
import {
  logLineOutput,
  type Run,
  runOutput,
  runWithInputOutput,
  toWireInput,
  toWireLogLine,
  toWireRun,
} from "../../core/contracts/run.ts";
import { runListQuery } from "../../core/contracts/run-filter.ts";
import { isTerminal } from "../../core/domain/run-state.ts";
import { conflict, notFound } from "../../core/errors.ts";
import type { Store } from "../../core/store/database.ts";
import { isId } from "../../core/store/ids.ts";
import { listRunLogs } from "../../core/store/logs.ts";
import { findRun, findRunInput } from "../../core/store/runs/read.ts";
import { decodeLogCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { cancelRun } from "./cancel-run.ts";
import { readRunPage } from "./page.ts";
import { replayRoute } from "./replay.ts";

const params = { id: idParam("The run's id.") };

async function requireRun(store: Store, namespaceId: string, id: string): Promise<Run> {
  const run = isId(id) ? await findRun(store, namespaceId, id) : undefined;
  if (!run) throw notFound("run", id);
  return run;
}

export const runFeature: Feature = {
  tag: "Runs",
  description: "Occurrences of tasks and calls of functions, with their states and results.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/runs",
      operationId: "listRuns",
      summary: "List runs, newest first, or those that match",
      access: "read",
      query: runListQuery,
      answers: { 200: { is: "A page of runs.", schema: filteredPageOf(runOutput) } },
      async handle({ parts, owner, query }) {
        return { status: 200, body: await readRunPage(parts.store, owner.namespaceId, query) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/runs/:id",
      operationId: "getRun",
      summary: "Get a run",
      access: "read",
      params,
      answers: { 200: { is: "The run, with its input, which lists leave out.", schema: runWithInputOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store }, owner, params: { id } }) {
        const run = await requireRun(store, owner.namespaceId, id);
        const stored = run.taskId === null ? await findRunInput(store, run.id) : null;
        return { status: 200, body: { ...toWireRun(run), ...toWireInput(run, stored) } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/runs/:id/logs",
      operationId: "listRunLogs",
      summary: "List a run's log, oldest line first",
      description: "Lines are recorded with the end of their attempt.",
      access: "read",
      params,
      query: runLogQuery,
      answers: { 200: { is: "A page of log lines.", schema: pageOf(logLineOutput) } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner, params: { id }, query: { limit, cursor, level, q: text } }) {
        const run = await requireRun(parts.store, owner.namespaceId, id);
        const filter = { level, text };
        const rows = await listRunLogs(parts.store.db, run.id, limit, decodeLogCursor(cursor), filter);
        return { status: 200, body: toPage(rows, limit, toWireLogLine, ({ position }) => position) };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/runs/:id/cancel",
      operationId: "cancelRun",
      summary: "Cancel a run",
      description: "A waiting run ends at once. An active run is asked to stop, and may still succeed.",
      access: "write",
      audit: { resource: "runs/:id", summarize: ({ state }: z.output<typeof runOutput>) => ({ state }) },
      params,
      answers: {
        200: { is: "The run has ended.", schema: runOutput },
        202: { is: "The run was asked to stop.", schema: runOutput },
      },
      errors: { 404: ["not_found"], 409: ["run_not_open"] },
      async handle({ parts, owner: { namespaceId }, params: { id } }) {
        const wasOpen = isId(id) && (await cancelRun(parts, namespaceId, id));
        // Read afterwards: what is answered is what stands.
        const run = await requireRun(parts.store, namespaceId, id);
        if (!wasOpen) throw conflict(`A ${run.state} run cannot be cancelled.`, "run_not_open");
        return { status: isTerminal(run.state) ? 200 : 202, body: toWireRun(run) };
      },
    }),

    replayRoute,
  ],
};
