/**
 * Spans as the roles know them. A span is handed on like any argument, so nothing is looked up and nothing is paid
 * where tracing is off: then every span is `NO_SPAN`. Who makes real ones is core/telemetry/otlp-tracer.ts, loaded only
 * where it is asked for.
 *
 * Where no time passes a span is its cause's child; where time passes (a schedule, a queue, a retry) it begins a trace
 * of its own, linked to its cause. Attributes hold ids, names, numbers and codes: no URL's path or query, no header, no
 * body, no message.
 */

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";

/** By OpenTelemetry's semantic conventions, our own under `bellhop.`; undefined ones are left out. */
export type SpanAttributes = Record<string, string | number | boolean | undefined>;

export interface SpanOptions {
  /** Default `internal`. */
  kind?: SpanKind;
  attributes?: SpanAttributes;
}

export interface Span {
  /** W3C; undefined where tracing is off. */
  readonly traceparent: string | undefined;
  /** For log lines; empty where tracing is off. */
  readonly logFields: { traceId?: string; spanId?: string };
  startChild(name: string, options?: SpanOptions): Span;
  rename(name: string): void;
  set(attributes: SpanAttributes): void;
  /** `error.type`: a stable code or a class of errors, never a message. */
  fail(errorType: string): void;
  end(): void;
}

export interface Tracer {
  readonly isOn: boolean;
  /** Spans that no collector got: the queue was full, or sending them failed. */
  readonly droppedSpans: number;
  /** A child of `parent`; without a valid one it begins a trace. */
  continueTrace(name: string, parent: string | null | undefined, options?: SpanOptions): Span;
  /** Begins a trace, linked to what led to it. A `consumer` is sampled where its first link was. */
  beginTrace(name: string, links: readonly (string | null | undefined)[], options?: SpanOptions): Span;
  /** Sends what has ended, as far as that goes within a few seconds. */
  close(): Promise<void>;
}

export const NO_SPAN: Span = {
  traceparent: undefined,
  logFields: {},
  startChild: () => NO_SPAN,
  rename() {},
  set() {},
  fail() {},
  end() {},
};

export const NO_TRACER: Tracer = {
  isOn: false,
  droppedSpans: 0,
  continueTrace: () => NO_SPAN,
  beginTrace: () => NO_SPAN,
  async close() {},
};
