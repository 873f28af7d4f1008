import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { CallEvents, NoneReason } from "./direct-caller.ts";
import { createWaitingLine } from "./waiting-line.ts";

const ignore = () => {};

const HTTP = { method: "GET", url: "http://a/", headers: [], hasBody: false };

/** Workers that have room for `slots` calls, and a line before them. */
function open(slots: number, limits = { function: 3, namespace: 4, all: 5 }) {
  const clock = createManualClock();
  const running = new Map<string, CallEvents>();
  const parts = { slots, none: "busy" as NoneReason };
  const begun: string[] = [];
  const counts: number[] = [];
  const waited: string[] = [];
  const line = createWaitingLine(
    {
      begin({ runId }, events) {
        if (running.size >= parts.slots) return events.onNone(parts.none);
        begun.push(runId);
        running.set(runId, events);
      },
    },
    {
      ...{ clock, waitMs: { busy: 10_000, no_worker: 30_000 }, limits },
      onCount: (count) => counts.push(count),
      onWait: ({ runId }) => waited.push(runId),
    },
  );
  const refused: string[] = [];
  const gone = new Set<string>();
  const call = (runId: string, given: Partial<DirectCall> = {}, http: DirectCall["http"] | null = HTTP) => {
    const whole: DirectCall = {
      ...{ runId, namespaceId: "n", functionId: "f", functionName: "f", revisionId: "r", input: null },
      ...{ isLimited: false, isPublic: true },
      ...(http && { http }),
      ...given,
    };
    line.begin(whole, {
      ...{ onFeed: ignore, onAccepted: ignore, onHead: ignore, onData: ignore, onEnd: ignore },
      ...{ onPull: ignore, onDone: ignore, onLost: ignore },
      onNone: (why) => void refused.push(`${runId} ${why}`),
      isGone: () => gone.has(runId),
    });
  };
  const end = (runId: string) => {
    const events = running.get(runId)!;
    running.delete(runId);
    events.onDone({ state: "cancelled" });
  };
  return { clock, line, parts, begun, refused, gone, counts, waited, call, end };
}

describe("the line of calls over HTTP", () => {
  test("who finds no room waits, and is next in turn when a call ends", () => {
    const { line, call, end, begun, refused } = open(1);
    for (const id of ["a", "b", "c"]) call(id);
    assert.deepEqual([begun, line.count], [["a"], 2]);
    end("a");
    assert.deepEqual([begun, line.count], [["a", "b"], 1]);
    end("b");
    assert.deepEqual([begun, line.count, refused], [["a", "b", "c"], 0, []]);
  });

  test("room that comes otherwise is found within a moment", async () => {
    const { line, call, clock, parts, begun } = open(0);
    for (const id of ["a", "b"]) call(id);
    await clock.advance(5_000);
    assert.deepEqual([begun, line.count], [[], 2]);
    parts.slots = 9;
    await clock.advance(100);
    assert.deepEqual([begun, line.count], [["a", "b"], 0]);
    assert.equal(clock.sleepers, 0);
  });

  test("it is said once of each who begins to wait", async () => {
    const { call, clock, waited } = open(1);
    for (const id of ["a", "b"]) call(id);
    await clock.advance(500);
    assert.deepEqual(waited, ["b"]);
  });

  test("who waited in vain, or has left, makes way", async () => {
    const { line, call, clock, gone, refused } = open(0);
    for (const id of ["a", "b"]) call(id);
    gone.add("b");
    await clock.advance(100);
    assert.deepEqual([refused, line.count], [["b left"], 1]);
    await clock.advance(9_800);
    assert.equal(line.count, 1);
    await clock.advance(100);
    assert.deepEqual([refused, line.count, clock.sleepers], [["b left", "a busy"], 0, 0]);
  });

  test("a function, a namespace and all together have so many places", () => {
    const { call, refused } = open(0);
    for (const id of ["f1", "f2", "f3", "f4"]) call(id);
    assert.deepEqual(refused, ["f4 busy"]);
    for (const id of ["g1", "g2"]) call(id, { functionId: "g" });
    assert.deepEqual(refused.slice(1), ["g2 busy"]);
    for (const id of ["h1", "h2"]) call(id, { functionId: "h", namespaceId: "m" });
    assert.deepEqual(refused.slice(2), ["h2 busy"]);
  });

  test("a call that is offered again keeps its place, whoever comes meanwhile", async () => {
    const { call, clock, line, refused } = open(0, { function: 1, namespace: 1, all: 1 });
    call("a");
    await clock.advance(500);
    call("b");
    assert.deepEqual([refused, line.count], [["b busy"], 1]);
  });

  test("calls with a key wait as well; those that are not over HTTP do not, nor for what no worker would give them", () => {
    const { call, parts, line, refused } = open(0);
    call("key", { isPublic: false });
    call("invoke", { isPublic: false }, null);
    for (const none of ["queue_only", "no_permit"] as const) {
      parts.none = none;
      call(none);
    }
    assert.deepEqual(
      [refused, line.count],
      [["invoke busy", "queue_only queue_only", "no_permit no_permit"], 1],
    );
  });

  test("where no worker stands all wait for one, and are offered to it when it comes, in their order", async () => {
    const { call, clock, parts, line, begun, refused } = open(0);
    parts.none = "no_worker";
    for (const id of ["a", "b", "c"]) call(id);
    await clock.advance(29_000);
    assert.deepEqual([begun, refused, line.count], [[], [], 3]);
    parts.slots = 2;
    parts.none = "busy";
    line.offerAll();
    assert.deepEqual([begun, line.count], [["a", "b"], 1]);
    await clock.advance(9_000);
    assert.deepEqual(refused, [], "it waits for room from now on");
    await clock.advance(1_000);
    assert.deepEqual([refused, line.count], [["c busy"], 0]);
  });

  test("where the worker that was full goes, the next one that is full is waited for anew", async () => {
    const { call, clock, parts, line, refused } = open(0);
    call("a");
    await clock.advance(9_000);
    parts.none = "no_worker";
    await clock.advance(5_000);
    parts.none = "busy";
    await clock.advance(9_800);
    assert.deepEqual([refused, line.count], [[], 1]);
    await clock.advance(300);
    assert.deepEqual([refused, line.count], [["a busy"], 0]);
  });

  test("who is renewed keeps the place meanwhile, and is offered as the call is by then", async () => {
    const { begun, counts, line, parts, refused } = open(0, { function: 1, namespace: 1, all: 1 });
    const renewed: PromiseWithResolvers<DirectCall | NoneReason>[] = [];
    const renew = () => {
      renewed.push(Promise.withResolvers());
      return renewed.at(-1)!.promise;
    };
    const wait = (runId: string) => {
      const call = { runId, namespaceId: "n", functionId: "f", functionName: "f", revisionId: "r" };
      const whole = { ...call, input: null, isLimited: false, http: HTTP };
      line.begin(whole, {
        ...{ onFeed: ignore, onAccepted: ignore, onHead: ignore, onData: ignore, onEnd: ignore },
        ...{ onPull: ignore, onDone: ignore, onLost: ignore },
        ...{ onNone: (why) => void refused.push(`${runId} ${why}`), renew },
      });
      return whole;
    };
    const whole = wait("a");
    line.offerAll();
    wait("b");
    parts.slots = 1;
    assert.deepEqual([begun, refused, line.count, counts.at(-1)], [[], ["b busy"], 1, 1]);
    renewed[0]!.resolve({ ...whole, runId: "a, renewed" });
    await renewed[0]!.promise;
    assert.deepEqual([begun, line.count, counts.at(-1)], [["a, renewed"], 0, 0]);
    wait("c");
    line.offerAll();
    assert.equal(renewed.length, 2);
    renewed[1]!.resolve("refused");
    await renewed[1]!.promise;
    assert.deepEqual([begun.length, refused, line.count], [1, ["b busy", "c refused"], 0]);
  });

  test("where none comes in time they are told so", async () => {
    const { call, clock, parts, line, refused } = open(0);
    parts.none = "no_worker";
    call("a");
    await clock.advance(30_000);
    assert.deepEqual([refused, line.count, clock.sleepers], [["a no_worker"], 0, 0]);
  });

  test("refusals that come late change nobody's turn", () => {
    const clock = createManualClock();
    const offered: [string, CallEvents][] = [];
    const line = createWaitingLine(
      { begin: ({ runId }, events) => void offered.push([runId, events]) },
      {
        ...{ clock, waitMs: { busy: 10_000, no_worker: 30_000 }, onCount: ignore },
        limits: { function: 9, namespace: 9, all: 9 },
      },
    );
    const refuse = (runId: string) => offered.find(([id]) => id === runId)![1].onNone("busy");
    for (const runId of ["a", "b", "c"]) {
      const call = { runId, namespaceId: "n", functionId: "f", functionName: "f", revisionId: "r" };
      line.begin(
        { ...call, input: null, isLimited: false, http: HTTP },
        {
          ...{ onFeed: ignore, onAccepted: ignore, onHead: ignore, onData: ignore, onEnd: ignore },
          ...{ onPull: ignore, onDone: ignore, onLost: ignore, onNone: ignore },
        },
      );
    }
    for (const runId of ["b", "c", "a"]) refuse(runId);
    offered.length = 0;
    line.offerAll();
    assert.deepEqual(
      offered.map(([runId]) => runId),
      ["a", "b", "c"],
    );
  });

  test("how many wait is told whenever it changes", async () => {
    const { call, clock, end, counts, gone } = open(1);
    for (const id of ["a", "b", "c"]) call(id);
    assert.deepEqual(counts, [1, 2]);
    end("a");
    assert.equal(counts.at(-1), 1);
    gone.add("c");
    await clock.advance(100);
    assert.equal(counts.at(-1), 0);
  });
});
