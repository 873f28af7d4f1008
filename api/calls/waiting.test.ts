import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Bell } from "../../core/store/listen.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { ApiParts } from "../environment.ts";
import type { Caller } from "./caller.ts";
import { type FunctionCall, invokeQueued } from "./invoke.ts";
import { createFinishWaiter } from "./wait.ts";

test("beyond a thousand callers who wait, the next is told so, and nothing is written for him", async () => {
  const parts = { waiter: { count: 1_000, expect: () => assert.fail("it waits") } } as unknown as ApiParts;
  const fn = { id: "f", name: "f", namespaceId: "n", limits: {} } as CallableFunction;
  const call: FunctionCall = { runId: "r", fn, trigger: "http", input: null };
  const caller: Caller = {
    isGone: false,
    hasLeft: false,
    isCut: false,
    onGone: () => () => {},
    toSignal: () => new AbortController().signal,
  };
  await assert.rejects(invokeQueued(parts, call, caller), {
    code: "too_many_waiting",
    status: 503,
  });
});

/** Callers who wait for runs, with a table of their own. */
function openWaiter() {
  const clock = createManualClock();
  const open = new Set<string>();
  const looks: number[] = [];
  let hear: (bell: Bell) => void = () => {};
  const waiter = createFinishWaiter({
    clock,
    listener: {
      async on(_channel, handler) {
        hear = handler;
      },
    },
    async findOpen(runIds) {
      looks.push(runIds.length);
      return open;
    },
    onError: (error) => assert.fail(String(error)),
  });
  const ended: string[] = [];
  const expect = (runId: string) => {
    open.add(runId);
    const end = waiter.expect(runId);
    void end.next(60_000, new AbortController().signal).then(() => ended.push(runId));
    return end;
  };
  return { clock, open, looks, waiter, ended, expect, hear: (bell: Bell) => hear(bell) };
}

test("five hundred callers who wait cost one look a second, not five hundred", async () => {
  const { clock, open, looks, waiter, ended, expect } = openWaiter();
  const ends = Array.from({ length: 500 }, (_, number) => expect(`run ${number}`));
  await clock.advance(3_000);
  assert.deepEqual(looks, [500, 500, 500]);
  open.delete("run 7");
  await clock.advance(1_000);
  assert.deepEqual(ended, ["run 7"]);
  for (const end of ends) end.forget();
  for (const end of ends) end.forget();
  assert.equal(waiter.count, 0);
  await clock.advance(10_000);
  assert.equal(looks.length, 4);
});

test("a bell is heard at once by all who wait for its run, and after a lost connection there is a look", async () => {
  const { clock, open, looks, ended, expect, hear } = openWaiter();
  const [first] = ["a", "a", "b"].map(expect);
  hear({ ids: ["a"], resync: false });
  await clock.advance(0);
  assert.deepEqual(ended, ["a", "a"]);
  first!.forget();
  open.delete("b");
  hear({ ids: [], resync: true });
  await clock.advance(0);
  assert.deepEqual([ended, looks], [["a", "a", "b"], [2]]);
});

test("who waits is let go when his time is over, and not before", async () => {
  const { clock, open, waiter } = openWaiter();
  open.add("run");
  let isOver = false;
  void waiter
    .expect("run")
    .next(2_500, new AbortController().signal)
    .then(() => {
      isOver = true;
    });
  await clock.advance(2_499);
  assert.equal(isOver, false);
  await clock.advance(1);
  assert.equal(isOver, true);
});
