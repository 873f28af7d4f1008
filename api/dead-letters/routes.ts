/** `/v1/dead-letters`: runs whose last attempt failed: list, redrive, discard. */
import type { z } from "zod";
import { filteredPageOf, idParam } from "../../core/contracts/common.ts";
import { redriveInput, redriveOutput } from "../../core/contracts/dead-letter.ts";
import { runOutput, toWireRun } from "../../core/contracts/run.ts";
import { deadLetterListQuery } from "../../core/contracts/run-filter.ts";
import { notFound } from "../../core/errors.ts";
import { isId } from "../../core/store/ids.ts";
import { discardDeadLetter } from "../../core/store/runs/cancel.ts";
import { redriveDeadLetters } from "../../core/store/runs/dead-letters.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { auditRun } from "../runs/audit-run.ts";
import { readRunPage } from "../runs/page.ts";
import { resolveTaskFilter } from "../tasks/name-task.ts";

const params = { id: idParam("The run's id.") };

export const deadLetterFeature: Feature = {
  tag: "Dead letters",
  description: "Runs whose last attempt failed, kept until somebody redrives or discards them.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/dead-letters",
      operationId: "listDeadLetters",
      summary: "List dead letters, newest first, or those that match",
      access: "read",
      query: deadLetterListQuery,
      answers: { 200: { is: "A page of runs.", schema: filteredPageOf(runOutput) } },
      async handle({ parts, owner, query }) {
        const page = await readRunPage(parts.store, owner.namespaceId, query, { state: ["dead"] });
        return { status: 200, body: page };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/dead-letters/redrive",
      operationId: "redriveDeadLetters",
      summary: "Redrive all dead letters, or those of one task",
      access: "write",
      audit: {
        resource: "dead-letters",
        isChange: (_request, body) => (body as z.output<typeof redriveOutput>).redriven > 0,
        summarize: (body: z.output<typeof redriveOutput>) => body,
      },
      body: { schema: redriveInput, isOptional: true },
      answers: { 202: { is: "How many were queued again.", schema: redriveOutput } },
      async handle({ parts: { store, ringer }, owner: { namespaceId }, body }) {
        const { taskId } = await resolveTaskFilter(store, namespaceId, body);
        const runs = await redriveDeadLetters(store, namespaceId, { taskId });
        ringer.ring(runs);
        return { status: 202, body: { redriven: runs.length } };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/dead-letters/:id/redrive",
      operationId: "redriveDeadLetter",
      summary: "Redrive a dead letter",
      access: "write",
      audit: auditRun("dead-letters/:id"),
      params,
      answers: { 202: { is: "The run, queued again.", schema: runOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts: { store, ringer }, owner: { namespaceId }, params: { id } }) {
        const runs = isId(id) ? await redriveDeadLetters(store, namespaceId, { runId: id }) : [];
        if (runs.length === 0) throw notFound("dead letter", id);
        ringer.ring(runs);
        return { status: 202, body: toWireRun((await findRun(store, namespaceId, id))!) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/dead-letters/:id",
      operationId: "discardDeadLetter",
      summary: "Discard a dead letter",
      description: "Its run becomes `failed`.",
      access: "write",
      audit: auditRun("dead-letters/:id"),
      params,
      answers: { 204: { is: "The dead letter is discarded." } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner, params: { id } }) {
        const discarded = isId(id) && (await discardDeadLetter(parts.store, owner.namespaceId, id));
        if (!discarded) throw notFound("dead letter", id);
        parts.ends.tell([discarded]);
        return { status: 204 };
      },
    }),
  ],
};
