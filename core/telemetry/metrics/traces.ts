import { Counter, type Registry } from "prom-client";
import type { Tracer } from "../tracing.ts";

/** Where a role traces: what its collector did not get. */
export function countDroppedSpans(registry: Registry, tracer: Pick<Tracer, "droppedSpans">): void {
  new Counter({
    name: "bellhop_trace_spans_dropped_total",
    help: "Spans that no collector got.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(tracer.droppedSpans);
    },
  });
}
