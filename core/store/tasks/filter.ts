/** What a filter of tasks means, and by which indexes tasks are found. */
import { sql } from "kysely";
import { labelPairs, type TaskFilter } from "../../contracts/task-filter.ts";
import type { TaskState } from "../../contracts/task-output.ts";
import { DEFAULT_QUEUE } from "../../domain/limit-keys.ts";
import { type Condition, type FilterConditions, toConditions } from "../filter-conditions.ts";
import type { Walk } from "../walk.ts";

/** Of a task that is over by its schedule. A scalar subquery is never answered by reading all open runs. */
export const hasOpenRun = (
  task: "r" | "tasks",
) => sql<boolean>`(${sql.ref(`${task}.state`)} = 'completed' AND coalesce((
    SELECT true FROM task_runs_open o WHERE o.task_id = ${sql.ref(`${task}.id`)} AND o.state <> 'dead' LIMIT 1), false))`;

/** As `nextRunAt` is shown, without the task's offset. */
const nominal = sql`r.next_run_at - coalesce(r.jitter_offset_ms, 0) * interval '1 millisecond'`;

/** Each field's condition on a task `r`, as it is shown. */
const CONDITIONS: FilterConditions<TaskFilter> = {
  state: (states) =>
    sql`CASE WHEN ${hasOpenRun("r")} THEN 'active' ELSE r.state END IN (${sql.join(states.map((state) => sql.lit(state)))})`,
  type: (type) => sql`r.type = ${sql.lit(type)}`,
  label: (labels) =>
    sql.join(
      labelPairs(labels).map(([name, value]) => sql`r.labels ->> ${name} = ${value}`),
      sql` AND `,
    ),
  name: (name) => sql`r.name = ${name}`,
  q: (part) => sql`position(lower(${part}) IN lower(r.name)) > 0`,
  function: (name, namespaceId) => sql`r.function_id = (${functionId(namespaceId, name)})`,
  queue: (name) =>
    name === DEFAULT_QUEUE ? sql`coalesce(r.queue, ${DEFAULT_QUEUE}) = ${name}` : sql`r.queue = ${name}`,
  nextBefore: (at) => sql`r.state = 'active' AND ${nominal} < ${at}`,
  nextAfter: (at) => sql`r.state = 'active' AND ${nominal} >= ${at}`,
};

const functionId = (namespaceId: string, name: string) =>
  sql`SELECT id FROM functions WHERE namespace_id = ${namespaceId} AND name = ${name} AND removed_at IS NULL`;

const conditionsOf = (namespaceId: string, filter: TaskFilter) =>
  toConditions(CONDITIONS, namespaceId, filter);

const ofNamespace = (namespaceId: string): Condition[] => [
  sql`r.namespace_id = ${namespaceId}`,
  sql`r.removed_at IS NULL`,
];

/** The whole of it, for a statement on the tasks `r` of a namespace. */
export function taskConditions(namespaceId: string, filter: TaskFilter): Condition[] {
  return [...ofNamespace(namespaceId), ...conditionsOf(namespaceId, filter)];
}

/** The states that `tasks_by_state` holds. */
const RARE_STATES: ReadonlySet<TaskState> = new Set(["paused", "cancelled"]);

/** The walks that find what matches the filter; `withRemoved`: also what nobody is shown any more. */
export function planTaskWalks(namespaceId: string, filter: TaskFilter, { withRemoved = false } = {}): Walk[] {
  const [ours, standing] = ofNamespace(namespaceId) as [Condition, Condition];
  const along = (known: Condition[], left: TaskFilter): Walk => ({
    from: sql`tasks`,
    where: [ours, ...(withRemoved ? [] : [standing]), ...known],
    filters: conditionsOf(namespaceId, left),
  });
  const { name, function: called, state: states, ...rest } = filter;
  if (name !== undefined)
    return [along(conditionsOf(namespaceId, { name }), { ...rest, function: called, state: states })];
  if (states?.every((state) => RARE_STATES.has(state)))
    return [...new Set(states)].map((state) =>
      along([sql`r.state = ${sql.lit(state)}`], { ...rest, function: called }),
    );
  if (called !== undefined)
    return [along(conditionsOf(namespaceId, { function: called }), { ...rest, state: states })];
  // Those of `default` are no few, and have no index.
  const { queue, ...besidesQueue } = rest;
  if (queue !== undefined && queue !== DEFAULT_QUEUE)
    return [along(conditionsOf(namespaceId, { queue }), { ...besidesQueue, state: states })];
  return [along([], filter)];
}
