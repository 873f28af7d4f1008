import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../core/json.ts";
import type { FinishedAttempt, FinishReport } from "../core/store/runs/finish.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { GATHER_MS } from "./batch-in-backlog.ts";
import { createRecorder } from "./recorder.ts";
import { finishedAttempt } from "./testing/claimed-run.ts";

interface Write {
  attempts: FinishedAttempt[];
  /** Ends the write as a database would that recorded all but `lost`. */
  succeed(lost?: string[]): void;
  fail(error: unknown): void;
}

/** A recorder whose writes end when the test says so. */
function openRecorder(wantsMore?: (waiting: number) => boolean) {
  const clock = createManualClock();
  const writes: Write[] = [];
  const recorded: { attempts: FinishedAttempt[]; report: FinishReport }[] = [];
  const failures: unknown[] = [];
  const recorder = createRecorder(
    (attempts) =>
      new Promise((resolve, reject) => {
        writes.push({
          attempts,
          succeed: (lost = []) =>
            resolve({
              recorded: new Set(attempts.filter(({ runId }) => !lost.includes(runId))),
              ended: [],
            }),
          fail: reject,
        });
      }),
    clock,
    {
      recorded: (attempts, report) => void recorded.push({ attempts, report }),
      failed: (error) => void failures.push(error),
    },
    wantsMore,
  );
  return { clock, writes, recorded, failures, recorder };
}

/** Lets everything go on that can without the clock. */
const turn = () => new Promise(setImmediate);
const many = (count: number, given: Partial<FinishedAttempt> = {}) =>
  Array.from({ length: count }, () => finishedAttempt(given));
const withResult = (result: Json) => finishedAttempt({ verdict: { state: "succeeded", result } });
const sizes = (writes: Write[]) => writes.map(({ attempts }) => attempts.length);

test("an attempt is recorded, and its owner told", async () => {
  const { recorder, writes, recorded } = openRecorder();
  const attempt = finishedAttempt();
  const done = recorder.record(attempt);
  await turn();
  assert.deepEqual(writes[0]?.attempts, [attempt]);
  writes[0]!.succeed();
  assert.equal(await done, attempt);
  assert.deepEqual(recorded[0]?.attempts, [attempt]);
});

test("an attempt whose run was somebody else's by then is reported as dropped", async () => {
  const { recorder, writes } = openRecorder();
  const [mine, lost] = many(2);
  const done = Promise.all([recorder.record(mine!), recorder.record(lost!)]);
  await turn();
  writes[0]!.succeed([lost!.runId]);
  assert.deepEqual(await done, [mine, undefined]);
});

test("what ends in one turn travels together", async () => {
  const { recorder, writes } = openRecorder();
  for (const attempt of many(7)) void recorder.record(attempt);
  await turn();
  assert.deepEqual(sizes(writes), [7]);
});

test("two batches are under way at most; what ends meanwhile gathers", async () => {
  const { recorder, writes } = openRecorder();
  for (let count = 0; count < 6; count += 1) {
    void recorder.record(finishedAttempt());
    await turn();
  }
  assert.deepEqual(sizes(writes), [1, 1]);
  writes[1]!.succeed();
  await turn();
  assert.deepEqual(sizes(writes), [1, 1, 4]);
});

test("a batch holds 500 attempts at most", async () => {
  const { recorder, writes } = openRecorder();
  for (const attempt of many(1_300)) void recorder.record(attempt);
  await turn();
  assert.deepEqual(sizes(writes), [500, 500]);
  writes[0]!.succeed();
  await turn();
  assert.deepEqual(sizes(writes), [500, 500, 300]);
});

for (const [what, result] of [
  ["objects", { text: "x".repeat(1_500_000) }],
  ["strings", "x".repeat(1_500_000)],
] as const) {
  test(`a batch is bounded in bytes: results that are ${what}`, async () => {
    const { recorder, writes } = openRecorder();
    for (let count = 0; count < 4; count += 1) void recorder.record(withResult(result));
    await turn();
    assert.deepEqual(sizes(writes), [2, 2]);
  });
}

test("a batch is bounded in bytes: log lines and their fields", async () => {
  const { recorder, writes } = openRecorder();
  const line = {
    at: new Date(0),
    level: "info",
    message: "m".repeat(4_000),
    fields: { f: "f".repeat(4_000) },
  };
  for (const attempt of many(4, { logs: Array.from({ length: 180 }, () => line) }))
    void recorder.record(attempt);
  await turn();
  assert.deepEqual(sizes(writes), [2, 2]);
});

test("a batch is bounded in bytes: requests and errors", async () => {
  const request = { method: "GET", host: "h".repeat(100_000), tookMs: 1, afterMs: 1 };
  const error = { code: "function_error", message: "m".repeat(1_900_000) };
  const { record } = finishedAttempt();
  for (const told of [{ requests: Array.from({ length: 19 }, () => request) }, { error }]) {
    const { recorder, writes } = openRecorder();
    for (const attempt of many(4, { record: { ...record, ...told } })) void recorder.record(attempt);
    await turn();
    assert.deepEqual(sizes(writes), [2, 2]);
  }
});

test("an attempt beyond the bound travels alone", async () => {
  const { recorder, writes } = openRecorder();
  void recorder.record(withResult({ text: "x".repeat(6_000_000) }));
  void recorder.record(finishedAttempt());
  await turn();
  assert.deepEqual(sizes(writes), [1, 1]);
});

test("a batch that fails is tried again until the database answers, each time later", async () => {
  const { recorder, clock, writes, failures, recorded } = openRecorder();
  const fault = new Error("connection refused");
  const attempt = finishedAttempt();
  const done = recorder.record(attempt);
  await turn();
  for (const waitMs of [50, 200, 1_000, 2_000, 2_000]) {
    const before = writes.length;
    writes.at(-1)!.fail(fault);
    await clock.advance(waitMs - 1);
    assert.equal(writes.length, before, `not before ${waitMs} ms`);
    await clock.advance(1);
    assert.equal(writes.length, before + 1, `after ${waitMs} ms`);
  }
  assert.equal(failures.length, 5);
  assert.deepEqual(recorded, []);
  writes.at(-1)!.succeed();
  assert.equal(await done, attempt);
  assert.ok(writes.every(({ attempts }) => attempts[0] === attempt));
});

test("flush resolves at once when nothing waits, else once the last batch is recorded", async () => {
  const { recorder, clock, writes } = openRecorder();
  await recorder.flush();
  void recorder.record(finishedAttempt());
  let flushed = false;
  const flushing = recorder.flush().then(() => {
    flushed = true;
  });
  await turn();
  writes[0]!.fail(new Error("connection refused"));
  await clock.advance(50);
  assert.equal(flushed, false);
  writes[1]!.succeed();
  await flushing;
});

const refusal = (code: string) => Object.assign(new Error("stack depth limit exceeded"), { code });

test("one attempt that the database refuses does not hold back the others of its batch", async () => {
  const { recorder, writes, recorded } = openRecorder();
  const [first, bad, last] = many(3);
  const done = Promise.all([first!, bad!, last!].map((attempt) => recorder.record(attempt)));
  await turn();
  for (let next = 0; next < 6; next += 1) {
    const write = writes[next]!;
    if (write.attempts.includes(bad!)) write.fail(refusal("54001"));
    else write.succeed();
    await turn();
  }
  assert.deepEqual(
    (await done).map((recorded) => recorded?.runId),
    [first!, bad!, last!].map(({ runId }) => runId),
  );
  assert.deepEqual(sizes(writes), [3, 2, 1, 1, 1, 1]);
  assert.deepEqual(recorded.map(({ attempts }) => attempts[0]?.verdict.state).sort(), [
    "failed",
    "succeeded",
    "succeeded",
  ]);
});

test("a refused attempt is recorded as failed, without what could not be recorded", async () => {
  const { recorder, writes, failures } = openRecorder();
  const logs = [{ at: new Date(0), level: "info", message: "hello", fields: undefined }];
  const done = recorder.record({ ...withResult("bad"), logs });
  await turn();
  writes[0]!.fail(refusal("22P05"));
  await turn();
  const { verdict, record, logs: recordedLogs } = writes[1]!.attempts[0]!;
  assert.equal(verdict.state, "failed");
  assert.equal("error" in verdict && verdict.error.code, "unrecordable_result");
  assert.equal(record.error?.code, "unrecordable_result");
  assert.deepEqual(recordedLogs, []);
  assert.equal(failures.length, 1);
  writes[1]!.succeed();
  assert.equal(await done, writes[1]!.attempts[0], "its owner is told what was recorded");
});

test("the log of a function's refused attempt tells why, in place of what could not be recorded", async () => {
  const { recorder, writes } = openRecorder();
  const logs = [{ at: new Date(0), level: "info", message: "hello", fields: undefined }];
  void recorder.record({ ...withResult("bad"), type: "function", logs });
  await turn();
  writes[0]!.fail(refusal("22P05"));
  await turn();
  const [attempt] = writes[1]!.attempts;
  assert.deepEqual(
    attempt!.logs.map(({ level, message, fields }) => ({ level, message, fields })),
    [{ level: "error", message: attempt!.record.error!.message, fields: { code: "unrecordable_result" } }],
  );
});

test("a result nested too deeply to be written as JSON ends its run and no other", async () => {
  let nested: Json = null;
  for (let depth = 0; depth < 50_000; depth += 1) nested = [nested];
  const stored: FinishedAttempt[] = [];
  const recorder = createRecorder(
    async (attempts) => {
      JSON.stringify(attempts);
      stored.push(...attempts);
      return { recorded: new Set(attempts), ended: [] };
    },
    createManualClock(),
    { recorded() {}, failed() {} },
  );
  const done = await Promise.all([recorder.record(withResult(nested)), recorder.record(withResult(1))]);
  assert.deepEqual(
    done.map((recorded) => recorded?.verdict.state),
    ["failed", "succeeded"],
  );
  assert.deepEqual(stored.map(({ verdict }) => verdict.state).sort(), ["failed", "succeeded"]);
});

test("in a backlog attempts wait for others: until there are enough, or a moment is over", async () => {
  const { recorder, clock, writes } = openRecorder((waiting) => waiting < 3);
  const record = (attempts: FinishedAttempt[]) => void attempts.map((attempt) => recorder.record(attempt));
  record(many(2));
  await turn();
  assert.deepEqual(sizes(writes), []);
  record(many(1));
  await turn();
  assert.deepEqual(sizes(writes), [3]);
  record(many(1));
  await turn();
  await clock.advance(GATHER_MS - 1);
  assert.deepEqual(sizes(writes), [3]);
  await clock.advance(1);
  assert.deepEqual(sizes(writes), [3, 1]);
});

test("a flush waits for no others", async () => {
  const { recorder, writes } = openRecorder(() => true);
  void recorder.record(finishedAttempt());
  const flushed = recorder.flush();
  await turn();
  assert.deepEqual(sizes(writes), [1]);
  writes[0]!.succeed();
  await flushed;
});

test("an attempt that ends between the ends of two flushes is recorded by the one that still goes on", async () => {
  // The first flush waits for the first write alone, and sees nothing left while the second write is about to end.
  for (let lag = 0; lag < 10; lag += 1) {
    const { recorder, writes } = openRecorder(() => true);
    void recorder.record(finishedAttempt());
    const first = recorder.flush();
    void recorder.record(finishedAttempt());
    const second = recorder.flush();
    const last = first.then(() => recorder.record(finishedAttempt()));
    writes[0]!.succeed();
    for (let tick = 0; tick < lag; tick += 1) await undefined;
    writes[1]!.succeed();
    await turn();
    const flushed = Promise.all([second, recorder.flush(), last]);
    writes[2]!.succeed();
    await flushed;
    assert.deepEqual(sizes(writes), [1, 1, 1]);
  }
});
