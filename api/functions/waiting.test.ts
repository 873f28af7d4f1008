import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Caller } from "../caller.ts";
import type { ApiParts } from "../environment.ts";
import { type FunctionCall, invokeQueued } from "./invoke.ts";

test("beyond a thousand callers who wait, the next is told so, and nothing is written for him", async () => {
  const parts = { waiter: { count: 1_000, expect: () => assert.fail("it waits") } } as unknown as ApiParts;
  const fn = { id: "f", name: "f", namespaceId: "n", limits: {} } as CallableFunction;
  const call: FunctionCall = { runId: "r", fn, trigger: "http", input: null };
  const caller: Caller = {
    isGone: false,
    isCut: false,
    onGone: () => () => {},
    toSignal: () => new AbortController().signal,
  };
  await assert.rejects(invokeQueued(parts, call, caller), {
    code: "too_many_waiting",
    status: 503,
  });
});
