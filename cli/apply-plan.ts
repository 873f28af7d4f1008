/** What `apply` would change: read from the API, shown before anything is done. */
import { type Schemas, unwrap } from "../client/client.ts";
import { readSource, type Source } from "./bundle/source.ts";
import { type DeployOptions, type DeployPlan, isUnchanged, planDeploy } from "./deploying.ts";
import { usageFailure } from "./failure.ts";
import { APP_LABEL, type FunctionEntry, type Manifest, type TaskItem } from "./manifest.ts";
import type { Session } from "./session.ts";

export type TaskChange = Schemas["AppliedTasks"]["items"][number];
export interface QueuePlan {
  queue: string;
  change: "created" | "updated" | "unchanged";
  diff: { field: string; from?: unknown; to?: unknown }[];
}
export interface FunctionPlan extends DeployPlan {
  source: Source;
  options: DeployOptions;
}
export interface Plan {
  missingSecrets: { name: string; function: string | null }[];
  queues: QueuePlan[];
  functions: FunctionPlan[];
  tasks: TaskChange[];
  /** Keys of tasks that need something this set makes first: the API checks them when they are applied. */
  unchecked: string[];
}

export const isEmpty = ({ queues, functions, tasks, unchecked }: Plan): boolean =>
  unchecked.length === 0 &&
  queues.every(({ change }) => change === "unchanged") &&
  functions.every(isUnchanged) &&
  tasks.every(({ change }) => change === "unchanged");

export async function planApply(session: Session, manifest: Manifest, prune: boolean): Promise<Plan> {
  const [missingSecrets, queues, functions] = await Promise.all([
    findMissingSecrets(session, manifest),
    planQueues(session, manifest),
    Promise.all(
      Object.entries(manifest.functions).map(([name, entry]) => planFunction(session, name, entry)),
    ),
  ]);
  const made = new Set([
    ...queues.filter(({ change }) => change === "created").map(({ queue }) => `queue:${queue}`),
    ...functions.filter(({ revision }) => revision === null).map((each) => `function:${each.function}`),
  ]);
  const waits = (item: TaskItem) =>
    made.has(`queue:${item["queue"]}`) || made.has(`function:${item["function"]}`);
  const [waiting, ready] = [manifest.tasks.filter(waits), manifest.tasks.filter((item) => !waits(item))];
  const planned = await applyTasks(session, manifest, ready, { prune, dryRun: true });
  const unchecked = waiting.map(({ key }) => key);
  // Of a part of the set the rest would be pruned.
  const tasks = planned.filter(({ key, change }) => !(change === "pruned" && unchecked.includes(key)));
  return { missingSecrets, queues, functions, tasks, unchecked };
}

/** All of it in one transaction. */
export async function applyTasks(
  { client }: Session,
  { app }: Manifest,
  items: readonly TaskItem[],
  { prune, dryRun }: { prune: boolean; dryRun: boolean },
): Promise<TaskChange[]> {
  if (prune && app === undefined)
    throw usageFailure(
      "--prune needs the field app in bellhop.yaml.",
      "It removes tasks with the label app=… alone.",
    );
  if (items.length === 0 && !prune) return [];
  const asked = { items, dryRun, ...(prune ? { prune: { label: `${APP_LABEL}=${app}` } } : {}) };
  return (await unwrap(client.POST("/v1/tasks/apply", { body: asked as never }))).items;
}

async function findMissingSecrets(
  { client }: Session,
  { secrets, functions }: Manifest,
): Promise<Plan["missingSecrets"]> {
  const shared = new Set((await unwrap(client.GET("/v1/secrets"))).items.map(({ name }) => name));
  const missing: Plan["missingSecrets"] = secrets
    .filter((name) => !shared.has(name))
    .map((name) => ({ name, function: null }));
  for (const [fn, { secrets: names }] of Object.entries(functions)) {
    const left = names.filter((name) => !shared.has(name));
    if (left.length === 0) continue;
    const found = await client.GET("/v1/functions/{name}/secrets", { params: { path: { name: fn } } });
    const own = new Set(
      found.response.status === 404
        ? []
        : (await unwrap(Promise.resolve(found))).items.map(({ name }) => name),
    );
    missing.push(...left.filter((name) => !own.has(name)).map((name) => ({ name, function: fn })));
  }
  return missing;
}

const QUEUE_FIELDS = ["concurrency", "rate", "perKey", "restOn429"] as const;

async function planQueues({ client }: Session, { queues }: Manifest): Promise<QueuePlan[]> {
  const names = Object.keys(queues);
  if (names.length === 0) return [];
  const known = new Map((await unwrap(client.GET("/v1/queues"))).items.map((queue) => [queue.name, queue]));
  return names.map((name) => {
    const before = known.get(name);
    const diff = QUEUE_FIELDS.flatMap((field) => {
      const [from, to] = [before?.[field] || null, queues[name]![field] || null];
      return contains(from, to)
        ? []
        : [{ field, ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) }];
    });
    const change = before === undefined ? "created" : diff.length > 0 ? "updated" : "unchanged";
    return { queue: name, change, diff };
  });
}

/** The API fills in what is left out, as null or as it writes it: `{limit: 10, per: "1s"}` has `burst: null` there. */
function contains(shown: unknown, wanted: unknown): boolean {
  if (typeof shown !== "object" || shown === null || typeof wanted !== "object" || wanted === null)
    return JSON.stringify(shown ?? null) === JSON.stringify(wanted ?? null);
  const names = new Set([...Object.keys(shown), ...Object.keys(wanted)]);
  const [left, right] = [shown as Record<string, unknown>, wanted as Record<string, unknown>];
  return [...names].every((name) => contains(left[name] ?? null, right[name] ?? null));
}

async function planFunction(session: Session, name: string, entry: FunctionEntry): Promise<FunctionPlan> {
  const source = await readSource(entry.source);
  const { env, limits, reuse } = entry;
  const options: DeployOptions = { env, limits, reuse, public: entry.public };
  return { ...(await planDeploy(session, name, source, options)), source, options };
}
