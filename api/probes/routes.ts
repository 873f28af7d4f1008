/** `/healthz`, `/readyz`, `/metrics`: the same as in every role. */
import { z } from "zod";
import { healthOutput, readinessOutput } from "../../core/contracts/probe.ts";
import type { ApiParts } from "../environment.ts";
import { defineRoute, type Feature } from "../http/route.ts";

async function probe<Status extends number, Type extends string>(
  { probes }: ApiParts,
  path: string,
): Promise<{ status: Status; content: string; contentType: Type }> {
  const { status, body, contentType } = (await probes(path))!;
  return { status: status as Status, content: body, contentType: contentType as Type };
}

export const probeFeature: Feature = {
  tag: "Operations",
  description: "Whether the API is healthy, and its metrics. No key is needed.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/healthz",
      operationId: "getHealth",
      summary: "Check whether the process responds",
      access: null,
      isUnconditional: true,
      // Balancers and scrapers add what they like, and must not take an API for ill.
      takesAnyQuery: true,
      answers: { 200: { is: "It does.", content: { "application/json": healthOutput } } },
      handle: ({ parts }) => probe(parts, "/healthz"),
    }),

    defineRoute({
      method: "GET",
      path: "/readyz",
      operationId: "getReadiness",
      summary: "Check whether the API is ready",
      access: null,
      isUnconditional: true,
      takesAnyQuery: true,
      answers: {
        200: { is: "It can.", content: { "application/json": readinessOutput } },
        503: { is: "It cannot.", content: { "application/json": readinessOutput } },
      },
      handle: ({ parts }) => probe(parts, "/readyz"),
    }),

    defineRoute({
      method: "GET",
      path: "/metrics",
      operationId: "getMetrics",
      summary: "Read the metrics",
      access: null,
      isUnconditional: true,
      takesAnyQuery: true,
      answers: {
        200: {
          is: "Prometheus' text format.",
          content: { "text/plain; version=0.0.4; charset=utf-8": z.string() },
        },
      },
      handle: ({ parts }) => probe(parts, "/metrics"),
    }),
  ],
};
