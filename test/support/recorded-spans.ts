/** Spans that a test looks at where they were made: no SDK, no collector. */
import type { Span, SpanAttributes, SpanOptions, Tracer } from "../../core/telemetry/tracing.ts";
import { createRecording, type Recording } from "./recording.ts";

export interface RecordedSpan extends Span {
  readonly traceparent: string;
  readonly name: string;
  readonly kind: string;
  readonly attributes: SpanAttributes;
  /** Its parent's traceparent, and those it is linked to. */
  readonly parent: string | undefined;
  readonly links: string[];
  readonly errorType: string | undefined;
}

export interface SpanRecorder {
  tracer: Tracer;
  /** In the order in which they ended. */
  ended: Recording<RecordedSpan>;
  /** A span that is under way, as the parent of others. */
  start(name?: string): RecordedSpan;
}

export function createSpanRecorder(): SpanRecorder {
  const ended = createRecording<RecordedSpan>("span");
  let made = 0;

  function start(
    name: string,
    from: { parent?: string | undefined; links?: string[] },
    { kind = "internal", attributes = {} }: SpanOptions = {},
  ): RecordedSpan {
    made += 1;
    const spanId = String(made).padStart(16, "0");
    const traceId = from.parent?.split("-")[1] ?? String(made).padStart(32, "0");
    const facts = { name, errorType: undefined as string | undefined };
    const span: RecordedSpan = {
      ...{ kind, parent: from.parent, links: from.links ?? [], attributes: { ...attributes } },
      traceparent: `00-${traceId}-${spanId}-01`,
      logFields: { traceId, spanId },
      get name() {
        return facts.name;
      },
      get errorType() {
        return facts.errorType;
      },
      startChild: (child, options) => start(child, { parent: span.traceparent }, options),
      rename(given) {
        facts.name = given;
      },
      set: (given) => void Object.assign(span.attributes, given),
      fail(errorType) {
        facts.errorType = errorType;
      },
      end: () => ended.add(span),
    };
    return span;
  }

  return {
    ended,
    start: (name = "parent") => start(name, {}),
    tracer: {
      isOn: true,
      droppedSpans: 0,
      continueTrace: (name, parent, options) => start(name, { parent: parent ?? undefined }, options),
      beginTrace: (name, links, options) =>
        start(name, { links: links.filter((link) => link != null) }, options),
      async close() {},
    },
  };
}
