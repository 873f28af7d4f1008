/** `/v1/workers`: who is there to run things. They belong to no namespace: for operators alone. */
import { workersOutput } from "../../core/contracts/worker.ts";
import { listWorkers } from "../../core/store/workers.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const MAX_LISTED = 1_000;

export const workerFeature: Feature = {
  tag: "Workers",
  description: "The workers that execute runs.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/workers",
      operationId: "listWorkers",
      summary: "List the workers",
      access: "operator",
      answers: { 200: { is: `Up to ${MAX_LISTED} workers.`, schema: workersOutput } },
      async handle({ parts }) {
        const workers = await listWorkers(parts.store, MAX_LISTED);
        return {
          status: 200,
          body: { items: workers.map(({ since, ...rest }) => ({ ...rest, since: since.toISOString() })) },
        };
      },
    }),
  ],
};
