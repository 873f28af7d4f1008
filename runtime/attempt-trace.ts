/** An attempt as others see it: its span, and what its log lines contain. */
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { TriedAttempt } from "../core/store/runs/finish.ts";
import { NO_SPAN, type Span, type SpanAttributes, type Tracer } from "../core/telemetry/tracing.ts";

export type AttemptTracer = (run: ClaimedRun, isDirect: boolean) => Span;

/** Where claimed runs came from, by the semantic conventions of messaging. */
export interface QueueFacts {
  system: string;
  destination: string;
}

/**
 * A direct call is a child of its caller's request: no time passes. A claimed run is linked to what made it, and so is
 * each of its retries.
 */
export function createAttemptTracer(tracer: Tracer, queue: QueueFacts): AttemptTracer {
  if (!tracer.isOn) return () => NO_SPAN;
  return (run, isDirect) => {
    const name = `attempt ${run.spec.type}`;
    const attributes = describeRun(run);
    if (isDirect) return tracer.continueTrace(name, run.traceparent, { kind: "server", attributes });
    return tracer.beginTrace(name, [run.traceparent], {
      kind: "consumer",
      attributes: { ...attributes, ...describeMessage(run, queue) },
    });
  };
}

function describeRun(run: ClaimedRun): SpanAttributes {
  return {
    "bellhop.run.id": run.id,
    "bellhop.run.type": run.spec.type,
    "bellhop.run.trigger": run.trigger,
    "bellhop.run.attempt": run.attempt,
    "bellhop.run.scheduled_for": run.scheduledFor.toISOString(),
    "bellhop.task.id": run.taskId ?? undefined,
    "bellhop.namespace.id": run.namespaceId,
    "bellhop.function.name": run.spec.type === "function" ? run.spec.function : undefined,
    "bellhop.revision.id": run.revisionId ?? undefined,
  };
}

function describeMessage(run: ClaimedRun, { system, destination }: QueueFacts): SpanAttributes {
  return {
    "messaging.system": system,
    "messaging.destination.name": destination,
    "messaging.operation.name": "attempt",
    "messaging.operation.type": "process",
    "messaging.message.id": run.id,
  };
}

/** Ends the span with what became of the attempt; null: it was released. */
export function endAttemptSpan(span: Span, attempt: TriedAttempt | null): void {
  if (span === NO_SPAN) return;
  span.set({ "bellhop.run.outcome": attempt?.verdict.state ?? "released" });
  if (attempt?.record.error) span.fail(attempt.record.error.code);
  span.end();
}

/** What log lines say of a run: which one it is, and the trace of this attempt at it. */
export function runFields(run: Pick<ClaimedRun, "id" | "taskId" | "attempt">, span: Span): object {
  return { runId: run.id, taskId: run.taskId, attempt: run.attempt, ...span.logFields };
}
