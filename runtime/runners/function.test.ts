import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { type AttemptOutcome, failed, succeeded } from "../../core/domain/attempt.ts";
import { callDurations } from "../../core/domain/call-durations.ts";
import { DEFAULT_FUNCTION_LIMITS, type FunctionLimitCaps } from "../../core/domain/function-limits.ts";
import { createEgress } from "../../core/egress/egress.ts";
import { createRedactor, NOTHING_TO_REDACT } from "../../core/secrets/redact.ts";
import type { RunnableRevision } from "../../core/store/functions/functions.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createSandbox, type Invocation, type InvokeOptions, type Sandbox } from "../sandbox/sandbox.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { createFunctionRunner } from "./function.ts";
import { createFunctionEnvs } from "./function-env.ts";
import { createRevisionCache } from "./revision-cache.ts";
import type { AttemptContext } from "./task-runner.ts";

const run = claimedRun({
  spec: { type: "function", function: "greet", input: { name: "Ada" } },
  functionId: "function-1",
  revisionId: "revision-1",
});

function contextOf(log: AttemptContext["log"] = () => {}): AttemptContext {
  return {
    signal: new AbortController().signal,
    deadlineAt: new Date(Date.now() + 10_000),
    span: NO_SPAN,
    log,
  };
}

const caps: FunctionLimitCaps = { ...DEFAULT_FUNCTION_LIMITS, concurrency: 10 };
const noSourceMap = {
  loadSourceMap: async () => undefined,
  envs: {
    find: async () => ({ functionId: "f", env: {}, redactor: NOTHING_TO_REDACT }),
    recall: () => undefined,
  },
  onLoadError: (error: unknown) => assert.fail(error as Error),
  clock: systemClock,
};
const plain = (code: string): RunnableRevision => ({ code, limits: {}, reuse: true });

/** A sandbox that records what it is asked and answers at once. */
function recordingSandbox(answer: AttemptOutcome = succeeded(null)) {
  const calls: { invocation: Invocation; options: InvokeOptions }[] = [];
  const sandbox: Sandbox = {
    async invoke(invocation, options) {
      calls.push({ invocation, options });
      if (typeof invocation.code === "function") await invocation.code();
      return answer;
    },
    close: async () => {},
  };
  return { sandbox, calls };
}

describe("the function runner", () => {
  test("runs a revision in a real sandbox", async (t) => {
    const { code } = await buildRevision({
      files: {
        "index.ts": "export default (i: any, ctx: any) => { ctx.log.warn('hm', { i }); return i.name; };",
      },
      entry: "index.ts",
    });
    const sandbox = createSandbox();
    t.after(() => sandbox.close());
    const lines: unknown[] = [];
    const runner = createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => plain(code)),
      caps,
      ...noSourceMap,
    });
    const context = contextOf((level, message, fields) => {
      lines.push([level, message, fields]);
      return undefined;
    });
    assert.deepEqual(await runner(run, context), succeeded("Ada"));
    assert.deepEqual(lines, [["warn", "hm", { i: { name: "Ada" } }]]);
  });

  test("records no secret of a host that could not be called", async (t) => {
    const lookUp = async () => {
      throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    };
    const egress = createEgress({ allow: [], resolve: lookUp });
    const sandbox = createSandbox({ egress });
    t.after(() => Promise.all([sandbox.close(), egress.close()]));
    const source = `export default async () => {
      const call = () => fetch("https://AbCdEf.example/");
      await call().catch((error) => console.log(error));
      await call();
    };`;
    const { code } = await buildRevision({ files: { "index.ts": source }, entry: "index.ts" });
    const redactor = createRedactor([["KEY", "AbCdEf"]]);
    const runner = createFunctionRunner({
      ...{ sandbox, caps, ...noSourceMap },
      revisions: createRevisionCache(async () => plain(code)),
      envs: { ...noSourceMap.envs, find: async () => ({ functionId: "f", env: {}, redactor }) },
    });
    const told: unknown[] = [];
    const context = contextOf((_level, message, fields) => {
      told.push(message, fields);
      return undefined;
    });
    told.push(await runner(run, { ...context, noteRequest: ({ host }) => void told.push(host) }));
    const said = JSON.stringify(told);
    assert.equal(said.match(/\[redacted KEY\]\.example/g)?.length, 6, said);
    assert.doesNotMatch(said, /abcdef/i);
  });

  test("a timeout names the limit that its author set: the function's time, or the task's timeout", async () => {
    const messageOf = async (wallMs: number, timeoutMs: number) => {
      const sandbox: Sandbox = {
        ...recordingSandbox().sandbox,
        invoke: async ({ limits }) =>
          failed("function_timeout", `not within ${limits.wallMs} ms`, { retryable: true }),
      };
      const runner = createFunctionRunner({
        sandbox,
        revisions: createRevisionCache(async () => ({ ...plain(""), limits: { wallMs } })),
        caps,
        ...noSourceMap,
      });
      const context = { ...contextOf(), deadlineAt: new Date(Date.now() + timeoutMs) };
      const outcome = await runner({ ...run, policy: { ...run.policy, timeoutMs } }, context);
      return outcome.kind === "failed" ? outcome.error.message : undefined;
    };
    for (const timeoutMs of [30_001, 30_050, 30_100, 60_000]) {
      const said = await messageOf(30_000, timeoutMs);
      assert.equal(said, "The function did not finish within its 30000 ms.", `${timeoutMs} ms`);
    }
    assert.equal(
      await messageOf(900_000, 30_000),
      "The function did not finish within its attempt's timeout of 30s.",
    );
  });

  test("a timeout of a call whose revision now allows more names the time that the call was recorded with", async () => {
    const runner = createFunctionRunner({
      sandbox: recordingSandbox(failed("function_timeout", "not in time", { retryable: true })).sandbox,
      revisions: createRevisionCache(async () => ({ ...plain(""), limits: { wallMs: 60_000 } })),
      caps: { ...caps, wallMs: 60_000 },
      ...noSourceMap,
    });
    const { attemptMs } = callDurations({ wallMs: 30_000 }, caps);
    const call = { ...run, taskId: null, trigger: "invoke" as const };
    const outcome = await runner({ ...call, policy: { ...run.policy, timeoutMs: attemptMs } }, contextOf());
    assert.equal(
      outcome.kind === "failed" && outcome.error.message,
      "The function did not finish within its attempt's timeout of 30s.",
    );
  });

  test("hands over the run's facts and the time that is left", async () => {
    const { sandbox, calls } = recordingSandbox();
    const context = contextOf();
    await createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => plain("")),
      caps,
      ...noSourceMap,
    })(run, context);
    const { invocation, options } = calls[0]!;
    assert.deepEqual(
      [invocation.runId, invocation.namespaceId, invocation.revisionId, invocation.attempt],
      [run.id, run.namespaceId, "revision-1", 1],
    );
    assert.deepEqual(invocation.input, { name: "Ada" });
    assert.equal(options.signal, context.signal);
    assert.deepEqual(
      [invocation.limits.memoryMb, invocation.limits.cpuMs, invocation.reuse],
      [128, 30_000, true],
    );
    assert.ok(Object.isFrozen(invocation.limits), "all runs of the revision have them");
  });

  test("holds the attempt's time until its run has a place, and tells then what is left of it", async () => {
    const { sandbox, calls } = recordingSandbox();
    const clock = createManualClock();
    const said: string[] = [];
    const context = {
      ...contextOf(),
      time: { hold: () => said.push("hold"), begin: () => said.push("begin") },
      get deadlineAt() {
        return new Date(clock.now().getTime() + 8_000);
      },
    };
    await createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => plain("")),
      caps,
      ...noSourceMap,
      clock,
    })(run, context);
    const { invocation, options } = calls[0]!;
    assert.deepEqual(said, ["hold"]);
    await clock.advance(20_000);
    assert.equal(invocation.fitWallMs?.(), 7_950);
    options.onBegin?.();
    assert.deepEqual(said, ["hold", "begin"]);
  });

  test("hands over the revision's limits, lowered to the worker's caps, and whether it is reused", async () => {
    const { sandbox, calls } = recordingSandbox();
    const limits = { memoryMb: 256, cpuMs: 50, wallMs: 200, concurrency: 3, logLines: 5, subrequests: 9 };
    const loadRevision = async () => ({ code: "", limits, reuse: false });
    await createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(loadRevision),
      caps,
      ...noSourceMap,
    })(run, contextOf());
    const { invocation } = calls[0]!;
    assert.deepEqual(invocation.limits, {
      ...{ memoryMb: 128, cpuMs: 50, wallMs: 200, logLines: 5, subrequests: 9, resultBytes: 1_000_000 },
    });
    assert.equal(invocation.reuse, false);
  });

  test("each attempt carries on the run's trace with a span of its own", async () => {
    const { sandbox, calls } = recordingSandbox();
    const runner = createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => plain("")),
      caps,
      ...noSourceMap,
    });
    for (const attempt of [1, 2]) await runner({ ...run, attempt }, contextOf());
    const [first, second] = calls.map(({ invocation }) => invocation.traceparent);
    assert.match(first!, new RegExp(`^00-${run.id.replaceAll("-", "")}-[0-9a-f]{16}-01$`));
    assert.equal(first!.slice(0, 36), second!.slice(0, 36));
    assert.notEqual(first, second);
  });

  test("loads a revision once, however many ask, and again after a failure", async () => {
    const { sandbox } = recordingSandbox();
    let loads = 0;
    const loadRevision = async () => {
      if (++loads === 1) throw new Error("no such revision");
      return plain("code");
    };
    const runner = createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(loadRevision),
      caps,
      ...noSourceMap,
      onLoadError: (error) => assert.match(String(error), /no such revision/),
    });
    const failure = await runner(run, contextOf());
    assert.ok(
      failure.kind === "failed" && failure.retryable && failure.error.code === "function_unavailable",
    );
    await Promise.all([runner(run, contextOf()), runner(run, contextOf())]);
    await runner(run, contextOf());
    assert.equal(loads, 2);
  });

  const away = () => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

  test("waits for a database that is away, within the attempt's time", async () => {
    const clock = createManualClock();
    const { sandbox, calls } = recordingSandbox(succeeded("Ada"));
    let loads = 0;
    const runner = createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => {
        if (++loads < 4) throw away();
        return plain("code");
      }),
      caps,
      ...noSourceMap,
      clock,
    });
    const deadlineAt = new Date(clock.now().getTime() + 10_000);
    const outcome = runner(run, { ...contextOf(), deadlineAt });
    await clock.advance(2_000);
    assert.deepEqual(await outcome, succeeded("Ada"));
    assert.equal(loads, 4);
    assert.ok(calls[0]!.invocation.fitWallMs!() < 9_700, "the wait was its own time");
    assert.equal(clock.sleepers, 0);
  });

  for (const [name, envs] of [
    ["refuses", { find: () => Promise.reject(away()), recall: () => undefined }],
    ["hangs", { find: () => new Promise<never>(() => {}), recall: () => undefined }],
  ] as const) {
    test(`says that the database is away where it ${name} for all of that time, and blames no secret`, async () => {
      const clock = createManualClock();
      const { sandbox, calls } = recordingSandbox();
      const revisions = createRevisionCache(async () => plain("code"));
      const runner = createFunctionRunner({ sandbox, revisions, caps, ...noSourceMap, envs, clock });
      const deadlineAt = new Date(clock.now().getTime() + 10_000);
      const outcome = runner(run, { ...contextOf(), deadlineAt });
      await clock.advance(9_990);
      const message = "The database did not answer within the attempt's time.";
      assert.deepEqual(await outcome, failed("database_unavailable", message, { retryable: true }));
      assert.equal(calls.length, 0);
    });
  }

  test("an attempt that is stopped while it waits for the database ends at once", async () => {
    const clock = createManualClock();
    const { sandbox } = recordingSandbox();
    const revisions = createRevisionCache(() => Promise.reject(away()));
    const runner = createFunctionRunner({ sandbox, revisions, caps, ...noSourceMap, clock });
    const stop = new AbortController();
    const deadlineAt = new Date(clock.now().getTime() + 10_000);
    const outcome = runner(run, { ...contextOf(), deadlineAt, signal: stop.signal });
    await clock.waitForSleepers(2);
    stop.abort();
    assert.equal((await outcome).kind, "failed");
    assert.equal(clock.sleepers, 0);
  });

  test("a secret that cannot be opened is the secrets' fault", async () => {
    const { sandbox } = recordingSandbox();
    const revisions = createRevisionCache(async () => plain("code"));
    const secret = { namespaceId: "ns", functionId: null, name: "A", sealed: Buffer.from("sealed") };
    const envs = createFunctionEnvs(
      { one: async () => ({ functionId: "f", env: {}, secrets: [secret] }) },
      undefined,
      {
        on: async () => {},
      },
    );
    const heard: unknown[] = [];
    const onLoadError = (error: unknown) => void heard.push(error);
    const runner = createFunctionRunner({ sandbox, revisions, caps, ...noSourceMap, envs, onLoadError });
    const outcome = await runner(run, contextOf());
    assert.ok(outcome.kind === "failed" && outcome.retryable);
    assert.equal(outcome.error.code, "secrets_unavailable");
    assert.match(String(heard[0]), /BELLHOP_SECRETS_KEY is not set/);
  });

  test("fails a run without a revision, for good", async () => {
    const { sandbox, calls } = recordingSandbox();
    const runner = createFunctionRunner({
      sandbox,
      revisions: createRevisionCache(async () => plain("")),
      caps,
      ...noSourceMap,
    });
    const outcome = await runner({ ...run, revisionId: null }, contextOf());
    assert.ok(outcome.kind === "failed" && !outcome.retryable);
    assert.equal(outcome.error.code, "function_not_found");
    assert.equal(calls.length, 0);
  });
});
