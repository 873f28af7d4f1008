/** Queues, priorities and shares of namespaces through the real roles, on both transports, as a server sees them. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { type ApiClient, type Cluster, createClient, startCluster } from "./cluster.ts";
import { makeNamespace } from "./namespaces.ts";
import { latenessMs, listAllRuns, type WireRun } from "./runs.ts";

const SLOTS = 4;
/** One slot is free while the queue is full: so that what waits comes into its line. */
const AT_ONCE = 3;
const WAITING = 100;
const URGENT = 5;
const FLOOD = 10_000;
const FEW = 10;
/** It answers slowly enough not to be through before the others are. */
const CROWD = "/crowd";
/** It has too much to do when it is called for the first time. */
const SHY = "/shy";

/** Answers when it is told to, and counts how many requests to a path are under way at once. */
async function openGatedSink() {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const underWay = new Map<string, number>();
  const most = new Map<string, number>();
  const sink = await createHttpSink(async ({ url }) => {
    const [path] = url.split("?") as [string];
    const count = (underWay.get(path) ?? 0) + 1;
    underWay.set(path, count);
    most.set(path, Math.max(most.get(path) ?? 0, count));
    await gate.promise;
    underWay.set(path, underWay.get(path)! - 1);
    if (path === SHY && sink.requests.filter((request) => request.url.startsWith(SHY)).length === 1)
      return { status: 429, headers: { "retry-after": "3" } };
    return { delayMs: path === CROWD ? 20 : 0 };
  });
  return {
    sink,
    most,
    shut() {
      gate = Promise.withResolvers();
    },
    open: () => gate.resolve(),
  };
}

type GatedSink = Awaited<ReturnType<typeof openGatedSink>>;

async function post(api: ApiClient, count: number, task: object): Promise<string[]> {
  const items = Array.from({ length: count }, () => ({ type: "http", ...task }));
  const made = await api.call<{ items: { task: { id: string } }[] }>("POST", "/v1/tasks/batch", { items });
  return made.items.map(({ task: { id } }) => id);
}

const startOf = ({ startedAt }: WireRun) => Date.parse(startedAt);

/** Those of the tasks, once all have ended. */
async function whenEnded(api: ApiClient, taskIds: string[]): Promise<WireRun[]> {
  const ours = new Set(taskIds);
  return await until(async () => {
    const open = await api.call<{ items: unknown[] }>("GET", "/v1/runs?state=queued&limit=1");
    if (open.items.length > 0) return undefined;
    const runs = (await listAllRuns(api, "/v1/runs")).filter(({ taskId }) => ours.has(taskId));
    return runs.length === ours.size && runs.every(({ state }) => state === "succeeded") ? runs : undefined;
  });
}

/**
 * None starts in a place that an urgent one wants: those that are left when one of the others starts have room beside it.
 * Several that get their places at once start within milliseconds of each other, in any order.
 */
function assertNoneInTheWay(usual: WireRun[], urgent: WireRun[], all: WireRun[], places: number): void {
  for (const { startedAt } of usual) {
    const at = Date.parse(startedAt);
    const left = urgent.filter((run) => startOf(run) > at).length;
    const underWay = all.filter((run) => startOf(run) <= at && Date.parse(run.finishedAt) > at).length;
    assert.ok(
      left === 0 || underWay + left <= places,
      `with ${places} places, one starts at ${startedAt}: ${underWay} are under way then, and ${left} urgent ones wait`,
    );
  }
}

/** Also those whose bells have come: a queue that is full says of a run that nobody has looked at, too, what it waits for. */
async function whenInLine(databaseUrl: string, runs: number): Promise<void> {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  try {
    await until(async () => {
      const { rows } = await db.query("SELECT FROM task_runs_open WHERE waiting_for = 'concurrency'");
      return rows.length === runs || undefined;
    });
  } finally {
    await db.end();
  }
}

/** Of runs that wait while the slots are taken, those that are urgent start first, and what was asked of them besides. */
async function assertUrgentFirst(
  { api, databaseUrl }: Pick<Cluster, "api" | "databaseUrl">,
  { sink, shut, open }: GatedSink,
  place: object,
  taken: number,
) {
  const path = `/${Object.values(place).join() || "default"}`;
  const task = { ...place, url: `${sink.url}${path}` };
  shut();
  const first = await post(api, taken, task);
  await sink.waitFor(({ url }) => url === path, { count: taken });
  const usual = await post(api, WAITING, task);
  const urgent = await post(api, URGENT, { ...task, priority: 90, url: `${task.url}?urgent` });
  if ("queue" in place) await whenInLine(databaseUrl, WAITING + URGENT);
  open();
  const runs = await whenEnded(api, [...first, ...usual, ...urgent]);
  const runsOf = (ids: string[]) => {
    const named = new Set(ids);
    return runs.filter(({ taskId }) => named.has(taskId));
  };
  assert.equal(runs.length, taken + WAITING + URGENT);
  assertNoneInTheWay(runsOf(usual), runsOf(urgent), runs, taken);
  return path;
}

interface Few {
  dueAt: Date;
  lastStartAt: Date;
  /** How late the last of them started. */
  lateMs: number;
}

/** A few tasks that are due together. */
async function runFew(api: ApiClient, url: string): Promise<Few> {
  const dueAt = new Date(Date.now() + 1_500);
  const ids = await post(api, FEW, { url, schedule: { at: dueAt.toISOString() } });
  const lateMs = latenessMs(await whenEnded(api, ids)).at(-1)!;
  return { dueAt, lateMs, lastStartAt: new Date(dueAt.getTime() + lateMs) };
}

/** By the thousand, faster than by requests; the id of their task. */
async function flood(api: ApiClient, databaseUrl: string, url: string): Promise<string> {
  const [taskId] = await post(api, 1, { url, schedule: { every: "1d" } });
  await askDatabase(
    databaseUrl,
    `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at, queued_at)
     SELECT gen_random_uuid(), namespace_id, id, type, 'manual', 'queued', now(), now(), now()
     FROM tasks, generate_series(1, $2::int) WHERE id = $1`,
    [taskId, FLOOD],
  );
  return taskId!;
}

/** Runs of the flood that started while the few were due and had not all started. */
async function countAhead(
  databaseUrl: string,
  floodId: string,
  { dueAt, lastStartAt }: Few,
): Promise<number> {
  const [row] = await askDatabase<{ count: number }>(
    databaseUrl,
    "SELECT count(*)::int AS count FROM task_runs WHERE task_id = $1 AND started_at BETWEEN $2 AND $3",
    [floodId, dueAt, lastStartAt],
  );
  return row!.count;
}

async function askDatabase<Row extends pg.QueryResultRow>(
  databaseUrl: string,
  statement: string,
  values: unknown[],
): Promise<Row[]> {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  try {
    return (await db.query<Row>(statement, values)).rows;
  } finally {
    await db.end();
  }
}

async function assertFair(t: TestContext, cluster: Cluster, few: ApiClient, { sink }: GatedSink) {
  const { api, databaseUrl } = cluster;
  const alone = await runFew(few, `${sink.url}/few`);
  const floodId = await flood(api, databaseUrl, `${sink.url}${CROWD}`);
  // The better of two: the machine has the flood to do besides.
  const [beside] = [await runFew(few, `${sink.url}/few`), await runFew(few, `${sink.url}/few`)].sort(
    (a, b) => a.lateMs - b.lateMs,
  );
  const { items: left } = await api.call<{ items: unknown[] }>("GET", "/v1/runs?state=queued&limit=1");
  assert.equal(left.length, 1, "the flood was there all the while");
  const ahead = await countAhead(databaseUrl, floodId, beside!);
  const words = `the last of ten starts ${alone.lateMs} ms late alone, ${beside!.lateMs} ms beside ${FLOOD} runs, after ${ahead} of them`;
  t.diagnostic(words);
  // A second is what a machine that keeps up takes; one that does not is asked whom it took first.
  assert.ok(beside!.lateMs - alone.lateMs < 1_000 || ahead <= FEW * SLOTS, words);
}

async function assertPausedUntil(api: ApiClient, { sink }: GatedSink) {
  await api.call("PUT", "/v1/queues/night", { concurrency: 2 });
  const until = new Date(Date.now() + 2_000);
  await api.call("POST", "/v1/queues/night/pause", { until: until.toISOString() });
  const ids = await post(api, 3, { queue: "night", url: `${sink.url}/night` });
  const runs = await whenEnded(api, ids);
  for (const run of runs) assert.ok(startOf(run) >= until.getTime(), "nothing starts before");
}

async function assertRests(api: ApiClient, { sink }: GatedSink) {
  await api.call("PUT", "/v1/queues/shy", { concurrency: 1, restOn429: true });
  const task = { queue: "shy", url: `${sink.url}${SHY}` };
  const ids = await post(api, 1, task);
  await sink.waitFor(({ url }) => url === SHY);
  ids.push(...(await post(api, 6, { ...task, url: `${task.url}?later` })));
  await whenEnded(api, ids);
  const asked = sink.requests.map(({ url }) => url).filter((url) => url.startsWith(SHY));
  assert.deepEqual(asked, [SHY, SHY, ...Array(6).fill(`${SHY}?later`)]);
}

const ENDLESS = `export default { fetch: () => new Response(new ReadableStream({
  start(controller) { controller.enqueue(new TextEncoder().encode("begun")); },
})) };`;

/** A call that waits for a permit streams once its run has begun, and its run ends with its caller. */
async function assertStreamsInTurn(api: ApiClient): Promise<void> {
  const limits = { concurrency: 1 };
  await api.call("PUT", "/v1/functions/endless", { source: ENDLESS, public: true, limits });
  const open = async () => {
    const leaving = new AbortController();
    const response = await fetch(`${api.url}/fn/default/endless`, { signal: leaving.signal });
    const { value } = await response.body!.getReader().read();
    assert.equal(Buffer.from(value!).toString(), "begun");
    return { runId: response.headers.get("bellhop-run-id"), leave: () => leaving.abort() };
  };
  const first = await open();
  const waiting = open();
  await until(async () => {
    const path = "/v1/runs?function=endless&state=queued";
    return (await api.call<{ items: unknown[] }>("GET", path)).items.length === 1 || undefined;
  });
  first.leave();
  const second = await waiting;
  second.leave();
  const run = await until(async () => {
    const found = await api.call<WireRun>("GET", `/v1/runs/${second.runId}`);
    return found.state === "running" ? undefined : found;
  });
  assert.equal(run.state, "succeeded");
}

for (const transport of ["postgres", "kafka"] as const) {
  const kafka = transport === "kafka" ? await testKafka() : undefined;
  const skip = kafka && "skip" in kafka ? kafka.skip : false;

  describe(`queues on ${transport}`, { skip }, () => {
    it("keep their limit and their order, and no namespace keeps another waiting", async (t) => {
      await using opened = new AsyncDisposableStack();
      const gated = await openGatedSink();
      opened.defer(() => gated.sink.close());
      const cluster = await startCluster({
        ...(kafka && "brokers" in kafka ? { brokers: kafka.brokers } : {}),
        ...{ schedulers: 1, workers: 1, env: { WORKER_SLOTS: String(SLOTS) } },
      });
      opened.defer(() => cluster.stop());
      const { api } = cluster;
      const few = createClient(api.url, await makeNamespace(cluster.databaseUrl, "few"));

      await t.test("of those that wait for a slot the urgent ones start first", async () => {
        await assertUrgentFirst(cluster, gated, {}, SLOTS);
      });
      await t.test("so do those that wait for a permit, and no more run than may", async () => {
        await api.call("PUT", "/v1/queues/mail", { concurrency: AT_ONCE });
        const path = await assertUrgentFirst(cluster, gated, { queue: "mail" }, AT_ONCE);
        assert.equal(gated.most.get(path), AT_ONCE);
      });
      await t.test("a caller who waits for a permit is handed to the worker that takes its run", () =>
        assertStreamsInTurn(api),
      );
      await t.test("a pause until an instant holds until then", () => assertPausedUntil(api, gated));
      await t.test("who was answered 429 is the first to ask again", () => assertRests(api, gated));
      await t.test("a flood of one namespace delays ten runs of another by less than a second", (t) =>
        assertFair(t, cluster, few, gated),
      );
    });
  });
}
