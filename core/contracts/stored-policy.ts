/**
 * A task's policy as it is stored. What is not set is left out. The release before reads and writes `retry` as
 * `{maxAttempts, backoff: {initialMs, factor, maxMs, jitter}}`, so what it does not know of a retry has fields of its
 * own: `backoff` of another kind, beside which `retry` holds a stand-in that it can run by, and `retryOn`.
 */
import type { Backoff, ExponentialBackoff, RetriedFailure } from "../domain/retry.ts";
import { DEFAULT_POLICY, type TaskPolicy } from "./task-policy.ts";

interface StoredRetry {
  maxAttempts: number;
  backoff: ExponentialBackoff;
}

/** What may be there; an earlier release wrote less, a later one more. */
export type StoredPolicy = Partial<Omit<TaskPolicy, "retry">> & {
  retry?: StoredRetry;
  backoff?: Backoff;
  retryOn?: RetriedFailure[];
};

/** What this release writes, and so replaces when a policy changes. */
export const STORED_FIELDS = [...Object.keys(DEFAULT_POLICY), "backoff", "retryOn"];

export function toStoredPolicy({ retry, ...policy }: TaskPolicy): StoredPolicy & { retry: StoredRetry } {
  const { maxAttempts, backoff, on } = retry;
  const isKnownBefore = isExponential(backoff);
  const set = Object.entries(policy).filter(([, value]) => value !== null);
  return {
    retry: { maxAttempts, backoff: isKnownBefore ? backoff : toStandIn(backoff) },
    ...Object.fromEntries(set),
    ...(isKnownBefore ? {} : { backoff }),
    ...(on === undefined ? {} : { retryOn: on }),
  };
}

/** Of tasks that were stored before the field was there, and that go on as they did: their runs overlap. */
const BEFORE = Object.entries({ ...DEFAULT_POLICY, overlap: "allow" });

/** What an earlier release did not know is as it was then, what a later one knows is left out. */
export function readPolicy({ backoff, retryOn, ...stored }: StoredPolicy): TaskPolicy {
  const policy: Record<string, unknown> = {};
  for (const [field, byDefault] of BEFORE) policy[field] = stored[field as keyof typeof stored] ?? byDefault;
  const { retry } = stored;
  // Where the release before has changed the stand-in, that is what holds.
  if (retry && backoff && isSame(retry.backoff, toStandIn(backoff))) policy["retry"] = { ...retry, backoff };
  if (retryOn) policy["retry"] = { ...(policy["retry"] as object), on: retryOn };
  return policy as TaskPolicy;
}

const isExponential = (backoff: Backoff): backoff is ExponentialBackoff =>
  backoff.kind === undefined || backoff.kind === "exponential";

/** The nearest that the release before can do. */
function toStandIn(backoff: Backoff): ExponentialBackoff {
  if (backoff.kind === "linear") {
    const { initialMs, maxMs, jitter } = backoff;
    return { initialMs, factor: 1, maxMs, jitter };
  }
  if (backoff.kind !== "list") return backoff;
  const { waitsMs, jitter } = backoff;
  return { initialMs: waitsMs[0]!, factor: 1, maxMs: Math.max(...waitsMs), jitter };
}

const isSame = (one: ExponentialBackoff, other: ExponentialBackoff) =>
  one.initialMs === other.initialMs &&
  one.factor === other.factor &&
  one.maxMs === other.maxMs &&
  one.jitter === other.jitter;
