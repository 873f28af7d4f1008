/** What a function says of its next attempt, by what it throws. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import { errorOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, call } = startSandbox();
after(() => pool.close());

const run = (body: string) => call(`export default async () => { ${body} };`);

/** Code, whether it is tried again, and what that waits. */
function wordOf(outcome: AttemptOutcome) {
  assert.ok(outcome.kind === "failed", JSON.stringify(outcome));
  return [outcome.error.code, outcome.retryable, outcome.waitMs];
}

test("a Retry asks for another attempt, after so long or as the task says", async () => {
  assert.deepEqual(wordOf(await run(`throw new Retry({ after: "10m" });`)), [
    "function_retry",
    true,
    600_000,
  ]);
  assert.deepEqual(wordOf(await run(`throw new Retry({ after: "PT1H" });`)), [
    "function_retry",
    true,
    3_600_000,
  ]);
  assert.deepEqual(wordOf(await run(`throw new Retry({ after: "0s" });`)), ["function_retry", true, 0]);
  assert.deepEqual(wordOf(await run("throw new Retry();")), ["function_retry", true, undefined]);
});

test("a Fatal is not tried again", async () => {
  const outcome = await run(`throw new Fatal("no such order", { cause: new Error("404") });`);
  assert.deepEqual(wordOf(outcome), ["function_fatal", false, undefined]);
  const { message, details } = errorOf(outcome);
  const { name, causes } = details as unknown as { name: string; causes: { message: string }[] };
  assert.deepEqual(
    [message, name, causes.map((cause) => cause.message)],
    ["no such order", "Fatal", ["404"]],
  );
});

test("both may be made without new, as an Error may", async () => {
  assert.deepEqual(wordOf(await run(`throw Retry({ after: "2s" });`)), ["function_retry", true, 2_000]);
  const outcome = await run(`const error = Fatal("gone", { cause: new Error("410") });
    if (!(error instanceof Fatal) || !(error instanceof Error) || error.constructor !== Fatal || Fatal.name !== "Fatal") return;
    throw error;`);
  assert.deepEqual(wordOf(outcome), ["function_fatal", false, undefined]);
  assert.equal(errorOf(outcome).message, "gone");
});

test("both are errors with a stack, a message and a cause of the author's", async () => {
  const { message, details } = errorOf(
    await run(`throw new Retry({ after: "1s", message: "busy", cause: new TypeError("503") });`),
  );
  const { name, stack, causes } = details as unknown as {
    name: string;
    stack: string;
    causes: { name: string }[];
  };
  assert.deepEqual([message, name, causes.map((cause) => cause.name)], ["busy", "Retry", ["TypeError"]]);
  assert.match(stack, /function\.js:\d+:\d+/);
  const { message: byDefault } = errorOf(await run("throw new Retry();"));
  assert.match(byDefault, /asks to be tried again/);
});

test("a class that extends one is one; what only looks like one, or was caused by one, is a function_error", async () => {
  const own = await run(
    `class Busy extends Retry { constructor() { super({ after: "5s" }); } } throw new Busy();`,
  );
  assert.deepEqual(wordOf(own), ["function_retry", true, 5_000]);
  for (const thrown of [
    `Object.assign(new Error("x"), { name: "Fatal", again: "fatal", afterMs: 1 })`,
    `{ again: "fatal", name: "Fatal", message: "", stack: "" }`,
    `new Error("x", { cause: new Fatal("y") })`,
    "Object.create(Fatal.prototype)",
    "null",
  ])
    assert.deepEqual(wordOf(await run(`throw ${thrown};`)), ["function_error", true, undefined], thrown);
});

test("they hold where the module is loaded, and where the function has replaced them or what they use", async () => {
  const loading = await call(`throw new Fatal("no settings"); export default () => 1;`);
  assert.deepEqual(wordOf(loading), ["function_fatal", false, undefined]);
  const replaced = await run(`const busy = new Retry({ after: "1m" }); globalThis.Retry = undefined;
    JSON.stringify = () => "{}"; Object.assign = () => ({}); throw busy;`);
  assert.deepEqual(wordOf(replaced), ["function_retry", true, 60_000]);
});

test("a wait that is none is refused where it is written", async () => {
  for (const [given, said] of [
    [`{ after: "soon" }`, /duration such as/],
    ["{ after: 600 }", /duration such as/],
    [`{ after: "-1s" }`, /duration such as/],
    [`{ after: "604800001ms" }`, /at most 7d/],
    [`"10m"`, /takes an object/],
  ] as const) {
    const outcome = await run(`throw new Retry(${given} as any);`);
    assert.deepEqual(wordOf(outcome), ["function_error", true, undefined], given);
    assert.match(errorOf(outcome).message, said);
  }
  assert.deepEqual(wordOf(await run(`throw new Retry({ after: "7d" });`)), [
    "function_retry",
    true,
    604_800_000,
  ]);
});
