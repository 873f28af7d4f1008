import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import { type Callbacks, MAX_CALLBACK_DEPTH } from "../../domain/callbacks.ts";
import { NO_LIMITS } from "../../domain/queue.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import { removeFunction } from "../functions/remove.ts";
import { newId } from "../ids.ts";
import { putQueue } from "../queues/queues.ts";
import { cancelRuns, discardDeadLetter } from "../runs/cancel.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { expireRuns } from "../runs/expire.ts";
import { finishAttempts } from "../runs/finish.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import { putSettings } from "../settings.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask, removeTask } from "../tasks/end.ts";
import { pauseTask } from "../tasks/pause-resume.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { makeCallbacks } from "./make-callbacks.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
let namespaceId: string;
let workerId: string;
beforeEach(async () => {
  await clear();
  namespaceId = await newNamespace();
  workerId = await makeWorker(db);
});

const to = (event: string) => ({ type: "http" as const, url: `https://example.com/${event}` });
const ON: Callbacks = {
  success: [to("success")],
  failure: [to("failure")],
  skip: [to("skip")],
  always: [to("always")],
};

const SUCCEEDED: RunVerdict = { state: "succeeded", result: 7 };
const FAILED: RunVerdict = { state: "failed", error: SAMPLE_ERROR };
const DEAD: RunVerdict = { state: "dead", error: SAMPLE_ERROR };

const work = async (runId: string, verdict: RunVerdict) =>
  await finishAttempts(store, workerId, [finished(await claim(store, workerId, runId), workerId, verdict)]);

interface CallbackRow {
  id: string;
  callback_of: string;
  type: string;
  trigger: string;
  state: string;
  task_id: string | null;
  function_id: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: what is sent is looked at field by field
  input: any;
}

/** All callbacks there are. */
async function listCallbacks(): Promise<CallbackRow[]> {
  const { rows } =
    await sql<CallbackRow>`SELECT id, callback_of, type, trigger, state, task_id, function_id, input
    FROM task_runs WHERE trigger = 'callback' ORDER BY id`.execute(db);
  return rows;
}

/** Makes those of all ends; where each of a run goes, and what it says that the run became. */
async function called(runId: string): Promise<string[]> {
  await makeCallbacks(store);
  const of = (await listCallbacks()).filter((run) => run.callback_of === runId);
  return of.map(({ input }) => `${new URL(input.url).pathname} ${input.body.type}`).sort();
}

const bothOf = (event: string, state: string) =>
  ["always", event].sort().map((of) => `/${of} bellhop.run.${state}`);

/** A run that is lost with its worker. */
async function loseRun(given: Parameters<typeof queueRun>[2]): Promise<string> {
  const runId = await queueRun(store, namespaceId, { on: ON, ...given });
  const lost = await makeWorker(db, 1);
  await claim(store, lost, runId);
  await sql`DELETE FROM workers WHERE id = ${lost}`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  return runId;
}

const ONCE = { retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 } };

/** An end: makes a run, ends it, and answers its id; which callbacks it has, once each. */
const ENDS: Record<string, [end: () => Promise<string>, called: string[]]> = {
  "a worker's success": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await work(runId, SUCCEEDED);
      return runId;
    },
    bothOf("success", "succeeded"),
  ],
  "a worker's failure": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await work(runId, FAILED);
      return runId;
    },
    bothOf("failure", "failed"),
  ],
  "a dead letter, discarded later": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await work(runId, DEAD);
      assert.ok(await discardDeadLetter(store, namespaceId, runId));
      return runId;
    },
    bothOf("failure", "dead"),
  ],
  "a dead letter that is redriven and succeeds": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await work(runId, DEAD);
      await redriveDeadLetters(store, namespaceId, { runId });
      await work(runId, SUCCEEDED);
      return runId;
    },
    [...bothOf("failure", "dead"), ...bothOf("success", "succeeded")].sort(),
  ],
  "a rescue, attempts used up": [() => loseRun(ONCE), bothOf("failure", "dead")],
  "a rescue, without dead letters": [
    () => loseRun({ ...ONCE, deadLetter: false }),
    bothOf("failure", "failed"),
  ],
  "a rescue that tries again, and a retry": [() => loseRun({}), []],
  "a run that expires in the queue": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON, ttlMs: 1 });
      await sql`UPDATE task_runs_open SET scheduled_for = now() - interval '1 minute' WHERE id = ${runId}`.execute(
        db,
      );
      assert.equal((await expireRuns(store, 10)).ended.length, 1);
      return runId;
    },
    bothOf("failure", "expired"),
  ],
  "a run that a worker claims too late": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await work(runId, { state: "expired", error: SAMPLE_ERROR });
      return runId;
    },
    bothOf("failure", "expired"),
  ],
  "a cancel of a waiting run": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      await cancelRuns(store, namespaceId, { runId });
      return runId;
    },
    ["/always bellhop.run.cancelled"],
  ],
  "a cancel of a running run, by its worker": [
    async () => {
      const runId = await queueRun(store, namespaceId, { on: ON });
      const run = await claim(store, workerId, runId);
      await cancelRuns(store, namespaceId, { runId });
      await finishAttempts(store, workerId, [finished(run, workerId, retryAfter(0))]);
      return runId;
    },
    ["/always bellhop.run.cancelled"],
  ],
  "a task's removal": [
    async () => {
      const input = httpTask({ kind: "now" }, { on: ON });
      const { task, run } = await createTask(store, { namespaceId, input, now: new Date() });
      await removeTask(store, namespaceId, task.id, new Date());
      return run!.runId;
    },
    ["/always bellhop.run.cancelled"],
  ],
  "instants that were missed before a pause": [
    async () => {
      const made = new Date(Date.now() - 60_000);
      const input = httpTask({ kind: "every", everyMs: 10_000 }, { on: ON });
      const { task } = await createTask(store, { namespaceId, input, now: made });
      await pauseTask(store, namespaceId, task.id, new Date());
      const { rows } = await sql<{ id: string }>`SELECT id FROM task_runs WHERE task_id = ${task.id}`.execute(
        db,
      );
      return rows[0]!.id;
    },
    bothOf("skip", "skipped"),
  ],
};

for (const [name, [end, expected]] of Object.entries(ENDS))
  test(`each callback of an end is made once: ${name}`, async () => {
    const runId = await end();
    // Whoever comes, and however often.
    await Promise.all([makeCallbacks(store), makeCallbacks(store), makeCallbacks(store)]);
    assert.deepEqual(await called(runId), expected);
    assert.deepEqual((await makeCallbacks(store)).ends, 0);
  });

test("a batch holds runs that call and runs that do not", async () => {
  const runIds = [await queueRun(store, namespaceId), await queueRun(store, namespaceId, { on: ON })];
  const runs = [];
  for (const runId of runIds) runs.push(await claim(store, workerId, runId));
  assert.deepEqual(
    runs.map(({ hasCallbacks }) => hasCallbacks),
    [false, true],
  );
  const { ended } = await finishAttempts(
    store,
    workerId,
    runs.map((run) => finished(run, workerId, SUCCEEDED)),
  );
  assert.deepEqual(
    ended.map(({ hasCallbacks }) => hasCallbacks),
    [false, true],
  );
  assert.deepEqual(await called(runIds[0]!), []);
  assert.deepEqual(await called(runIds[1]!), bothOf("success", "succeeded"));
});

test("a crash before the commit that ends a run leaves neither end nor callback", async () => {
  const runId = await queueRun(store, namespaceId, { on: ON });
  const crash = new Error("crash");
  await assert.rejects(
    inTransaction(store.pool, async (tx) => {
      await cancelRuns(tx, namespaceId, { runId });
      throw crash;
    }),
    crash,
  );
  assert.deepEqual(await called(runId), []);
  await work(runId, SUCCEEDED);
  assert.deepEqual(await called(runId), bothOf("success", "succeeded"));
});

test("a result that comes too late calls nobody", async () => {
  const runId = await queueRun(store, namespaceId, { on: ON });
  const run = await claim(store, workerId, runId);
  await finishAttempts(store, workerId, [finished(run, workerId, SUCCEEDED)]);
  const late = await finishAttempts(store, workerId, [finished(run, workerId, FAILED)]);
  assert.deepEqual(late.ended, []);
  assert.deepEqual(await called(runId), bothOf("success", "succeeded"));
});

test("a callback is a run: claimed with what it sends, tried like a task's, and it calls nobody", async () => {
  await putSettings(store, namespaceId, { on: ON });
  const runId = await queueRun(store, namespaceId, { on: { success: [to("success")] }, name: "nightly" });
  await work(runId, SUCCEEDED);
  const { runs } = await makeCallbacks(store);
  assert.equal(runs.length, 1);
  const run = await claim(store, workerId, runs[0]!.runId);
  assert.deepEqual([run.taskId, run.trigger, run.hasCallbacks], [null, "callback", false]);
  assert.deepEqual(run.policy, DEFAULT_POLICY);
  assert.ok(run.spec.type === "http");
  const { url, method, body } = run.spec;
  assert.deepEqual([url, method], ["https://example.com/success", "POST"]);
  const { type, timestamp, data } = body as {
    type: string;
    timestamp: string;
    data: { [name: string]: unknown };
  };
  assert.equal(type, "bellhop.run.succeeded");
  assert.equal(timestamp, data["finishedAt"]);
  assert.deepEqual([data["id"], data["state"], data["result"]], [runId, "succeeded", 7]);
  await finishAttempts(store, workerId, [finished(run, workerId, DEAD)]);
  assert.equal((await makeCallbacks(store)).ends, 0);
  // A dead letter like another.
  assert.equal((await redriveDeadLetters(store, namespaceId, {})).length, 1);
  await claim(store, workerId, run.id);
});

test("e-mails and functions are told as well, a removed function by a run that fails", async () => {
  const functionId = await deployFunction(db, namespaceId, "watch");
  const on: Callbacks = {
    failure: [
      { type: "email", to: "ops@example.com" },
      { type: "function", function: "watch" },
    ],
  };
  const runId = await queueRun(store, namespaceId, { on, name: "nightly" });
  await work(runId, FAILED);
  const { runs } = await makeCallbacks(store);
  const claimed = [];
  for (const run of runs) claimed.push(await claim(store, workerId, run.runId));
  const email = claimed.find(({ spec }) => spec.type === "email")!;
  assert.ok(email.spec.type === "email");
  assert.deepEqual([email.spec.to, email.spec.subject], [["ops@example.com"], 'A run of "nightly" failed']);
  assert.match(
    email.spec.body!,
    new RegExp(`Run: ${runId}\n[\\s\\S]*Error: http_status: The server answered 503`),
  );
  const call = claimed.find(({ spec }) => spec.type === "function")!;
  assert.ok(call.spec.type === "function" && call.revisionId !== null);
  assert.deepEqual([call.spec.function, call.functionId], ["watch", functionId]);
  assert.equal((call.spec.input as { type: string }).type, "bellhop.run.failed");

  await removeFunction(db, namespaceId, "watch");
  const later = await queueRun(store, namespaceId, { on: { failure: on.failure!.slice(1) } });
  await work(later, FAILED);
  const [made] = (await makeCallbacks(store)).runs;
  assert.equal((await claim(store, workerId, made!.runId)).revisionId, null);
});

test("a task whose queue is gone does not run", async () => {
  const { task } = await createTask(store, {
    namespaceId,
    input: httpTask({ kind: "every", everyMs: 3_600_000 }, { queue: "gone" }),
    now: new Date(),
  });
  const ended = await queueRun(store, namespaceId, { on: { success: [{ task: task.id }] } });
  await work(ended, SUCCEEDED);
  assert.deepEqual((await makeCallbacks(store)).runs, []);
  await putQueue(store, namespaceId, "gone", { limits: NO_LIMITS });
  const again = await queueRun(store, namespaceId, { on: { success: [{ task: task.id }] } });
  await work(again, SUCCEEDED);
  assert.equal((await makeCallbacks(store)).runs.length, 1);
});

test("the settings hold for tasks that name nobody, an empty `on` names nobody on purpose", async () => {
  await putSettings(store, namespaceId, { on: { always: [to("always")] } });
  const byDefault = await queueRun(store, namespaceId);
  const own = await queueRun(store, namespaceId, { on: { success: [to("success")] } });
  const none = await queueRun(store, namespaceId, { on: {} });
  const elsewhere = await queueRun(store, await newNamespace());
  for (const runId of [byDefault, own, none, elsewhere]) await work(runId, SUCCEEDED);
  assert.deepEqual(await called(byDefault), ["/always bellhop.run.succeeded"]);
  assert.deepEqual(await called(own), ["/success bellhop.run.succeeded"]);
  assert.deepEqual(await called(none), []);
  assert.deepEqual(await called(elsewhere), []);
});

test("every way in which a run of a task begins takes its callbacks along", async () => {
  const now = new Date();
  const input = httpTask({ kind: "every", everyMs: 60_000 }, { on: ON });
  const { task } = await createTask(store, { namespaceId, input, now: new Date(now.getTime() - 60_000) });
  const [staged] = await stageDueTasks(store, now, now, 10);
  const manual = await enqueueTaskRun(store, namespaceId, task.id);
  for (const { runId } of [staged!, manual!]) {
    await work(runId, SUCCEEDED);
    assert.deepEqual(await called(runId), bothOf("success", "succeeded"));
  }
});

test("a chain of tasks that call each other has a bound, and says so", async () => {
  const schedule = { kind: "every", everyMs: 3_600_000 } as const;
  const make = async (on: Callbacks) =>
    (await createTask(store, { namespaceId, input: httpTask(schedule, { on }), now: new Date() })).task.id;
  const taskId = await make({});
  const on: Callbacks = { success: [{ task: taskId }], always: [to("always")] };
  await sql`UPDATE tasks SET on_end = ${JSON.stringify(on)}::jsonb WHERE id = ${taskId}`.execute(db);
  let runId = (await enqueueTaskRun(store, namespaceId, taskId))!.runId;
  const chain = [runId];
  for (;;) {
    await work(runId, SUCCEEDED);
    const { bounded } = await makeCallbacks(store);
    const next = (await listCallbacks()).find((run) => run.callback_of === runId && run.task_id === taskId);
    if (!next) {
      assert.deepEqual(bounded, [runId]);
      break;
    }
    assert.equal(next.trigger, "callback");
    runId = next.id;
    chain.push(runId);
  }
  assert.equal(chain.length, MAX_CALLBACK_DEPTH + 1);
  // The last one is told of all the same.
  assert.deepEqual(await called(runId), ["/always bellhop.run.succeeded"]);
});

test("a task that was cancelled or removed does not run, nor one of another namespace", async () => {
  const schedule = { kind: "every", everyMs: 3_600_000 } as const;
  const make = async (of: string) =>
    (await createTask(store, { namespaceId: of, input: httpTask(schedule), now: new Date() })).task.id;
  const [cancelled, removed, foreign] = [
    await make(namespaceId),
    await make(namespaceId),
    await make(await newNamespace()),
  ];
  await cancelTask(store, namespaceId, cancelled, new Date());
  await removeTask(store, namespaceId, removed, new Date());
  const on = { success: [cancelled, removed, foreign, newId()].map((task) => ({ task })) };
  await work(await queueRun(store, namespaceId, { on }), SUCCEEDED);
  assert.deepEqual(await makeCallbacks(store), { runs: [], ends: 1, bounded: [] });
});
