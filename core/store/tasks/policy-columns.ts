/**
 * A task's policy in its row. `policy` holds it, but for the timeout, which statements filter by. The release before
 * this one knows `retry` and `dead_letter` alone: they are written as well, and where they differ they are the truth.
 */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { readPolicy, type TaskPolicy } from "../../contracts/task-policy.ts";
import { toJsonText } from "../json-text.ts";
import type { Database } from "../schema.ts";

type PolicyColumns = Pick<Selectable<Database["tasks"]>, "policy" | "retry" | "timeout_ms" | "dead_letter">;

/** The policy of a task `t` as `readPolicy` takes it; null where there is no task. */
export const STORED_POLICY = `t.policy
    || jsonb_build_object('retry', t.retry, 'timeoutMs', t.timeout_ms, 'deadLetter', t.dead_letter)`;

export const fromPolicyColumns = ({ policy, retry, timeout_ms, dead_letter }: PolicyColumns): TaskPolicy =>
  readPolicy({ ...policy, retry, timeoutMs: timeout_ms, deadLetter: dead_letter });

export function toPolicyColumns({ timeoutMs, ...policy }: TaskPolicy) {
  return {
    policy: toJsonText(policy),
    retry: toJsonText(policy.retry),
    timeout_ms: timeoutMs,
    dead_letter: policy.deadLetter,
  };
}

/** The new `policy` of a task that stands: a field that only a later release knows stays as it is. */
export const changedPolicy = (policy: string): RawBuilder<string> => sql`policy || ${policy}::jsonb`;
