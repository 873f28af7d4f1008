import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import { newId } from "../ids.ts";
import { listRunLogs } from "../logs.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  line,
  makeWorker,
  queueInvocation,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
  startRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { cancelRuns } from "./cancel.ts";
import { type ClaimedRun, claimRuns } from "./claim.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";
import { queueDueRetries } from "./queue-retries.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** The partition a run lies in, and the one of the day it finished. */
async function partitionOf(runId: string): Promise<{ partition: string; expected: string }> {
  const { rows } = await sql<{ partition: string; expected: string }>`
    SELECT tableoid::regclass::text AS partition,
      CASE WHEN finished_at = 'infinity' THEN 'task_runs_open'
        ELSE 'task_runs_' || to_char(finished_at, 'YYYYMMDD') END AS expected
    FROM task_runs WHERE id = ${runId}`.execute(db);
  assert.equal(rows.length, 1, "a run is one row");
  return rows[0]!;
}

async function logsOf(runId: string): Promise<string[]> {
  return (await listRunLogs(db, runId, 100, undefined)).map(({ message }) => message);
}

test("a final verdict moves the run to its day, with result, error and attempt", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const verdicts: RunVerdict[] = [
    { state: "succeeded", result: { status: 200, body: ["x", null] } },
    { state: "succeeded", result: null },
    { state: "failed", error: SAMPLE_ERROR, result: { status: 503 } },
    { state: "failed", error: SAMPLE_ERROR },
    { state: "cancelled" },
  ];
  for (const verdict of verdicts) {
    const claimed = await startRun(store, namespaceId, workerId);
    const attempt = finished(claimed, workerId, verdict);
    const report = await finishAttempts(store, workerId, [attempt]);
    assert.deepEqual([...report.recorded], [attempt]);
    const { partition, expected } = await partitionOf(claimed.id);
    assert.equal(partition, expected);
    assert.notEqual(partition, "task_runs_open");
    const run = await findRun(store, namespaceId, claimed.id);
    assert.equal(run?.state, verdict.state);
    assert.deepEqual(run.result, "result" in verdict ? verdict.result : null);
    assert.deepEqual(run.error, "error" in verdict ? verdict.error : null);
    assert.deepEqual(run.attempts, [attempt.record]);
    assert.deepEqual([run.workerId, run.startedAt], [workerId, claimed.startedAt]);
    assert.ok(run.finishedAt! >= claimed.startedAt);
  }
});

test("a dead letter stays open, with the instant it died", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  const verdict: RunVerdict = { state: "dead", error: SAMPLE_ERROR, result: { status: 503 } };
  await finishAttempts(store, workerId, [finished(claimed, workerId, verdict)]);
  assert.equal((await partitionOf(claimed.id)).partition, "task_runs_open");
  const run = await findRun(store, namespaceId, claimed.id);
  assert.deepEqual(
    [run?.state, run?.attempt, run?.error, run?.result],
    ["dead", 1, SAMPLE_ERROR, { status: 503 }],
  );
  assert.ok(run!.finishedAt! >= claimed.startedAt, "shown as finished");
  assert.deepEqual(await claimRuns(store, workerId, [claimed.id]), []);
});

test("a retry waits for its instant, is queued, and is claimed as the second attempt", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const first = await startRun(store, namespaceId, workerId);
  const verdict = retryAfter(-1_000);
  assert.ok(verdict.state === "scheduled");
  await finishAttempts(store, workerId, [finished(first, workerId, verdict, [line("one")])]);
  const waiting = await findRun(store, namespaceId, first.id);
  assert.deepEqual([waiting?.state, waiting?.attempt, waiting?.error], ["scheduled", 2, SAMPLE_ERROR]);
  assert.deepEqual(waiting!.availableAt, verdict.availableAt);
  assert.deepEqual(
    await claimRuns(store, workerId, [first.id]),
    [],
    "scheduled is not claimable, even when due",
  );

  assert.deepEqual(await queueDueRetries(store, new Date(verdict.availableAt.getTime() - 1), 10), []);
  const queued = await queueDueRetries(store, verdict.availableAt, 10);
  assert.deepEqual(queued, [
    { runId: first.id, availableAt: verdict.availableAt, traceparent: null, comesFirst: false },
  ]);
  assert.deepEqual(await queueDueRetries(store, verdict.availableAt, 10), [], "once");

  const second = await claim(store, workerId, first.id);
  assert.deepEqual([second.attempt, second.claimNo], [2, 2]);
  const end = finished(second, workerId, { state: "succeeded", result: "ok" }, [line("two")]);
  await finishAttempts(store, workerId, [end]);
  const run = await findRun(store, namespaceId, first.id);
  assert.deepEqual([run?.state, run?.attempt, run?.error], ["succeeded", 2, null]);
  assert.deepEqual(
    run!.attempts.map(({ attempt, error }) => [attempt, error?.code]),
    [
      [1, "http_status"],
      [2, undefined],
    ],
  );
  assert.deepEqual(await logsOf(first.id), ["one", "two"]);
});

test("the earliest retries are queued first, each by one scheduler", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const ids: string[] = [];
  for (const secondsAgo of [1, 3, 2]) {
    const claimed = await startRun(store, namespaceId, workerId);
    await finishAttempts(store, workerId, [finished(claimed, workerId, retryAfter(-1_000 * secondsAgo))]);
    ids.push(claimed.id);
  }
  const [earliest] = await queueDueRetries(store, new Date(), 1);
  assert.equal(earliest?.runId, ids[1]);
  const shares = await Promise.all([1, 2, 3].map(() => queueDueRetries(store, new Date(), 10)));
  assert.deepEqual(
    shares
      .flat()
      .map(({ runId }) => runId)
      .sort(),
    [ids[0], ids[2]].sort(),
  );
});

test("one batch holds every kind of end, each run gets its own", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const verdicts: RunVerdict[] = [
    { state: "succeeded", result: 1 },
    { state: "failed", error: SAMPLE_ERROR },
    { state: "dead", error: SAMPLE_ERROR },
    retryAfter(60_000),
    { state: "cancelled" },
  ];
  const batch = [];
  for (const verdict of verdicts) {
    const claimed = await startRun(store, namespaceId, workerId);
    batch.push(finished(claimed, workerId, verdict, [line(verdict.state)]));
  }
  const report = await finishAttempts(store, workerId, batch);
  assert.deepEqual(report.recorded, new Set(batch));
  for (const { runId, verdict } of batch) {
    assert.equal((await findRun(store, namespaceId, runId))?.state, verdict.state);
    assert.deepEqual(await logsOf(runId), [verdict.state]);
  }
  assert.deepEqual(await finishAttempts(store, workerId, []), {
    recorded: new Set(),
    ended: [],
  });
});

test("log lines keep their order, level and fields, also where their instants are the same", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  const at = new Date();
  const logs = Array.from({ length: 50 }, (_, index) => line(`line ${index}`, { at, fields: { index } }));
  logs.push(line(`NUL ${String.fromCharCode(0)}`, { at, level: "error" }));
  await finishAttempts(store, workerId, [finished(claimed, workerId, { state: "cancelled" }, logs)]);
  const lines = await listRunLogs(db, claimed.id, 100, undefined);
  assert.deepEqual(
    lines.map(({ message }) => message),
    [...logs.slice(0, 50).map(({ message }) => message), "NUL \ufffd"],
  );
  assert.deepEqual(lines[7]!.fields, { index: 7 });
  assert.deepEqual(
    [lines[50]!.level, lines[50]!.fields, lines[50]!.attempt, lines[50]!.at],
    ["error", null, 1, at],
  );
});

test("a result that jsonb would refuse spoils neither itself nor its batch", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [odd, plain] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  const text = `a${String.fromCharCode(0)}b${String.fromCharCode(0xd800)}`;
  await finishAttempts(store, workerId, [
    finished(odd, workerId, { state: "succeeded", result: { text } }),
    finished(plain, workerId, { state: "succeeded", result: "fine" }),
  ]);
  assert.deepEqual((await findRun(store, namespaceId, odd.id))?.result, { text: "a\ufffdb\ufffd" });
  assert.equal((await findRun(store, namespaceId, plain.id))?.result, "fine");
});

for (const verdict of [
  { state: "succeeded", result: 1 },
  { state: "dead", error: SAMPLE_ERROR },
] satisfies RunVerdict[]) {
  test(`who does not hold the run records nothing, no result and no line (${verdict.state})`, async () => {
    const namespaceId = await newNamespace();
    const [owner, stranger] = [await makeWorker(db), await makeWorker(db)];
    const claimed = await startRun(store, namespaceId, owner);
    const before = await findRun(store, namespaceId, claimed.id);
    const late = finished(claimed, owner, verdict, [line("late")]);
    const attempts = [
      [stranger, late],
      [owner, { ...late, claimNo: claimed.claimNo - 1 }],
      [owner, { ...late, claimNo: claimed.claimNo + 1 }],
      [owner, { ...late, runId: newId() }],
    ] as const;
    for (const [workerId, attempt] of attempts) {
      assert.deepEqual(await finishAttempts(store, workerId, [attempt]), {
        recorded: new Set(),
        ended: [],
      });
    }
    assert.deepEqual(await findRun(store, namespaceId, claimed.id), before);
    assert.deepEqual(await logsOf(claimed.id), []);
    assert.equal((await finishAttempts(store, owner, [late])).recorded.size, 1);
    assert.equal(
      (await finishAttempts(store, owner, [late])).recorded.size,
      0,
      "a second time finds nothing",
    );
    assert.deepEqual(await logsOf(claimed.id), ["late"]);
  });
}

test("a worker that only slept finds its run rescued: its result and its lines are dropped", async () => {
  const namespaceId = await newNamespace();
  const [sleeper, other] = [newId(), await makeWorker(db)];
  const claimed = await startRun(store, namespaceId, sleeper);
  await rescueLostRuns(store, new Date(Date.now() - 60_000), ANY_TIME, 10);
  const late = finished(claimed, sleeper, { state: "succeeded", result: "late" }, [line("late")]);
  assert.equal((await finishAttempts(store, sleeper, [late])).recorded.size, 0);
  await queueDueRetries(store, new Date(), 10);
  const again = await claim(store, other, claimed.id);
  assert.equal((await finishAttempts(store, sleeper, [late])).recorded.size, 0, "nor while another runs it");
  await finishAttempts(store, other, [
    finished(again, other, { state: "succeeded", result: "in time" }, [line("in time")]),
  ]);
  assert.equal((await findRun(store, namespaceId, claimed.id))?.result, "in time");
  assert.deepEqual(await logsOf(claimed.id), ["in time"]);
});

describe("a worker that takes its own lost run back and ends both attempts in one batch", () => {
  /** An attempt whose run was rescued meanwhile, and the next one of the same run, of the same worker. */
  async function loseAndRetake(maxAttempts = 5) {
    const namespaceId = await newNamespace();
    const workerId = newId();
    const retry = { ...DEFAULT_POLICY.retry, maxAttempts };
    const stale = await startRun(store, namespaceId, workerId, { retry });
    await rescueLostRuns(store, new Date(Date.now() - 60_000), ANY_TIME, 10);
    await queueDueRetries(store, new Date(), 10);
    const fresh = await claim(store, workerId, stale.id);
    assert.ok(fresh.claimNo > stale.claimNo);
    const attempt = (run: ClaimedRun, verdict: RunVerdict, text: string) =>
      finished(run, workerId, verdict, [line(text)]);
    return { namespaceId, workerId, stale, fresh, attempt };
  }

  const stales: RunVerdict[] = [
    { state: "succeeded", result: "stale" },
    { state: "failed", error: SAMPLE_ERROR },
    { state: "dead", error: SAMPLE_ERROR },
    { state: "cancelled" },
    retryAfter(0),
  ];
  for (const verdict of stales) {
    test(`records the one that holds the run, once (the late one: ${verdict.state})`, async () => {
      const { namespaceId, workerId, stale, fresh, attempt } = await loseAndRetake();
      const late = attempt(stale, verdict, "late");
      const held = attempt(fresh, { state: "succeeded", result: "fresh" }, "in time");
      const report = await finishAttempts(store, workerId, [late, held]);
      assert.deepEqual([...report.recorded], [held]);
      await partitionOf(fresh.id);
      const run = await findRun(store, namespaceId, fresh.id);
      assert.deepEqual([run?.state, run?.result], ["succeeded", "fresh"]);
      assert.deepEqual(
        run!.attempts.map(({ error }) => error?.code),
        ["worker_lost", undefined],
      );
      assert.deepEqual(await logsOf(fresh.id), ["in time"]);
    });
  }

  test("keeps what waits for its next attempt open, though a late one succeeded", async () => {
    const { namespaceId, workerId, stale, fresh, attempt } = await loseAndRetake();
    const late = attempt(stale, { state: "succeeded", result: "stale" }, "late");
    const held = attempt(fresh, retryAfter(1_000), "in time");
    const report = await finishAttempts(store, workerId, [late, held]);
    assert.deepEqual([...report.recorded], [held]);
    assert.equal((await findRun(store, namespaceId, fresh.id))?.state, "scheduled");
    assert.deepEqual(await logsOf(fresh.id), ["in time"]);
  });

  test("does not cancel the held one for the late one's sake", async () => {
    const { namespaceId, workerId, stale, fresh, attempt } = await loseAndRetake();
    const held = attempt(fresh, { state: "succeeded", result: "fresh" }, "in time");
    const late = attempt(stale, retryAfter(0), "late");
    await finishAttempts(store, workerId, [held, late]);
    assert.equal((await findRun(store, namespaceId, fresh.id))?.state, "succeeded");
  });
});

test("the fence holds line by line: what is still ours in a batch is recorded", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [ours, lost] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await releaseRuns(store, workerId, [lost]);
  const batch = [ours, lost].map((run) => finished(run, workerId, { state: "cancelled" }, [line("bye")]));
  assert.deepEqual([...(await finishAttempts(store, workerId, batch)).recorded], [batch[0]]);
  assert.deepEqual(await logsOf(lost.id), []);
  assert.equal((await findRun(store, namespaceId, lost.id))?.state, "queued");
});

test("the end of an awaited invocation is reported, with the revision it ran", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  const ids = [
    await queueInvocation(store, namespaceId, "greet", { awaited: true }),
    await queueInvocation(store, namespaceId, "greet"),
  ];
  const claims = await claimRuns(store, workerId, ids);
  const report = await finishAttempts(
    store,
    workerId,
    claims.map((run) => finished(run, workerId, { state: "succeeded", result: 1 })),
  );
  assert.equal(report.recorded.size, 2);
  assert.deepEqual(
    report.ended.map(({ runId, awaited }) => [runId, awaited]),
    [
      [ids[0], true],
      [ids[1], false],
    ],
  );
  assert.equal((await findRun(store, namespaceId, ids[0]!))?.revisionId, claims[0]!.revisionId);
});

test("a draining worker gives back what it holds, to be taken at once as the same attempt", async () => {
  const namespaceId = await newNamespace();
  const [drained, next] = [await makeWorker(db), await makeWorker(db)];
  const [held, alien] = [
    await startRun(store, namespaceId, drained),
    await startRun(store, namespaceId, next),
  ];
  const asked = [held, alien, { id: held.id, claimNo: 7 }];
  const released = await releaseRuns(store, drained, asked);
  assert.deepEqual(
    released.map(({ runId, state }) => [runId, state]),
    [[held.id, "queued"]],
  );
  const run = await findRun(store, namespaceId, held.id);
  assert.deepEqual([run?.state, run?.workerId, run?.startedAt], ["queued", null, null]);
  const again = await claim(store, next, held.id);
  assert.deepEqual([again.attempt, again.claimNo], [1, 2]);
  assert.equal((await findRun(store, namespaceId, alien.id))?.state, "running");
  assert.deepEqual(await releaseRuns(store, drained, []), []);
});

test("a run that was asked to stop is not tried again: its failed attempt ends it as cancelled", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  await cancelRuns(store, namespaceId, { runId: claimed.id });
  const attempt = finished(claimed, workerId, retryAfter(0), [line("failed")]);
  const report = await finishAttempts(store, workerId, [attempt]);
  assert.deepEqual([...report.recorded], [attempt]);
  const run = await findRun(store, namespaceId, claimed.id);
  assert.equal(run?.state, "cancelled");
  assert.deepEqual(run.attempts, [attempt.record]);
  assert.deepEqual(await logsOf(claimed.id), ["failed"]);
});

test("a run that was asked to stop is not given back but left to the rescue", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [asked, other] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await cancelRuns(store, namespaceId, { runId: asked.id });
  const released = await releaseRuns(store, workerId, [asked, other]);
  assert.deepEqual(
    released.map(({ runId }) => runId),
    [other.id],
  );
  assert.equal((await findRun(store, namespaceId, asked.id))?.state, "running");
});

test("batches recorded side by side do not mix: each run has its own result and lines", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const runIds = await Promise.all(Array.from({ length: 60 }, () => queueRun(store, namespaceId)));
  const claims = await claimRuns(store, workerId, runIds);
  const batches = [0, 1, 2].map((index) =>
    claims
      .slice(index * 20, index * 20 + 20)
      .map((run) => finished(run, workerId, { state: "succeeded", result: run.id }, [line(run.id)])),
  );
  const reports = await Promise.all(batches.map((batch) => finishAttempts(store, workerId, batch)));
  assert.deepEqual(
    reports.map(({ recorded }) => recorded.size),
    [20, 20, 20],
  );
  for (const runId of runIds) {
    assert.equal((await findRun(store, namespaceId, runId))?.result, runId);
    assert.deepEqual(await logsOf(runId), [runId]);
  }
});
