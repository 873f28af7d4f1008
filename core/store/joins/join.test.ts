import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Debounce } from "../../domain/joining.ts";
import type { Json } from "../../json.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import {
  COLLECTED_INVOCATIONS,
  COLLECTED_TASK_RUNS,
  DEBOUNCED_INVOCATIONS,
  DEBOUNCED_TASK_RUNS,
} from "../runs/joinable.ts";
import { findRun } from "../runs/read.ts";
import { createTask } from "../tasks/create.ts";
import { changeTaskIn } from "../tasks/redefine.ts";
import { claim, deployFunction, httpTask, makeWorker } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { collectIn, debounceIn, type Joined } from "./join.ts";
import { closeDueRuns } from "./joinable-runs.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await store.pool.query("DELETE FROM joinable_runs");
});

const SLOW: Debounce = { key: "k", waitMs: 60_000, maxMs: 600_000 };
const FEW = { size: 3, waitMs: 60_000 };

/** A function that is called, and its calls. */
async function newFunction() {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "greet");
  const place = { namespaceId, scope: "greet", key: "k" };
  const call = { namespaceId, functionName: "greet", timeoutMs: 1_000 };
  const toText = (input: Json) => JSON.stringify(input);
  const debounceAs = (tx: Transaction, inputs: Json[], debounce = SLOW): Promise<Joined> =>
    debounceIn(
      tx,
      place,
      inputs.map((input) => ({ ...call, input: toText(input), debounce })),
      DEBOUNCED_INVOCATIONS,
    );
  const collectAs = (tx: Transaction, inputs: Json[], collect = FEW): Promise<Joined> =>
    collectIn(
      tx,
      place,
      collect,
      inputs.map((input) => ({ ...call, input: toText(input) })),
      COLLECTED_INVOCATIONS,
    );
  return {
    namespaceId,
    debounceAs,
    collectAs,
    debounce: (inputs: Json[], debounce?: Debounce) =>
      inTransaction(store.pool, (tx) => debounceAs(tx, inputs, debounce)),
    collect: (inputs: Json[], collect?: typeof FEW) =>
      inTransaction(store.pool, (tx) => collectAs(tx, inputs, collect)),
  };
}

/** As if so much time had gone by. */
async function pass(ms: number): Promise<void> {
  const back = `$1::float8 * interval '1 millisecond'`;
  await store.pool.query(
    `UPDATE task_runs_open SET available_at = available_at - ${back}, scheduled_for = scheduled_for - ${back}`,
    [ms],
  );
  await store.pool.query(
    `UPDATE joinable_runs SET due_at = due_at - ${back}, opened_at = opened_at - ${back}`,
    [ms],
  );
}

const inputOf = ({ spec }: ClaimedRun) => (spec as { input?: Json }).input;
const countRuns = async () => (await store.pool.query("SELECT FROM task_runs_open")).rowCount;
const start = async (runId: string) => inputOf(await claim(store, await makeWorker(db), runId));

test("debounced calls become one run, which waits from the last of them and gets its input", async () => {
  const { namespaceId, debounce } = await newFunction();
  const first = await debounce(["first"]);
  const { runId } = first.calls[0]!;
  assert.deepEqual([first.calls[0]!.joined, first.hasNewInstant, first.due], [false, true, []]);
  const before = await findRun(store, namespaceId, runId);
  const second = await debounce(["second"]);
  assert.deepEqual(second.calls, [{ runId, joined: true }]);
  const after = await findRun(store, namespaceId, runId);
  assert.ok(after!.availableAt > before!.availableAt, "it waits from the last call");
  assert.deepEqual([after!.state, after!.scheduledFor], ["queued", after!.availableAt]);
  assert.deepEqual(await claimRuns(store, await makeWorker(db), [runId]), [], "it is not due yet");
  await pass(60_000);
  assert.equal(await start(runId), "second");
  const [next] = (await debounce(["third"])).calls;
  assert.ok(next!.runId !== runId && !next!.joined, "a run that has started is joined no more");
});

test("a debounced run is put off no longer than its maximum", async () => {
  const { namespaceId, debounce } = await newFunction();
  const [call] = (await debounce(["first"])).calls;
  for (let index = 1; index < 12; index += 1) {
    await pass(50_000);
    const [joined] = (await debounce([index])).calls;
    assert.equal(joined!.runId, call!.runId);
  }
  const run = await findRun(store, namespaceId, call!.runId);
  const leftMs = run!.availableAt.getTime() - Date.now();
  assert.ok(leftMs <= 600_000 - 11 * 50_000, `${leftMs} ms are left`);
  await pass(50_000);
  assert.equal(await start(call!.runId), 11);
});

test("collected calls become one run with their inputs in their order", async () => {
  const { collect } = await newFunction();
  const first = await collect([1]);
  const { runId } = first.calls[0]!;
  assert.deepEqual(await collect([[2]]), {
    calls: [{ runId, joined: true }],
    due: [],
    hasNewInstant: false,
  });
  await pass(60_000);
  assert.deepEqual(await start(runId), [1, [2]]);
});

test("a run that has its size is due at once, and the next call begins another", async () => {
  const { collect } = await newFunction();
  await collect([1, 2]);
  const full = await collect([3, 4, 5, 6, 7]);
  const ids = [...new Set(full.calls.map(({ runId }) => runId))];
  assert.deepEqual(
    full.calls.map(({ joined }) => joined),
    [true, false, true, true, false],
  );
  assert.deepEqual(
    full.due.map(({ runId }) => runId),
    ids.slice(0, 2),
  );
  assert.deepEqual(
    [await start(ids[0]!), await start(ids[1]!)],
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
  );
  await pass(60_000);
  assert.deepEqual(await start(ids[2]!), [7]);
});

test("an input that would make the run too long begins another", async () => {
  const { collect } = await newFunction();
  const long = "x".repeat(1_100_000);
  const [first] = (await collect([long], { ...FEW, size: 10 })).calls;
  const second = await collect([long], { ...FEW, size: 10 });
  assert.notEqual(second.calls[0]!.runId, first!.runId);
  assert.deepEqual(
    second.due.map(({ runId }) => runId),
    [first!.runId],
    "the one that takes no more is due",
  );
});

test("of several first calls at once one makes the run", async () => {
  const { collect } = await newFunction();
  const all = await Promise.all(
    Array.from({ length: 8 }, (_, index) => collect([index], { ...FEW, size: 8 })),
  );
  const ids = new Set(all.flatMap(({ calls }) => calls.map(({ runId }) => runId)));
  assert.equal(ids.size, 1);
  assert.equal(all.filter(({ calls }) => !calls[0]!.joined).length, 1);
  const inputs = (await start([...ids][0]!)) as number[];
  assert.deepEqual(inputs.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

for (const kind of ["debounce", "collect"] as const) {
  test(`a claim that has the run wins over a call that would join it (${kind})`, async () => {
    const { namespaceId, [kind]: join } = await newFunction();
    const [first] = (await join(["first"])).calls;
    const workerId = await makeWorker(db);
    const claiming = await store.pool.connect();
    await claiming.query("BEGIN");
    await claiming.query(
      "UPDATE task_runs_open SET state = 'running', worker_id = $2, claim_no = 1, started_at = now(), started_xid = pg_current_xact_id()::text::bigint WHERE id = $1",
      [first!.runId, workerId],
    );
    const joining = join(["second"]);
    await untilBlocked(store);
    await claiming.query("COMMIT");
    claiming.release();
    const [second] = (await joining).calls;
    assert.ok(second!.runId !== first!.runId && !second!.joined);
    assert.equal((await findRun(store, namespaceId, first!.runId))!.state, "running");
    await pass(60_000);
    assert.deepEqual(await start(second!.runId), kind === "debounce" ? "second" : ["second"]);
  });

  test(`a claim passes over a run that a call is just joining (${kind})`, async () => {
    const { [kind]: join, [`${kind}As` as const]: joinAs } = await newFunction();
    const [first] = (await join(["first"])).calls;
    const workerId = await makeWorker(db);
    await inTransaction(store.pool, async (tx) => {
      assert.equal((await joinAs(tx, ["second"])).calls[0]!.runId, first!.runId);
      assert.deepEqual(await claimRuns(store, workerId, [first!.runId]), []);
    });
    await pass(60_000);
    assert.deepEqual(await start(first!.runId), kind === "debounce" ? "second" : ["first", "second"]);
  });

  test(`a call whose process is lost before its commit has changed nothing (${kind})`, async () => {
    const { [kind]: join, [`${kind}As` as const]: joinAs } = await newFunction();
    const [first] = (await join(["first"])).calls;
    const lost = inTransaction(store.pool, async (tx) => {
      await joinAs(tx, ["lost"]);
      throw new Error("the process is lost");
    });
    await assert.rejects(lost, /is lost/);
    const [third] = (await join(["third"])).calls;
    assert.deepEqual(third, { runId: first!.runId, joined: true });
    await pass(60_000);
    assert.deepEqual(await start(first!.runId), kind === "debounce" ? "third" : ["first", "third"]);
  });

  test(`a run that was cancelled is joined no more (${kind})`, async () => {
    const { namespaceId, [kind]: join } = await newFunction();
    const [first] = (await join(["first"])).calls;
    await cancelRuns(store, namespaceId, { runId: first!.runId });
    const [second] = (await join(["second"])).calls;
    assert.ok(second!.runId !== first!.runId && !second!.joined);
    assert.equal(await countRuns(), 1);
  });
}

test("a run is closed at its instant, unless a call has put it off", async () => {
  const { debounce } = await newFunction();
  assert.deepEqual(await closeDueRuns(store), { runs: [], nextInMs: null });
  const [first] = (await debounce(["first"])).calls;
  const { runs, nextInMs } = await closeDueRuns(store);
  assert.deepEqual(runs, []);
  assert.ok(nextInMs! > 50_000 && nextInMs! <= 60_000, `in ${nextInMs} ms`);
  await pass(50_000);
  await debounce(["second"]);
  await pass(10_000);
  assert.deepEqual((await closeDueRuns(store)).runs, []);
  await pass(59_000);
  const closed = await closeDueRuns(store);
  assert.deepEqual(
    closed.runs.map(({ runId }) => runId),
    [first!.runId],
  );
  assert.equal(closed.nextInMs, null);
});

test("a run that somebody is just joining is left to the next look", async () => {
  const { debounce } = await newFunction();
  const [first] = (await debounce(["first"])).calls;
  await pass(60_000);
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT FROM joinable_runs FOR UPDATE");
    assert.deepEqual((await closeDueRuns(store)).runs, []);
  });
  assert.deepEqual(
    (await closeDueRuns(store)).runs.map(({ runId }) => runId),
    [first!.runId],
  );
});

/** A task whose runs are joined. */
async function newTask() {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "every", everyMs: 3_600_000 });
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const place = { namespaceId, scope: `collect/task:${task.id}`, key: "k" };
  const call = { namespaceId, taskId: task.id };
  const collectAs = (tx: Transaction, value: Json) =>
    collectIn(tx, place, FEW, [{ ...call, input: JSON.stringify(value) }], COLLECTED_TASK_RUNS);
  const debounceAs = (tx: Transaction, value: Json) => {
    const one = { ...call, input: JSON.stringify({ input: value }), debounce: SLOW };
    return debounceIn(tx, place, [one], DEBOUNCED_TASK_RUNS);
  };
  const change = (tx: Transaction) =>
    changeTaskIn(tx, namespaceId, task.id, new Date(), async () => ({
      input: { ...input, name: "changed" },
      functionId: null,
      reschedules: false,
    }));
  return { collectAs, debounceAs, change };
}

for (const kind of ["debounce", "collect"] as const) {
  test(`a call that waits for a change of its task joins the run that it finds after it (${kind})`, async () => {
    const { change, [`${kind}As` as const]: joinAs } = await newTask();
    const join = (value: Json) => inTransaction(store.pool, (tx) => joinAs(tx, value));
    const [first] = (await join("first")).calls;
    const { joining } = await inTransaction(store.pool, async (tx) => {
      await change(tx);
      const joining = join("second");
      await untilBlocked(store);
      return { joining };
    });
    assert.deepEqual((await joining).calls, [{ runId: first!.runId, joined: true }]);
    assert.equal(await countRuns(), 1);
  });

  test(`a change of a task and a call that joins its run wait for one another in one order (${kind})`, async () => {
    const { change, [`${kind}As` as const]: joinAs } = await newTask();
    await inTransaction(store.pool, (tx) => joinAs(tx, "first"));
    const { changing } = await inTransaction(store.pool, async (tx) => {
      await joinAs(tx, "second");
      const changing = inTransaction(store.pool, change);
      await untilBlocked(store);
      // Whatever of the task it needs now, it has.
      for (const value of ["third", "fourth", "fifth"]) await joinAs(tx, value);
      return { changing };
    });
    assert.equal((await changing).task.name, "changed");
  });

  test(`a run that was called from its line is joined no more, also after the clock went back (${kind})`, async () => {
    const { [kind]: join } = await newFunction();
    const [first] = (await join(["first"])).calls;
    await store.pool.query("UPDATE task_runs_open SET waiting_key = 'queue:mail' WHERE id = $1", [
      first!.runId,
    ]);
    const [second] = (await join(["second"])).calls;
    assert.ok(second!.runId !== first!.runId && !second!.joined);
  });
}

test("who waits long for a place that others have is told to try again, and has changed nothing", async () => {
  const { collect, collectAs } = await newFunction();
  await inTransaction(store.pool, async (tx) => {
    await collectAs(tx, ["first"]);
    await assert.rejects(collect(["second"]), { status: 503, code: "overloaded" });
  });
  assert.equal(await countRuns(), 1);
});

test("a function that is not there is told of, and nothing stays", async () => {
  const { namespaceId } = await newFunction();
  const place = { namespaceId, scope: "nobody", key: "k" };
  const call = { namespaceId, functionName: "nobody", timeoutMs: 1_000, input: "1" };
  const joining = inTransaction(store.pool, (tx) => collectIn(tx, place, FEW, [call], COLLECTED_INVOCATIONS));
  await assert.rejects(joining, /nobody/);
  assert.equal((await store.pool.query("SELECT FROM joinable_runs")).rowCount, 0);
});
