/**
 * Spans on their way to the collector: ended → queued → sent, or dropped where the queue is full or sending fails. Work
 * never waits for any of it.
 */
import type { Context } from "@opentelemetry/api";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";

type SpanProcessor = Pick<BatchSpanProcessor, "onStart" | "onEnd" | "forceFlush" | "shutdown">;
type SpanExporter = ConstructorParameters<typeof BatchSpanProcessor>[0]["exporter"];
type EndedSpan = Parameters<BatchSpanProcessor["onEnd"]>[0];

export const MAX_QUEUED_SPANS = 8_192;
const MAX_BATCH_SPANS = 512;
const SEND_EVERY_MS = 1_000;
const SEND_TIMEOUT_MS = 10_000;
const SUCCESS = 0;

export interface BoundedExport {
  processor: SpanProcessor;
  /** So far. */
  dropped(): number;
}

/** @param onDropped hears of the first drop since spans were last sent, and not of those that follow */
export function createBoundedExport(
  exporter: SpanExporter,
  onDropped: (reason: string) => void,
  maxQueued: number = MAX_QUEUED_SPANS,
): BoundedExport {
  let queued = 0;
  let dropped = 0;
  let isTold = false;

  function drop(count: number, reason: string): void {
    dropped += count;
    if (isTold) return;
    isTold = true;
    onDropped(reason);
  }

  const counting: SpanExporter = {
    export(spans, done) {
      queued -= spans.length;
      exporter.export(spans, (result) => {
        if (result.code === SUCCESS) isTold = false;
        else drop(spans.length, "the collector did not take them");
        // Told and counted here: there is nobody else to tell.
        done({ code: SUCCESS });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: maxQueued,
    maxExportBatchSize: Math.min(MAX_BATCH_SPANS, maxQueued),
    scheduledDelayMillis: SEND_EVERY_MS,
    exportTimeoutMillis: SEND_TIMEOUT_MS + 1_000,
  });
  return {
    processor: {
      onStart: (span, context: Context) => batches.onStart(span, context),
      onEnd(span: EndedSpan) {
        if (queued >= maxQueued) return drop(1, "more spans end than the collector takes");
        queued += 1;
        batches.onEnd(span);
      },
      forceFlush: () => batches.forceFlush(),
      shutdown: () => batches.shutdown(),
    },
    dropped: () => dropped,
  };
}

export { SEND_TIMEOUT_MS };
