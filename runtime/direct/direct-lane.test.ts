import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DirectCall, DirectOutcome } from "../../core/contracts/direct-call.ts";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { DirectRun, FinishedDirectRun } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import { createSlots } from "../slots.ts";
import { finishedAttempt } from "../testing/claimed-run.ts";
import type { CallAnswer } from "./call-response.ts";
import { createDirectLane, type DirectWay } from "./direct-lane.ts";

const call: DirectCall = {
  ...{ runId: "run-1", namespaceId: "ns", functionId: "fn", functionName: "f", revisionId: "rev" },
  isLimited: false,
  input: { a: 1 },
};
const http: HttpCall["head"] = { method: "GET", url: "http://a/", headers: [], hasBody: false };

interface LaneOptions {
  reserves?: boolean;
  showFails?: boolean;
  /** Whether the row of a shown run is there; default: unless showing it failed. */
  isThere?: boolean;
}

/** A lane whose parts the test plays: `end` ends the run under way. */
function openLane({ reserves = true, showFails = false, isThere }: LaneOptions = {}) {
  const clock = createManualClock();
  const slots = createSlots(1);
  const shown: DirectRun[] = [];
  const ended: FinishedDirectRun[] = [];
  const finished: FinishedAttempt[] = [];
  const said: string[] = [];
  const outcomes: DirectOutcome[] = [];
  const counted: string[] = [];
  let draining = false;
  let way: DirectWay | undefined;
  let end: (verdict: RunVerdict) => void = () => {};
  let begun: () => void = () => {};
  const whenBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let over: () => void = () => {};
  const whenOver = new Promise<void>((resolve) => {
    over = resolve;
  });
  const lane = createDirectLane({
    ...{ clock, slots, isDraining: () => draining, findTimeoutMs: async () => 1_050 },
    releaseSlot: () => slots.release(1),
    async work(run, given) {
      way = given;
      const verdict = await new Promise<RunVerdict>((resolve) => {
        end = resolve;
        begun();
      });
      await given.record(finishedAttempt({ runId: run.id, verdict }));
      slots.release(1);
    },
    async show(run) {
      if (showFails) throw new Error("no database");
      shown.push(run);
    },
    reserve: async (run) => {
      if (reserves) shown.push(run);
      return reserves;
    },
    async recordShown(attempt) {
      if (!(isThere ?? !showFails)) return false;
      finished.push(attempt);
      return true;
    },
    recordEnded: async (run) => void ended.push(run),
    onError() {},
    onEnd: (end) => void counted.push(end),
  });
  const answer: CallAnswer = {
    refused(reason) {
      said.push(reason);
      over();
    },
    accepted: () => void said.push("accepted"),
    head: ({ status }) => void said.push(`head ${status}`),
    data: (bytes) => void said.push(`data ${bytes.byteLength}`),
    end: () => void said.push("end"),
    pull: (bytes) => void said.push(`pull ${bytes}`),
    done(outcome) {
      said.push("done");
      outcomes.push(outcome);
      over();
    },
  };
  return {
    ...{ lane, clock, slots, shown, ended, finished, said, outcomes, counted, answer, whenBegun, whenOver },
    way: () => way!,
    end: (verdict: RunVerdict) => end(verdict),
    drain: () => {
      draining = true;
    },
  };
}

describe("the direct lane", () => {
  test("writes a short run once, when it has ended, and answers then", async () => {
    const { lane, answer, whenBegun, whenOver, end, ended, shown, outcomes, slots, counted } = openLane();
    lane.begin(call, answer);
    assert.equal(slots.free(), 0);
    await whenBegun;
    end({ state: "succeeded", result: { b: 2 } });
    await whenOver;
    assert.deepEqual(outcomes, [{ state: "succeeded", result: { b: 2 } }]);
    assert.deepEqual(counted, ["succeeded"]);
    assert.equal(ended.length, 1);
    const { trigger, input, timeoutMs, verdict } = ended[0]!;
    assert.deepEqual({ trigger, input, timeoutMs }, { trigger: "invoke", input: { a: 1 }, timeoutMs: 1_050 });
    assert.deepEqual(verdict, { state: "succeeded", result: { b: 2 } });
    assert.equal(shown.length, 0);
    assert.equal(slots.free(), 1);
  });

  test("shows a run that lasts, and ends it like any other", async () => {
    const { lane, answer, whenBegun, whenOver, end, clock, ended, shown, finished } = openLane();
    lane.begin(call, answer);
    await whenBegun;
    await clock.advance(100);
    assert.equal(shown[0]?.id, "run-1");
    end({ state: "succeeded", result: null });
    await whenOver;
    assert.deepEqual([ended.length, finished.length], [0, 1]);
  });

  test("writes one that could not be shown as a whole", async () => {
    const { lane, answer, whenBegun, whenOver, end, clock, ended, finished } = openLane({ showFails: true });
    lane.begin(call, answer);
    await whenBegun;
    await clock.advance(100);
    end({ state: "cancelled" });
    await whenOver;
    assert.deepEqual([ended.length, finished.length], [1, 0]);
  });

  test("ends one whose showing failed but was written all the same", async () => {
    const lane = openLane({ showFails: true, isThere: true });
    lane.lane.begin(call, lane.answer);
    await lane.whenBegun;
    await lane.clock.advance(100);
    lane.end({ state: "cancelled" });
    await lane.whenOver;
    assert.deepEqual([lane.ended.length, lane.finished.length], [0, 1]);
  });

  test("refuses when it has no slot, when it drains, and when the function has no room", async () => {
    const busy = openLane();
    busy.lane.begin(call, busy.answer);
    busy.lane.begin({ ...call, runId: "run-2" }, busy.answer);
    assert.deepEqual([busy.said, busy.counted], [["busy"], ["busy"]]);
    const draining = openLane();
    draining.drain();
    draining.lane.begin(call, draining.answer);
    assert.deepEqual([draining.said, draining.counted], [["draining"], ["draining"]]);
    const full = openLane({ reserves: false });
    full.lane.begin({ ...call, isLimited: true }, full.answer);
    await full.whenOver;
    assert.deepEqual([full.said, full.counted], [["no_room"], ["no_room"]]);
    assert.equal(full.slots.free(), 1);
  });

  test("shows a run before anything of its response goes out, and keeps no body", async () => {
    const { lane, answer, whenBegun, whenOver, way, end, said, shown, finished } = openLane();
    lane.begin({ ...call, http }, answer);
    await whenBegun;
    const given = way().http!;
    given.onHead({ status: 200, headers: [] });
    given.onData(new Uint8Array(3));
    given.onEnd();
    assert.deepEqual(said, []);
    assert.equal(shown.length, 1);
    end({ state: "succeeded", result: { status: 200, bodyBytes: 3 } });
    await whenOver;
    assert.deepEqual(said, ["head 200", "data 3", "end", "done"]);
    assert.deepEqual(finished[0]!.verdict, { state: "succeeded", result: { status: 200, bodyBytes: 3 } });
  });

  test("answers a whole response and records its status and size alone", async () => {
    const { lane, answer, whenBegun, whenOver, end, ended, outcomes } = openLane();
    lane.begin({ ...call, http }, answer);
    await whenBegun;
    const result = { status: 200, headers: [["a", "b"]], body: "é" };
    end({ state: "succeeded", result });
    await whenOver;
    assert.deepEqual(outcomes, [{ state: "succeeded", result }]);
    assert.deepEqual(ended[0]!.verdict, { state: "succeeded", result: { status: 200, bodyBytes: 2 } });
    assert.equal(ended[0]!.trigger, "http");
  });

  test("keeps what is said to the run until it is under way", async () => {
    const { lane, answer, whenBegun, way } = openLane();
    const feed = lane.begin({ ...call, http: { ...http, method: "POST", hasBody: true } }, answer)!;
    feed.data(Buffer.from("early"));
    feed.leave();
    await whenBegun;
    const heard: string[] = [];
    way().http!.onOpen({
      data: (bytes) => void heard.push(Buffer.from(bytes).toString()),
      end: () => void heard.push("end"),
      pull: (bytes) => void heard.push(`pull ${bytes}`),
      leave: () => void heard.push("leave"),
    });
    feed.end();
    assert.deepEqual(heard, ["early", "leave", "end"]);
  });
});
