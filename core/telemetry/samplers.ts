/** Which spans are recorded: OpenTelemetry's samplers by their standard names, and one rule for links. */
import { type Context, type Link, SpanKind, TraceFlags, trace } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";

export type SamplerName =
  | "always_on"
  | "always_off"
  | "traceidratio"
  | "parentbased_always_on"
  | "parentbased_always_off"
  | "parentbased_traceidratio";

export function createSampler(name: SamplerName, ratio: number): Sampler {
  const isParentBased = name.startsWith("parentbased_");
  const root = createRootSampler(name.replace("parentbased_", ""), ratio);
  return isParentBased ? followLinks(new ParentBasedSampler({ root })) : root;
}

function createRootSampler(name: string, ratio: number): Sampler {
  if (name === "always_off") return new AlwaysOffSampler();
  return name === "traceidratio" ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler();
}

/**
 * A consumer goes on, by a link, with what its producer began: it is sampled where that was. Chosen anew, of a
 * hundredth of all traces a ten-thousandth would have both ends.
 */
function followLinks(sampler: Sampler): Sampler {
  return {
    shouldSample(context: Context, traceId, name, kind, attributes, links: Link[]) {
      const cause = kind === SpanKind.CONSUMER && !trace.getSpanContext(context) ? links[0] : undefined;
      if (!cause) return sampler.shouldSample(context, traceId, name, kind, attributes, links);
      const isSampled = (cause.context.traceFlags & TraceFlags.SAMPLED) !== 0;
      return { decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
    },
    toString: () => `FollowLinks{${sampler.toString()}}`,
  };
}
