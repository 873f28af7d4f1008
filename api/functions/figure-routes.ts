import { functionNameParam } from "../../core/contracts/function.ts";
import { functionFiguresOutput, toWireFigures } from "../../core/contracts/function-figures.ts";
import { FIGURED_RUNS, readFigures } from "../../core/store/functions/figures.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { requireFunctionEver } from "./function-of-path.ts";

export const figureRoutes: Route[] = [
  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/figures",
    operationId: "readFunctionFigures",
    summary: "Read figures of a function's last runs",
    description: `Covers its newest ${FIGURED_RUNS.toLocaleString("en-US")} ended runs: cold and warm starts, durations, processor time, memory.`,
    access: "read",
    params: { name: functionNameParam },
    answers: { 200: { is: "The figures.", schema: functionFiguresOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, owner, params: { name } }) {
      const fn = await requireFunctionEver(store.db, owner.namespaceId, name);
      return { status: 200, body: toWireFigures(await readFigures(store, fn.id)) };
    },
  }),
];
