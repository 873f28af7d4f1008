/** A real OTLP/HTTP receiver on loopback: what an OpenTelemetry collector is sent, as JSON. */
import { createHttpSink, type HttpSink } from "./http-sink.ts";
import { createRecording, type Recording, type WaitOptions } from "./recording.ts";

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for the first of its trace. */
  parentSpanId: string;
  name: string;
  kind: "internal" | "server" | "client" | "producer" | "consumer";
  attributes: Record<string, unknown>;
  links: { traceId: string; spanId: string }[];
  isError: boolean;
  /** Of the process that made it. */
  resource: Record<string, unknown>;
  /** `00-…`: what the span hands on. */
  traceparent: string;
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string;
  spans: ReceivedSpan[];
  /** The first span that matches, past ones included. */
  waitFor(matches: (span: ReceivedSpan) => boolean, options?: WaitOptions): Promise<ReceivedSpan>;
  /** What came over the wire. */
  requests: HttpSink["requests"];
  close(): Promise<void>;
}

const KINDS = ["internal", "internal", "server", "client", "producer", "consumer"] as const;
const STATUS_ERROR = 2;

export async function createOtlpReceiver(): Promise<OtlpReceiver> {
  const recording = createRecording<ReceivedSpan>("span");
  const sink = await createHttpSink(({ body }) => {
    receive(JSON.parse(body) as WireExport, recording);
    return { headers: { "content-type": "application/json" }, body: "{}" };
  });
  return {
    url: sink.url,
    spans: recording.items,
    waitFor: async (matches, options) => (await recording.waitFor(matches, options))[0]!,
    requests: sink.requests,
    async close() {
      recording.end("the receiver was closed.");
      await sink.close();
    },
  };
}

interface WireValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
}
type WirePairs = { key: string; value: WireValue }[];
interface WireSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes?: WirePairs;
  links?: { traceId: string; spanId: string }[];
  status?: { code?: number };
}
interface WireExport {
  resourceSpans: { resource: { attributes: WirePairs }; scopeSpans: { spans: WireSpan[] }[] }[];
}

function receive({ resourceSpans }: WireExport, recording: Recording<ReceivedSpan>): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    const facts = toRecord(resource.attributes);
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) recording.add(toReceived(span, facts));
  }
}

function toReceived(span: WireSpan, resource: Record<string, unknown>): ReceivedSpan {
  const { traceId, spanId, name } = span;
  return {
    ...{ traceId, spanId, name, resource },
    parentSpanId: span.parentSpanId ?? "",
    kind: KINDS[span.kind] ?? "internal",
    attributes: toRecord(span.attributes ?? []),
    links: (span.links ?? []).map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
    isError: span.status?.code === STATUS_ERROR,
    traceparent: `00-${traceId}-${spanId}-01`,
  };
}

function toRecord(pairs: WirePairs): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue)),
    ]),
  );
}
