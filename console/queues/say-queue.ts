/** Limits of a queue in words. Pure. */
import type { Schemas } from "../../client/client.ts";

type Queue = Schemas["Queue"];

export function sayRate(rate: Queue["rate"]): string {
  if (!rate) return "any";
  const burst = rate.burst === null ? "" : `, ${rate.burst} at once`;
  return `${rate.limit} in ${rate.per}${burst}`;
}

const REASONS = [
  ["concurrency", "for other runs to end"],
  ["rate", "for the rate"],
  ["paused", "for the pause to end"],
  ["slot", "for a worker"],
] as const;

/** `3 wait for other runs to end, 1 for a worker`; undefined: none waits. */
export function sayWaits({ waitingFor }: Pick<Queue, "waitingFor">): string | undefined {
  const parts = REASONS.filter(([name]) => waitingFor[name] > 0).map(
    ([name, text]) => `${waitingFor[name]} ${text}`,
  );
  return parts.length === 0 ? undefined : `waiting: ${parts.join(", ")}`;
}
