/** Whether a role traces is the operator's word: where it is not given, OpenTelemetry's SDK is not even loaded. */
import type { SettingName, Settings } from "../config/settings.ts";
import type { Logger } from "./log.ts";
import { NO_TRACER, type Tracer } from "./tracing.ts";

/** OpenTelemetry's own names: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
export const TRACE_SETTINGS = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_PROTOCOL",
  "OTEL_SERVICE_NAME",
  "OTEL_RESOURCE_ATTRIBUTES",
  "OTEL_TRACES_SAMPLER",
  "OTEL_TRACES_SAMPLER_ARG",
] as const satisfies SettingName[];

export type TraceSettings = Pick<Settings, (typeof TRACE_SETTINGS)[number]>;

export async function openTracer(role: string, settings: TraceSettings, log: Logger): Promise<Tracer> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return NO_TRACER;
  const { createOtlpTracer } = await import("./otlp-tracer.ts");
  return createOtlpTracer({
    url: `${endpoint}/v1/traces`,
    headers: settings.OTEL_EXPORTER_OTLP_HEADERS,
    resource: {
      ...settings.OTEL_RESOURCE_ATTRIBUTES,
      "service.name":
        settings.OTEL_SERVICE_NAME ?? settings.OTEL_RESOURCE_ATTRIBUTES["service.name"] ?? `bellhop-${role}`,
    },
    role,
    sampler: settings.OTEL_TRACES_SAMPLER,
    samplerRatio: settings.OTEL_TRACES_SAMPLER_ARG,
    onDropped: (reason) =>
      log.warn({ reason }, "spans are dropped; work goes on, and the metric counts them"),
  });
}
