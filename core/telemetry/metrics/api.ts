/** What the API counts. */
import { Counter, type Registry } from "prom-client";

export function createApiMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: "bellhop_api_requests_total",
      help: "API requests by method and status.",
      labelNames: ["method", "status"] as const,
      registers,
    }),
  };
}

export type ApiMetrics = ReturnType<typeof createApiMetrics>;
