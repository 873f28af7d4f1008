import assert from "node:assert/strict";
import { test } from "node:test";
import { LazyAbort, whenAborted } from "./lazy-abort.ts";

test("whoever listens is told once, with the first reason", () => {
  const abort = new LazyAbort();
  const told: unknown[] = [];
  abort.onAbort(() => told.push(abort.reason));
  const forget = abort.onAbort(() => told.push("forgotten"));
  forget();
  assert.equal(abort.aborted, false);
  abort.abort("first");
  abort.abort("second");
  assert.deepEqual([abort.aborted, abort.reason, told], [true, "first", ["first"]]);
});

test("nobody is told who listens only after it", () => {
  const abort = new LazyAbort();
  abort.abort();
  abort.onAbort(() => assert.fail("told"))();
});

test("its signal says the same, whether it was asked for before or after", () => {
  const [before, after] = [new LazyAbort(), new LazyAbort()];
  const { signal } = before;
  let heard = 0;
  signal.addEventListener("abort", () => heard++);
  before.abort("over");
  after.abort("over");
  assert.equal(heard, 1);
  for (const { aborted, reason } of [signal, after.signal])
    assert.deepEqual([aborted, reason], [true, "over"]);
});

test("who is forgotten while it is aborted is not told", () => {
  const abort = new LazyAbort();
  const told: string[] = [];
  abort.onAbort(() => {
    told.push("first");
    forgetSecond();
  });
  const forgetSecond = abort.onAbort(() => told.push("second"));
  abort.onAbort(() => told.push("third"));
  abort.abort();
  assert.deepEqual(told, ["first", "third"]);
});

test("one that throws keeps nobody else from being told, and what it threw is not lost", () => {
  const abort = new LazyAbort();
  const told: string[] = [];
  abort.signal.addEventListener("abort", () => told.push("signal"));
  abort.onAbort(() => {
    throw new Error("first");
  });
  abort.onAbort(() => {
    told.push("second");
    throw new Error("second");
  });
  assert.throws(() => abort.abort("over"), /first/);
  assert.deepEqual([told, abort.reason], [["second", "signal"], "over"]);
});

test("who does not care which kind it is is told of either, unless it is forgotten", () => {
  const [lazy, plain] = [new LazyAbort(), new AbortController()];
  const told: string[] = [];
  whenAborted(lazy, () => told.push("lazy"));
  whenAborted(plain.signal, () => told.push("plain"));
  for (const abort of [lazy, plain.signal]) whenAborted(abort, () => told.push("forgotten"))();
  lazy.abort();
  plain.abort();
  assert.deepEqual(told, ["lazy", "plain"]);
});
