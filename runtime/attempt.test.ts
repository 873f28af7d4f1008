import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_POLICY, type TaskPolicy } from "../core/contracts/task-policy.ts";
import { type AttemptOutcome, failed, succeeded } from "../core/domain/attempt.ts";
import { callDurations } from "../core/domain/call-durations.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../core/domain/function-limits.ts";
import { LazyAbort } from "../core/lazy-abort.ts";
import { newId } from "../core/store/ids.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { runAttempt } from "./attempt.ts";
import { AttemptStop } from "./attempt-stop.ts";
import type { AttemptContext, TaskRunner } from "./runners/task-runner.ts";
import { claimedRun, runUntilAborted } from "./testing/claimed-run.ts";

const ONE_ATTEMPT = { ...DEFAULT_POLICY.retry, maxAttempts: 1 };

/** Starts one attempt of a run with this runner; the same for every type. */
function start(runner: TaskRunner, given: Partial<ClaimedRun & TaskPolicy> = {}) {
  const clock = createManualClock();
  const run = claimedRun({ startedAt: clock.now(), ...given });
  const stop = new LazyAbort();
  const workerId = newId();
  const runners = { http: runner, email: runner, function: runner };
  const ended = runAttempt(run, runners, stop, workerId, clock);
  return { clock, run, stop, workerId, ended };
}

async function verdictOf(ended: ReturnType<typeof runAttempt>) {
  const attempt = await ended;
  assert.ok(attempt, "the attempt is to be recorded");
  return attempt.verdict;
}

test("a success is recorded with its result, logs and who ran it", async () => {
  const at = new Date("2026-01-01T00:00:00.500Z");
  const { run, workerId, ended, clock } = start(async (_run, { log }) => {
    log("info", "hello", { name: "Ada" });
    log("debug", "at its own instant", undefined, at);
    return succeeded({ status: 200 });
  });
  const attempt = (await ended)!;
  assert.deepEqual(attempt.verdict, { state: "succeeded", result: { status: 200 } });
  assert.deepEqual(attempt.logs, [
    { at: clock.now(), level: "info", message: "hello", fields: { name: "Ada" } },
    { at, level: "debug", message: "at its own instant", fields: undefined },
  ]);
  const { runId, claimNo, namespaceId, taskId, type, record } = attempt;
  assert.deepEqual(
    { runId, claimNo, namespaceId, taskId, type },
    { runId: run.id, claimNo: 1, namespaceId: run.namespaceId, taskId: run.taskId, type: "http" },
  );
  assert.deepEqual(record, {
    attempt: 1,
    workerId,
    startedAt: run.startedAt.toISOString(),
    finishedAt: clock.now().toISOString(),
    error: null,
  });
});

test("what a function's isolate was and what it asked of others is recorded with the attempt", async () => {
  const { ended, clock } = start(async (_run, context) => {
    // Begun before the clock is known here.
    await null;
    await clock.advance(100);
    context.noteRequest?.({ method: "GET", host: "example.com", status: 200, tookMs: 40.4 });
    context.noteIsolate?.({ start: "cold", loadMs: 6.7891, cpuMs: 1.239, heldBytes: 5_000_000 });
    return succeeded(null);
  });
  const { isolate, requests } = (await ended)!.record;
  assert.deepEqual(isolate, { start: "cold", loadMs: 6.79, cpuMs: 1.24, heldBytes: 5_000_000 });
  assert.deepEqual(requests, [{ method: "GET", host: "example.com", status: 200, tookMs: 40, afterMs: 60 }]);
});

test("an attempt takes as long as it took, whatever is done to the worker's clock meanwhile", async () => {
  for (const leapMs of [-420_000, 420_000]) {
    const work = Promise.withResolvers<AttemptOutcome>();
    const { clock, run, ended } = start(
      async (_run, { log }) => {
        log("info", "before");
        const outcome = await work.promise;
        log("info", "after");
        return outcome;
      },
      { retry: { ...DEFAULT_POLICY.retry, backoff: { ...DEFAULT_POLICY.retry.backoff, jitter: false } } },
    );
    await clock.advance(20);
    clock.set(new Date(clock.now().getTime() + leapMs));
    await clock.advance(10);
    work.resolve(failed("connect_failed", "no", { retryable: true }));
    const { record, logs, verdict } = (await ended)!;
    const times = [
      logs[0]!.at,
      logs[1]!.at,
      record.finishedAt,
      "availableAt" in verdict && verdict.availableAt,
    ];
    const millisIn = (at: string | Date | false) => new Date(at || NaN).getTime() - run.startedAt.getTime();
    assert.deepEqual(times.map(millisIn), [0, 30, 30, 1_030]);
  }
});

test("the runner is chosen by the run's type", async () => {
  const never: TaskRunner = () => assert.fail("another type's runner");
  const run = claimedRun({ spec: { type: "function", function: "greet", input: null } });
  const runners = { http: never, email: never, function: async () => succeeded("greeted") };
  const attempt = await runAttempt(run, runners, new LazyAbort(), newId(), createManualClock());
  assert.deepEqual(attempt?.verdict, { state: "succeeded", result: "greeted" });
});

test("the runner is told its deadline", async () => {
  let seen: AttemptContext | undefined;
  const { clock, ended } = start(
    async (_run, context) => {
      seen = context;
      return succeeded(null);
    },
    { timeoutMs: 5_000 },
  );
  await ended;
  assert.equal(seen?.deadlineAt.getTime(), clock.now().getTime() + 5_000);
  assert.equal(seen?.signal.aborted, false);
});

test("a failure that may be retried is, after the policy's wait", async () => {
  const retry = {
    maxAttempts: 3,
    backoff: { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: false },
  };
  const { clock, ended } = start(async () => failed("http_status", "503", { retryable: true }), {
    attempt: 2,
    retry,
  });
  const verdict = await verdictOf(ended);
  assert.ok(verdict.state === "scheduled");
  assert.equal(verdict.availableAt.getTime(), clock.now().getTime() + 2_000);
  assert.deepEqual(verdict.error, { code: "http_status", message: "503" });
});

test("the last attempt is a dead letter, or a failure where dead letters are off", async () => {
  const runner: TaskRunner = async () => failed("http_status", "503", { retryable: true });
  for (const [deadLetter, state] of [
    [true, "dead"],
    [false, "failed"],
  ] as const) {
    const { ended } = start(runner, { attempt: 5, deadLetter });
    assert.equal((await verdictOf(ended)).state, state);
  }
});

test("attempts before a redrive do not count", async () => {
  const { ended } = start(async () => failed("http_status", "503", { retryable: true }), {
    attempt: 6,
    attemptOffset: 5,
  });
  const attempt = (await ended)!;
  assert.equal(attempt.verdict.state, "scheduled");
  assert.equal(attempt.record.attempt, 6);
});

test("at the timeout the signal aborts with its reason and the attempt fails as timed out, retryable", async () => {
  const reasons: AttemptStop[] = [];
  const { clock, ended } = start(
    (run, context) => {
      context.signal.addEventListener("abort", () => {
        reasons.push(context.signal.reason);
      });
      return runUntilAborted(run, context);
    },
    { timeoutMs: 90_000 },
  );
  await clock.advance(89_999);
  assert.equal(reasons.length, 0);
  await clock.advance(1);
  const verdict = await verdictOf(ended);
  assert.ok(reasons[0] instanceof AttemptStop);
  assert.equal(reasons[0].reason, "timeout");
  assert.equal(verdict.state, "scheduled");
  assert.ok("error" in verdict);
  assert.deepEqual(verdict.error, {
    code: "timeout",
    message: "The attempt took longer than its timeout of 90s.",
  });
});

test("a call that ran out of time is told of its function's, not of what its attempt had besides", async () => {
  const { attemptMs } = callDurations({ wallMs: 30_000 }, { ...DEFAULT_FUNCTION_LIMITS, concurrency: 1 });
  const { clock, ended } = start(runUntilAborted, { taskId: null, timeoutMs: attemptMs });
  await clock.advance(attemptMs);
  const verdict = await verdictOf(ended);
  assert.ok("error" in verdict);
  assert.equal(verdict.error.message, "The attempt took longer than its timeout of 30s.");
});

test("a runner's own word for a timeout stands", async () => {
  const { clock, ended } = start(
    (_run, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () =>
          resolve(failed("function_timeout", "ran for 1s", { retryable: false })),
        );
      }),
    { timeoutMs: 1_000, deadLetter: false },
  );
  await clock.advance(1_000);
  assert.deepEqual(await verdictOf(ended), {
    state: "failed",
    error: { code: "function_timeout", message: "ran for 1s" },
  });
});

test("a cancelled attempt ends as cancelled, whatever its runner made of the abort", async () => {
  for (const answer of [failed("aborted", "stopped", { retryable: true }), { kind: "cancelled" } as const]) {
    const { stop, ended } = start(
      (_run, { signal }) =>
        new Promise<AttemptOutcome>((resolve) => {
          signal.addEventListener("abort", () => resolve(answer));
        }),
    );
    stop.abort(new AttemptStop("cancelled"));
    const attempt = (await ended)!;
    assert.deepEqual(attempt.verdict, { state: "cancelled" });
    assert.equal(attempt.record.error, null);
  }
});

test("a success that was complete before the stop took effect counts", async () => {
  for (const reason of ["cancelled", "timeout"] as const) {
    const { stop, ended } = start(
      (_run, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve(succeeded("just done")));
        }),
    );
    stop.abort(new AttemptStop(reason));
    assert.deepEqual(await verdictOf(ended), { state: "succeeded", result: "just done" });
  }
});

test("a released attempt is not recorded, even one that succeeded in the same moment", async () => {
  for (const outcome of [succeeded("done"), failed("aborted", "stopped", { retryable: true })]) {
    const { stop, ended } = start(
      (_run, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve(outcome));
        }),
    );
    stop.abort(new AttemptStop("released"));
    assert.equal(await ended, null);
  }
});

test("a runner that throws is a retryable internal error with its message and no stack", async () => {
  const { ended } = start(async () => {
    throw new TypeError("cannot read this");
  });
  const verdict = await verdictOf(ended);
  assert.equal(verdict.state, "scheduled");
  assert.ok("error" in verdict);
  assert.deepEqual(verdict.error, {
    code: "internal_error",
    message: "Bellhop could not run this attempt: cannot read this",
  });
});

test("a runner that throws at its abort counts as stopped, not as broken", async () => {
  const { stop, ended } = start(
    (_run, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  stop.abort(new AttemptStop("cancelled"));
  assert.deepEqual(await verdictOf(ended), { state: "cancelled" });
});

test("a runner that ignores its abort is left behind after the grace", async () => {
  for (const [reason, expected] of [
    ["cancelled", "cancelled"],
    ["timeout", "dead"],
  ] as const) {
    let over = false;
    const { clock, stop, ended } = start(() => new Promise(() => {}), { retry: ONE_ATTEMPT });
    void ended.then(() => {
      over = true;
    });
    stop.abort(new AttemptStop(reason));
    await clock.advance(1_999);
    assert.equal(over, false, "it has two seconds");
    await clock.advance(1);
    assert.equal((await verdictOf(ended)).state, expected);
  }
});

test("what is kept of a call's input is recorded with its last attempt: the next one needs it whole", async () => {
  for (const maxAttempts of [1, 2]) {
    const { ended } = start(
      async (_run, { keepInput }) => {
        keepInput?.({ value: "[redacted]", fate: "redacted" });
        return failed("function_error", "no", { retryable: true });
      },
      { retry: { ...DEFAULT_POLICY.retry, maxAttempts }, deadLetter: false },
    );
    const { verdict, input, record } = (await ended)!;
    const expected =
      maxAttempts === 1 ? ["failed", "[redacted]", "redacted"] : ["scheduled", undefined, undefined];
    assert.deepEqual([verdict.state, input, record.input], expected);
  }
});

test("what a runner that was left behind still logs is not recorded", async () => {
  let late: (() => void) | undefined;
  const { clock, stop, ended } = start((_run, { log }) => {
    log("info", "in time");
    late = () => log("info", "too late");
    return new Promise(() => {});
  });
  stop.abort(new AttemptStop("cancelled"));
  await clock.advance(2_000);
  const attempt = (await ended)!;
  late!();
  assert.deepEqual(
    attempt.logs.map(({ message }) => message),
    ["in time"],
  );
});

test("an attempt that ended leaves no timer that stops it later", async () => {
  const { clock, stop, ended } = start(async () => succeeded(null), { timeoutMs: 1_000 });
  await ended;
  await clock.advance(60_000);
  assert.equal(stop.signal.aborted, false);
});

test("an attempt's times are told by the clock that says when it began, whatever the worker's says", async () => {
  for (const skewMs of [-420_000, 420_000]) {
    const startedAt = new Date(createManualClock().now().getTime() + skewMs);
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    const { ended, clock } = start(
      async (_run, { log }) => {
        await asked;
        log("info", "hello");
        return failed("http_status", "503", { retryable: true, retryAfterMs: 5_000 });
      },
      { startedAt },
    );
    await clock.advance(100);
    goOn();
    const { record, logs, verdict } = (await ended)!;
    const endedAt = new Date(startedAt.getTime() + 100);
    assert.equal(record.startedAt, startedAt.toISOString());
    assert.equal(record.finishedAt, endedAt.toISOString());
    assert.deepEqual(logs[0]!.at, endedAt);
    assert.ok(verdict.state === "scheduled");
    assert.equal(verdict.availableAt.getTime(), endedAt.getTime() + 5_000);
  }
});

test("a run that was claimed after its ttl is not run", async () => {
  const clock = createManualClock();
  const startedAt = clock.now();
  const scheduledFor = new Date(startedAt.getTime() - 60_000);
  const never: TaskRunner = () => assert.fail("it must not run");
  const attempt = (await start(never, { scheduledFor, ttlMs: 60_000 }).ended)!;
  assert.ok(attempt.verdict.state === "expired");
  assert.equal(attempt.verdict.error.code, "expired");
  const again = start(async () => succeeded(1), { scheduledFor, ttlMs: 60_000, claimNo: 2 });
  assert.equal((await verdictOf(again.ended)).state, "succeeded", "it had begun before");
  const inTime = start(async () => succeeded(1), { scheduledFor, ttlMs: 60_001 });
  assert.equal((await verdictOf(inTime.ended)).state, "succeeded");
});

test("the deadline cuts an attempt short, and what it stops is not tried again", async () => {
  const { clock, ended } = start(runUntilAborted, {
    ...{ scheduledFor: createManualClock().now(), timeoutMs: 30_000, deadlineMs: 1_000 },
  });
  await clock.advance(999);
  await clock.advance(1);
  const verdict = await verdictOf(ended);
  assert.ok(verdict.state === "dead");
  assert.equal(verdict.error.code, "deadline_exceeded");
});

test("a function that the sandbox stops for the deadline has failed of that; by its own limit, of its own", async () => {
  const late = failed("function_timeout", "The function took too long.", { retryable: true });
  const runner: TaskRunner = (_run, { deadlineAt, signal }) =>
    new Promise((resolve) => {
      // As the sandbox does, a little earlier.
      signal.addEventListener("abort", () => resolve(late));
      assert.equal(deadlineAt.getTime(), createManualClock().now().getTime() + 5_000);
    });
  const given = { scheduledFor: createManualClock().now(), timeoutMs: 30_000, deadlineMs: 5_000 };
  const cut = start(runner, given);
  await cut.clock.advance(5_000);
  const verdict = await verdictOf(cut.ended);
  assert.ok(verdict.state === "dead" && verdict.error.code === "deadline_exceeded");
  const own = await verdictOf(start(async () => late, given).ended);
  assert.ok(own.state === "scheduled" && own.error.code === "function_timeout");
});

test("a run that is claimed at its deadline or later is not run; a redrive counts anew", async () => {
  const never: TaskRunner = () => assert.fail("it must not run");
  const startedAt = createManualClock().now();
  const scheduledFor = new Date(startedAt.getTime() - 5_000);
  const given = { scheduledFor, deadlineMs: 5_000, deadLetter: false };
  const verdict = await verdictOf(start(never, given).ended);
  assert.ok(verdict.state === "failed");
  assert.equal(verdict.error.code, "deadline_exceeded");
  const redriven = start(async () => succeeded(1), { ...given, limitsFrom: startedAt });
  assert.equal((await verdictOf(redriven.ended)).state, "succeeded");
});

test("an attempt that is held up by its worker has all its time once it begins; held up too long it is tried again", async () => {
  const waiting = Promise.withResolvers<void>();
  const runner: TaskRunner = async (run, context) => {
    context.time?.hold();
    await waiting.promise;
    context.time?.begin();
    return await runUntilAborted(run, context);
  };
  const late = start(runner, { timeoutMs: 1_000 });
  await late.clock.advance(20_000);
  waiting.resolve();
  await late.clock.advance(999);
  assert.equal(late.stop.signal.aborted, false);
  await late.clock.advance(1);
  const timedOut = await verdictOf(late.ended);
  assert.ok(timedOut.state === "scheduled" && timedOut.error.code === "timeout");

  const held: TaskRunner = async (run, context) => {
    context.time?.hold();
    return await runUntilAborted(run, context);
  };
  const never = start(held, { timeoutMs: 1_000 });
  await never.clock.advance(30_000);
  const verdict = await verdictOf(never.ended);
  assert.ok(verdict.state === "scheduled");
  assert.deepEqual(verdict.error, {
    code: "sandbox_overloaded",
    message: "The run waited for 30s for room in its worker.",
  });
});
