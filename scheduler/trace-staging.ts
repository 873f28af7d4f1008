/** A span for each staged occurrence: its attempts link to it, and it links to its task's request. */
import type { Occurrence } from "../core/store/runs/stage.ts";
import type { Span, Tracer } from "../core/telemetry/tracing.ts";

/**
 * Calls `stage` with what gives a run its traceparent, or with nothing where tracing is off. The spans end with the
 * transaction: when it failed, none of their runs exists.
 */
export async function traceStaging<T>(
  tracer: Tracer,
  stage: (trace?: (occurrence: Occurrence) => string | undefined) => Promise<T>,
): Promise<T> {
  if (!tracer.isOn) return await stage();
  const spans: Span[] = [];
  try {
    return await stage((occurrence) => {
      const span = startSpan(tracer, occurrence);
      spans.push(span);
      return span.traceparent;
    });
  } catch (error) {
    for (const span of spans) span.fail("staging_failed");
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}

function startSpan(tracer: Tracer, { runId, taskId, type, scheduledFor, taskTraceparent }: Occurrence): Span {
  return tracer.beginTrace(`schedule ${type}`, [taskTraceparent], {
    kind: "producer",
    attributes: {
      "messaging.operation.name": "schedule",
      "messaging.operation.type": "create",
      "messaging.message.id": runId,
      "bellhop.run.id": runId,
      "bellhop.run.type": type,
      "bellhop.run.scheduled_for": scheduledFor.toISOString(),
      "bellhop.task.id": taskId,
    },
  });
}
