/** `POST /v1/tasks/{id}/backfill`: runs for instants that have passed, as a bulk action. */

import type { z } from "zod";
import { type Backfill, type BackfillInput, backfillInput } from "../../core/contracts/backfill.ts";
import { bulkOutput, dryRunOutput, toWireBackfill, toWireBulk } from "../../core/contracts/bulk.ts";
import { BACKFILL } from "../../core/domain/bulk.ts";
import { InstantNotFoundError } from "../../core/domain/schedule/local-times.ts";
import { taskCancelled } from "../../core/domain/task-cancelled.ts";
import { unknownQueue } from "../../core/domain/unknown-queue.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import { findInstants } from "../../core/store/bulk/backfill.ts";
import { createBulk } from "../../core/store/bulk/bulk-actions.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { isId, newId } from "../../core/store/ids.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { demandScope } from "../auth/scopes.ts";
import { defineRoute, type RouteSettings } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { identifyTask } from "./audit-task.ts";

export const backfillRoute = ({ time }: RouteSettings) =>
  defineRoute({
    method: "POST",
    path: "/v1/tasks/:id/backfill",
    operationId: "backfillTask",
    summary: "Create runs for past instants of a task",
    description:
      "This is a bulk action: read, list and abort it as such. It also needs the scope `invoke`. An instant gets a run whether or not it had one.",
    access: "write",
    audit: {
      resource: "tasks/:id",
      identify: identifyTask,
      isChange: (_request, body) => (body as { id: string | null }).id !== null,
      summarize: (body: z.output<typeof bulkOutput>) => ({ bulk: body.id, backfill: body.backfill }),
    },
    body: { schema: backfillInput(() => time.now()) },
    answers: {
      200: { is: "For a dry run: how many instants there are.", schema: dryRunOutput },
      202: { is: "The backfill is running.", schema: bulkOutput, headers: ["location"] },
    },
    errors: {
      404: ["not_found"],
      409: ["task_cancelled"],
      422: ["unknown_queue"],
      429: ["too_many_bulk_actions"],
    },
    async handle({ parts: { store }, context, owner, params: { id: taskId }, body }) {
      demandScope(owner, "invoke");
      const { namespaceId } = owner;
      const { instants, ...backfill } = await planBackfill(store, namespaceId, taskId, body);
      const asked = { action: BACKFILL, resource: "tasks", filter: { taskId } } as const;
      if (body.dryRun) {
        const matched = instants.length;
        const counted = { state: "succeeded", matched, done: 0, failed: 0 } as const;
        const shown = toWireBackfill(backfill, matched);
        return { status: 200, body: { id: null, ...asked, backfill: shown, ...counted } };
      }
      const traceparent = traceparentOf(context);
      const facts = { id: newId(), namespaceId, ...asked, traceparent, by: owner.keyId };
      const given = { ...facts, backfill: { ...backfill, instants } };
      const bulk = await inTransaction(store.pool, (tx) => createBulk(tx, given));
      return { status: 202, body: toWireBulk(bulk), headers: { location: `/v1/bulk/${bulk.id}` } };
    },
  });

async function planBackfill(
  scope: QueryScope,
  namespaceId: string,
  taskId: string,
  { from, to, overlap, max }: BackfillInput,
): Promise<Backfill & { instants: Date[] }> {
  const found = isId(taskId)
    ? await findInstants(scope, namespaceId, taskId, { from, to }, max).catch(refuseSearch)
    : undefined;
  if (!found) throw notFound("task", taskId);
  if (found.state === "cancelled") throw taskCancelled();
  if (found.missingQueue !== null) throw unknownQueue(found.missingQueue);
  const { instants } = found;
  if (instants.length > max) {
    const last = instants[max]!.toISOString();
    throw invalidField(
      "max",
      `there are more than ${max} instants before to: use a to of at most ${last}, or a greater max`,
    );
  }
  const range = { from: from.toISOString(), to: to.toISOString() };
  const chosen = overlap ?? ((found.overlap ?? "allow") === "allow" ? "allow" : "wait");
  return { taskId, ...range, overlap: chosen, max, instants };
}

function refuseSearch(error: unknown): never {
  if (!(error instanceof InstantNotFoundError)) throw error;
  throw invalidField("from", `the instants after it could not be found: ${error.message}`);
}
