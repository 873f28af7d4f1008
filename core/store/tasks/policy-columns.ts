/**
 * A task's policy in its row. `policy` holds it, but for the timeout, which statements filter by. The release before
 * this one knows `retry` and `dead_letter` alone: they are written as well, and where they differ they are the truth.
 */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { readPolicy, STORED_FIELDS, toStoredPolicy } from "../../contracts/stored-policy.ts";
import { isShared, type TaskPolicy } from "../../contracts/task-policy.ts";
import { deepFreeze } from "../../deep-freeze.ts";
import { toJsonText } from "../json-text.ts";
import type { Database } from "../schema.ts";

type PolicyColumns = Pick<Selectable<Database["tasks"]>, "policy" | "retry" | "timeout_ms" | "dead_letter">;

/** The policy of a task `t` beside the columns of its run, for `fromJoinedPolicy`. */
export const JOINED_POLICY =
  "t.policy::text AS policy, t.retry::text AS retry, t.timeout_ms AS task_timeout_ms, t.dead_letter";

/** Whether a task `t` has the policy of the row `common`, byte for byte: then its texts are not written again. */
const IS_COMMON = "(SELECT ROW(policy, retry) FROM common) *= ROW(t.policy, t.retry)";

/** `JOINED_POLICY` where a CTE `common` holds the `policy` and `retry` of one of the tasks: texts of others than that alone. */
export const UNCOMMON_POLICY = `
  CASE WHEN t.id IS NOT NULL AND NOT (${IS_COMMON}) THEN ${writePolicyTexts("t.policy", "t.retry")} END AS policy_texts,
  t.timeout_ms AS task_timeout_ms, t.dead_letter`;

/** JSON of `PolicyTexts`, with more `columns`. */
export function writePolicyTexts(policy: string, retry: string, columns = ""): string {
  return `json_build_object('policy', ${policy}::text, 'retry', ${retry}::text${columns})`;
}

/** Both as the database wrote them: whoever has read the same texts reads them no more. */
export interface PolicyTexts {
  policy: string;
  retry: string;
}

/** `UNCOMMON_POLICY`: of a run without a task, too, there are no texts. */
export interface UncommonPolicy {
  policy_texts: PolicyTexts | null;
  task_timeout_ms: number | null;
  dead_letter: boolean | null;
}

const WITHOUT_TASK: JoinedPolicy = { policy: null, retry: null, task_timeout_ms: null, dead_letter: null };

/** Fills in what was told once. */
export function toJoinedPolicy(
  { policy_texts, task_timeout_ms, dead_letter }: UncommonPolicy,
  common: PolicyTexts | null,
): JoinedPolicy {
  const texts = policy_texts ?? common;
  if (task_timeout_ms === null || dead_letter === null || !texts) return WITHOUT_TASK;
  return { policy: texts.policy, retry: texts.retry, task_timeout_ms, dead_letter };
}

/** `JOINED_POLICY`; nulls where a run has no task. */
export type JoinedPolicy =
  | { policy: string; retry: string; task_timeout_ms: number; dead_letter: boolean }
  | { policy: null; retry: null; task_timeout_ms: null; dead_letter: null };

export const fromPolicyColumns = ({ policy, retry, timeout_ms, dead_letter }: PolicyColumns): TaskPolicy =>
  readPolicy({ ...policy, retry, timeoutMs: timeout_ms, deadLetter: dead_letter });

/** Most tasks of an installation have one of a few policies: those that were read last, by their texts. */
const known = new Map<string, TaskPolicy>();
/**
 * The one that was read last: runs that come together mostly have the same. To compare texts with themselves costs
 * nothing, to look up what they make together a microsecond for each run.
 */
let last: { row: WrittenPolicy; read: TaskPolicy } | undefined;
const MOST_KNOWN = 1_000;
const LONGEST_KNOWN_CHARS = 2_000;

/** Null where there is no task. Shared by all that have the same: not to be changed. */
export function fromJoinedPolicy(row: JoinedPolicy): TaskPolicy | null {
  if (row.policy === null) return null;
  if (!last || !isSamePolicy(last.row, row)) last = { row: pickPolicy(row), read: readJoinedPolicy(row) };
  return last.read;
}

type WrittenPolicy = Exclude<JoinedPolicy, { policy: null }>;

const isSamePolicy = (one: WrittenPolicy, other: WrittenPolicy) =>
  one.policy === other.policy &&
  one.retry === other.retry &&
  one.task_timeout_ms === other.task_timeout_ms &&
  one.dead_letter === other.dead_letter;

const pickPolicy = ({ policy, retry, task_timeout_ms, dead_letter }: WrittenPolicy): WrittenPolicy => ({
  ...{ policy, retry, task_timeout_ms, dead_letter },
});

function readJoinedPolicy(row: WrittenPolicy): TaskPolicy {
  const { policy, retry, task_timeout_ms: timeout_ms, dead_letter } = row;
  const text = `${policy} ${retry} ${timeout_ms} ${dead_letter}`;
  const found = known.get(text);
  if (found) return found;
  const columns = { policy: JSON.parse(policy), retry: JSON.parse(retry), timeout_ms, dead_letter };
  const read = deepFreeze(fromPolicyColumns(columns));
  if (text.length > LONGEST_KNOWN_CHARS) return read;
  if (known.size >= MOST_KNOWN) known.delete(known.keys().next().value!);
  known.set(text, read);
  return read;
}

const columnsOfShared = new WeakMap<TaskPolicy, ReturnType<typeof makeColumns>>();

export function toPolicyColumns(policy: TaskPolicy) {
  const known = columnsOfShared.get(policy);
  if (known) return known;
  const made = makeColumns(policy);
  if (isShared(policy)) columnsOfShared.set(policy, made);
  return made;
}

function makeColumns(policy: TaskPolicy) {
  const { timeoutMs: _hasItsColumn, ...stored } = toStoredPolicy(policy);
  return {
    policy: toJsonText(stored),
    retry: toJsonText(stored.retry),
    timeout_ms: policy.timeoutMs,
    dead_letter: policy.deadLetter,
  };
}

/** The new `policy` of a task that stands: a field that only a later release knows stays as it is. */
export const changedPolicy = (policy: string): RawBuilder<string> =>
  sql`(policy - ${STORED_FIELDS}::text[]) || ${policy}::jsonb`;
