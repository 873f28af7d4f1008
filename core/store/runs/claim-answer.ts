/**
 * What a claim answers: its runs, and once what is told besides them or what their tasks have in common. Rows are read
 * where the driver leaves their values: to make an object of thirty names of each took it a tenth of all that a run
 * which does nothing costs its worker.
 */
import type { QueryArrayResult } from "pg";
import { deepFreeze } from "../../deep-freeze.ts";
import type { TaskSpec } from "../../domain/task-spec.ts";
import type { LimitedRun } from "../limits/admit-runs.ts";
import { type PolicyTexts, toJoinedPolicy } from "../tasks/policy-columns.ts";
import { fromSpecColumn, type StoredSpec } from "../tasks/spec-column.ts";
import { type BriefClaimRow, type ClaimedRun, specOf, toClaimedRun } from "./claimed-run.ts";

/** In one of the rows. */
export interface Told {
  limited: LimitedRun[] | null;
  /** What those rows leave out that have a task, and no policy or no spec of their own. */
  common: (PolicyTexts & { spec: StoredSpec | null }) | null;
  hasBacklog?: boolean;
  visited?: number;
  lastNamespaceId?: string | null;
  /** Of a full search. */
  isCrowded?: boolean;
}

const NOTHING_TOLD: Told = { limited: null, common: null };

type Columns = BriefClaimRow & { told: Told | null };
type Places = { readonly [column in keyof Columns]: number };

export interface ClaimAnswer {
  taken: ClaimedRun[];
  limited: LimitedRun[];
  told: Told;
}

export function readClaimAnswer({ rows, fields }: QueryArrayResult<unknown[]>): ClaimAnswer {
  const at = Object.fromEntries(fields.map(({ name }, place) => [name, place])) as Places;
  const teller = rows.find((values) => values[at.told] !== null);
  const told = teller ? (teller[at.told] as Told) : NOTHING_TOLD;
  const common = readCommon(told);
  const taken: ClaimedRun[] = [];
  for (const values of rows) if (values[at.id] !== null) taken.push(toRun(readRow(values, at), common));
  return { taken, limited: told.limited ?? [], told };
}

interface Common {
  policy: PolicyTexts | null;
  /** Shared by all that have it: not to be changed. */
  stored: StoredSpec | null;
  spec: TaskSpec | null;
}

function readCommon({ common }: Told): Common {
  const stored = deepFreeze(common?.spec ?? null);
  return { policy: common, stored, spec: stored && deepFreeze(fromSpecColumn(stored)) };
}

function toRun(row: BriefClaimRow, { policy, stored, spec }: Common): ClaimedRun {
  const joined = toJoinedPolicy(row, policy);
  // A run without a task has no policy of one either.
  const hasCommonSpec = row.spec === null && joined.policy !== null;
  if (hasCommonSpec && row.input === null && spec) return toClaimedRun(row, joined, spec, stored);
  const ownSpec = hasCommonSpec ? stored : row.spec;
  return toClaimedRun(row, joined, specOf(row, ownSpec), ownSpec);
}

function readRow(values: unknown[], at: Places): BriefClaimRow {
  const row: { [column in keyof BriefClaimRow]: unknown } = {
    id: values[at.id],
    claim_no: values[at.claim_no],
    namespace_id: values[at.namespace_id],
    task_id: values[at.task_id],
    function_id: values[at.function_id],
    attempt: values[at.attempt],
    attempt_offset: values[at.attempt_offset],
    scheduled_for: values[at.scheduled_for],
    redriven_at: values[at.redriven_at],
    started_at: values[at.started_at],
    timeout_ms: values[at.timeout_ms],
    max_attempts: values[at.max_attempts],
    input: values[at.input],
    spec: values[at.spec],
    unloadedBytes: values[at.unloadedBytes],
    function_name: values[at.function_name],
    traffic: values[at.traffic],
    has_callbacks: values[at.has_callbacks],
    holds_permits: values[at.holds_permits],
    target: values[at.target],
    trigger: values[at.trigger],
    traceparent: values[at.traceparent],
    tag_revision_id: values[at.tag_revision_id],
    cron_clock: values[at.cron_clock],
    policy_texts: values[at.policy_texts],
    task_timeout_ms: values[at.task_timeout_ms],
    dead_letter: values[at.dead_letter],
  };
  return row as unknown as BriefClaimRow;
}
