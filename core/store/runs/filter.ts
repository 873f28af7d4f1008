/**
 * What a filter of runs means, and which indexes find them. Open and finished runs are walked separately if the day
 * partitions have an index that would cost the open partition too much.
 */
import { type RawBuilder, sql } from "kysely";
import type { RunFilter } from "../../contracts/run-filter.ts";
import { DEFAULT_QUEUE } from "../../domain/limit-keys.ts";
import { OPEN_STATES, type RunState, storedStates } from "../../domain/run-state.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { Db } from "../database.ts";
import { type Condition, type FilterConditions, toConditions } from "../filter-conditions.ts";
import { earliestTraceOf, firstIdOf, madeAtOf } from "../ids.ts";
import type { PageOptions, Walk } from "../walk.ts";

/** Each field's condition on a run `r`. Names are written out, so that the predicates of indexes are seen to hold. */
const CONDITIONS: FilterConditions<RunFilter> = {
  state: (states) =>
    sql`r.state IN (${sql.join(states.flatMap(storedStates).map((state) => sql.lit(state)))})`,
  taskId: (id) => sql`r.task_id = ${id}`,
  function: (name, namespaceId) => sql`r.function_id IN (
    SELECT id FROM functions WHERE namespace_id = ${namespaceId} AND name = ${name})`,
  queue: (name) =>
    name === DEFAULT_QUEUE ? sql`coalesce(r.queue, ${DEFAULT_QUEUE}) = ${name}` : sql`r.queue = ${name}`,
  trigger: (trigger) => sql`r.trigger = ${sql.lit(trigger)}`,
  errorCode: (code) => sql`r.error IS NOT NULL AND r.error ->> 'code' = ${code}`,
  expectation: (_missed, namespaceId) => sql`EXISTS (SELECT FROM expectations e
    WHERE e.namespace_id = ${namespaceId} AND e.run_id = r.id AND e.missed_at IS NOT NULL)`,
  worker: (id) => sql`r.worker_id = ${id}`,
  from: (at) => sql`r.id >= ${firstIdOf(at)}`,
  to: (at) => sql`r.id < ${firstIdOf(at)}`,
};

const conditionsOf = (namespaceId: string, filter: RunFilter) =>
  toConditions(CONDITIONS, namespaceId, filter);

/** The whole of it, for a statement on the runs `r` of a namespace. */
export function runConditions(namespaceId: string, filter: RunFilter): Condition[] {
  return [sql`r.namespace_id = ${namespaceId}`, ...conditionsOf(namespaceId, filter)];
}

/** Few enough for a walk each; functions that were removed and made anew more often are looked for row by row. */
const MAX_FUNCTIONS = 4;
/** Finished runs that `task_runs_by_state` holds, and those that `task_runs_by_trigger` does not. */
const RARE_STATES: ReadonlySet<RunState> = new Set(["failed", "cancelled", "skipped", "expired"]);
const COMMON_TRIGGERS: ReadonlySet<RunTrigger> = new Set(["schedule", "invoke", "http", "hook"]);
const OPEN: ReadonlySet<RunState> = new Set(OPEN_STATES);

const WHOLE = sql`task_runs`;
const OPEN_PART = sql`task_runs_open`;
/** Slots are few, whatever waits beside what runs: found by their own index, then sorted. */
const RUNNING_PART = sql`(SELECT * FROM task_runs_open WHERE state = 'running' OFFSET 0)`;
/** Those that are to be completed by somebody else take no slot, but have an index of their own as well. */
const DEFERRED_PART = sql`(SELECT * FROM task_runs_open WHERE state = 'deferred' OFFSET 0)`;
/** Partitions of days to come exist already, and cost planning. The extra day is for clocks that differ. */
const endedByNow = () => sql`r.finished_at < ${new Date(Date.now() + DAY_MS)}`;
/** Open rows are at hand, and a backlog stands before all that has ended. */
export const MAX_OPEN_ROWS = 25_000;
const DAY_MS = 86_400_000;

/** The walks that find what matches the filter; for a page, that page first. */
export async function planRunWalks(
  db: Db,
  namespaceId: string,
  filter: RunFilter,
  page?: PageOptions,
): Promise<Walk[]> {
  const { from, to, ...rest } = filter;
  const filters: ToConditions = (left) => conditionsOf(namespaceId, left);
  const bounds = [sql`r.namespace_id = ${namespaceId}`, ...filters({ from, to })];
  const days = from ? [...bounds, endedSince(firstIdOf(from))] : bounds;
  const openOrEnded = sql`(r.finished_at = 'infinity' OR ${endedByNow()})`;
  const ofDays = (where: Condition[], left: RunFilter): Walk => ({
    from: WHOLE,
    where: [...days, ...where],
    filters: filters(left),
    ...firstOf(filter, page),
  });

  const isOpen = rest.state?.every((state) => OPEN.has(state));
  const { taskId, ...besidesTask } = rest;
  if (taskId !== undefined) {
    const walk = ofDays([openOrEnded, endedSince(taskId), ...filters({ taskId })], besidesTask);
    return [isOpen ? { ...walk, from: OPEN_PART } : walk];
  }
  if (filters(rest).length === 0) return [ofDays([openOrEnded], {})];
  const open = planOpen(rest, bounds, filters);
  if (isOpen) return open;
  const ofEnded: OfDays = (where, left) => ofDays([endedByNow(), ...where], left);
  return [...open, ...(await planFinished(db, namespaceId, rest, filters, ofEnded))];
}

type ToConditions = (filter: RunFilter) => Condition[];
type OfDays = (where: Condition[], left: RunFilter) => Walk;

/** A run, its task and its worker are older than its end: spares the days before. */
const endedSince = (id: string) => sql`r.finished_at >= ${earliestTraceOf(id)}`;

/** What was made in the day before the page's first run is planned for with few of the days. */
function firstOf({ to }: RunFilter, page: PageOptions | undefined): Pick<Walk, "first"> {
  if (!page || page.order === "asc") return {};
  const instants = [Date.now(), ...(to ? [to.getTime()] : [])];
  if (page.afterId) instants.push(madeAtOf(page.afterId).getTime());
  const sinceId = firstIdOf(new Date(Math.min(...instants) - DAY_MS));
  return { first: [sql`r.id >= ${sinceId}`, endedSince(sinceId)] };
}

function planOpen(filter: RunFilter, bounds: Condition[], filters: ToConditions): Walk[] {
  const { state: states, ...left } = filter;
  const along = (from: RawBuilder<unknown>, known: Condition[], rest: RunFilter): Walk => ({
    ...{ from, where: [...bounds, ...known], filters: filters(rest), maxRows: MAX_OPEN_ROWS },
  });
  if (!states) return [along(OPEN_PART, [], left)];
  const waiting = states.filter((state) => state === "queued" || state === "scheduled");
  return [
    ...(states.includes("running") ? [along(RUNNING_PART, [], left), along(DEFERRED_PART, [], left)] : []),
    ...(states.includes("dead") ? [along(OPEN_PART, filters({ state: ["dead"] }), left)] : []),
    ...(waiting.length > 0 ? [along(OPEN_PART, [], { ...left, state: waiting })] : []),
  ];
}

/** Along the index that is thought to know most. */
async function planFinished(
  db: Db,
  namespaceId: string,
  filter: RunFilter,
  filters: ToConditions,
  along: OfDays,
): Promise<Walk[]> {
  const { errorCode, trigger, function: name, worker } = filter;
  if (errorCode !== undefined) return [along(filters({ errorCode }), { ...filter, errorCode: undefined })];
  const states = filter.state?.filter((state) => !OPEN.has(state));
  if (states?.every((state) => RARE_STATES.has(state)))
    return [...new Set(states)].map((state) =>
      along(filters({ state: [state] }), { ...filter, state: undefined }),
    );
  if (trigger !== undefined && !COMMON_TRIGGERS.has(trigger))
    return [along(filters({ trigger }), { ...filter, trigger: undefined })];
  if (name !== undefined) {
    const { rows } = await sql<{ id: string }>`SELECT id FROM functions
      WHERE namespace_id = ${namespaceId} AND name = ${name} LIMIT ${MAX_FUNCTIONS + 1}`.execute(db);
    if (rows.length <= MAX_FUNCTIONS)
      return rows.map(({ id }) => along([sql`r.function_id = ${id}`], { ...filter, function: undefined }));
  }
  return [along(worker === undefined ? [] : [endedSince(worker)], filter)];
}
