/** Spans by OpenTelemetry's SDK, sent over OTLP. Nothing is registered globally: several roles may share a process. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import {
  type Span as ApiSpan,
  SpanKind as ApiSpanKind,
  type Tracer as ApiTracer,
  type Attributes,
  type Context,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { createBoundedExport, SEND_TIMEOUT_MS } from "./bounded-export.ts";
import { createSampler, type SamplerName } from "./samplers.ts";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";
import type { Span, SpanAttributes, SpanKind, SpanOptions, Tracer } from "./tracing.ts";

export interface OtlpTracerOptions {
  /** Where spans are posted, as JSON. */
  url: string;
  /** Secrets, mostly: they stand in no log. */
  headers: Record<string, string>;
  resource: Record<string, string>;
  role: string;
  sampler: SamplerName;
  /** 0 to 1. */
  samplerRatio: number;
  onDropped(reason: string): void;
  /** How long its end waits for the last spans to be sent; default 3 s. */
  closeTimeoutMs?: number;
}

/** A collector that does not answer must not hold up a role that stops. */
const CLOSE_TIMEOUT_MS = 3_000;

const KINDS: Record<SpanKind, ApiSpanKind> = {
  internal: ApiSpanKind.INTERNAL,
  server: ApiSpanKind.SERVER,
  client: ApiSpanKind.CLIENT,
  producer: ApiSpanKind.PRODUCER,
  consumer: ApiSpanKind.CONSUMER,
};

export function createOtlpTracer(options: OtlpTracerOptions): Tracer {
  const { url, headers, role, onDropped, closeTimeoutMs = CLOSE_TIMEOUT_MS } = options;
  const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: SEND_TIMEOUT_MS });
  const bounded = createBoundedExport(exporter, onDropped);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.instance.id": randomUUID(),
      "service.namespace": "bellhop",
      "host.name": hostname(),
      "process.pid": process.pid,
      "bellhop.role": role,
      ...options.resource,
    }),
    sampler: createSampler(options.sampler, options.samplerRatio),
    spanProcessors: [bounded.processor],
  });
  const tracer = provider.getTracer("bellhop");
  return {
    isOn: true,
    get droppedSpans() {
      return bounded.dropped();
    },
    continueTrace: (name, parent, given) => startSpan(tracer, name, toParentContext(parent), [], given),
    beginTrace: (name, links, given) => startSpan(tracer, name, ROOT_CONTEXT, links.flatMap(toLink), given),
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeTimeoutMs);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

function startSpan(
  tracer: ApiTracer,
  name: string,
  parent: Context,
  links: Link[],
  { kind = "internal", attributes = {} }: SpanOptions = {},
): Span {
  const options = { kind: KINDS[kind], attributes: withoutUndefined(attributes), links };
  return new OtlpSpan(tracer, tracer.startSpan(name, options, parent));
}

function withoutUndefined(attributes: SpanAttributes): Attributes {
  const defined: Attributes = {};
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (value !== undefined) defined[name] = value;
  }
  return defined;
}

function toRemoteContext(traceparent: string | null | undefined): SpanContext | undefined {
  const parsed = parseTraceparent(traceparent);
  if (!parsed) return undefined;
  const { traceId, spanId, isSampled } = parsed;
  return { traceId, spanId, isRemote: true, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
}

function toParentContext(traceparent: string | null | undefined): Context {
  const remote = toRemoteContext(traceparent);
  return remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
}

function toLink(traceparent: string | null | undefined): Link[] {
  const context = toRemoteContext(traceparent);
  return context ? [{ context }] : [];
}

class OtlpSpan implements Span {
  readonly #tracer: ApiTracer;
  readonly #span: ApiSpan;

  constructor(tracer: ApiTracer, span: ApiSpan) {
    this.#tracer = tracer;
    this.#span = span;
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return formatTraceparent({ traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 });
  }

  get logFields(): { traceId: string; spanId: string } {
    const { traceId, spanId } = this.#span.spanContext();
    return { traceId, spanId };
  }

  startChild(name: string, options?: SpanOptions): Span {
    return startSpan(this.#tracer, name, trace.setSpan(ROOT_CONTEXT, this.#span), [], options);
  }

  rename(name: string): void {
    this.#span.updateName(name);
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(withoutUndefined(attributes));
  }

  fail(errorType: string): void {
    this.#span.setAttribute("error.type", errorType);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(): void {
    this.#span.end();
  }
}
