import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallAnswer, DirectCall } from "../../core/contracts/direct-call.ts";
import { finished } from "../../core/store/testing/samples.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { createCallerMeetings } from "./caller-meetings.ts";

const CALL: DirectCall = {
  ...{ runId: "run", namespaceId: "ns", functionId: "fn", functionName: "f", revisionId: "rev" },
  ...{ isLimited: false, isClaimed: true, input: null },
};
const REQUEST = {
  method: "POST",
  url: "http://a/",
  headers: [],
  body: Buffer.from("hello").toString("base64"),
};
const going = new AbortController().signal;

function open() {
  const clock = createManualClock();
  const callers = createCallerMeetings(clock);
  const said: string[] = [];
  const answer: CallAnswer = {
    ...{ accepted: () => said.push("accepted"), head: ({ status }) => said.push(`head ${status}`) },
    ...{ data: (bytes) => said.push(`data ${bytes}`), end: () => said.push("end"), pull: () => {} },
    refused: (reason) => said.push(`refused ${reason}`),
    done: ({ state }) => said.push(`done ${state}`),
    lost: () => said.push("lost"),
  };
  return { clock, callers, said, answer };
}

test("an API is asked at once, or as soon as it is connected, and hands its caller over", async () => {
  const { callers, said, answer } = open();
  const asked: string[] = [];
  const early = callers.meet("api", "run", going);
  callers.join("other", () => assert.fail("another API was asked"));
  const leave = callers.join("api", (runId) => asked.push(runId));
  assert.deepEqual(asked, ["run"]);
  callers.handOver("other", CALL, answer);
  callers.handOver(undefined, CALL, answer);
  assert.deepEqual(said, ["refused busy", "refused busy"]);
  callers.handOver("api", CALL, answer);
  assert.ok(await early);
  const second = callers.meet("api", "second", going);
  assert.deepEqual(asked, ["run", "second"]);
  callers.miss("other", "second");
  callers.miss("api", "second");
  assert.equal(await second, undefined);
  leave();
  void callers.meet("api", "third", going);
  assert.deepEqual(asked, ["run", "second"]);
});

test("a caller that does not come in time, or whose run was stopped, is nobody's, and refused when it comes", async () => {
  const { callers, clock, said, answer } = open();
  const late = callers.meet("api", "run", going);
  await clock.advance(5_000);
  assert.equal(await late, undefined);
  callers.handOver("api", CALL, answer);
  callers.join("api", () => {});
  const stop = new AbortController();
  const stopped = callers.meet("api", "run", stop.signal);
  stop.abort();
  assert.equal(await stopped, undefined);
  callers.handOver("api", CALL, answer);
  assert.deepEqual(said, ["refused busy", "refused busy"]);
});

test("an API that has not come by then keeps no further run waiting, unless it was there a moment ago", async () => {
  const { callers, clock } = open();
  const first = callers.meet("api", "first", going);
  await clock.advance(5_000);
  assert.equal(await first, undefined);
  assert.equal(await callers.meet("api", "second", going), undefined);
  assert.equal(clock.sleepers, 0);
  callers.join("api", () => {})();
  await clock.advance(4_999);
  const third = callers.meet("api", "third", going);
  assert.equal(clock.sleepers, 1);
  await clock.advance(5_000);
  assert.equal(await third, undefined);
  assert.equal(await callers.meet("api", "fourth", going), undefined);
});

test("a request that the row holds is fed from there, and the response goes to the caller", async () => {
  const { callers, said, answer } = open();
  const meeting = callers.meet("api", "run", going);
  callers.handOver("api", CALL, answer);
  const caller = (await meeting)!;
  const http = caller.toCall(REQUEST);
  const fed: string[] = [];
  http.onOpen({
    ...{ data: (bytes) => fed.push(String(bytes)), end: () => fed.push("end"), pull() {}, leave() {} },
  });
  assert.equal(caller.hasBegun(), false);
  assert.deepEqual([http.head.hasBody, fed], [true, ["hello", "end"]]);
  http.onHead({ status: 201, headers: [] });
  http.onData(Buffer.from("abc"));
  http.onEnd();
  await caller.record(
    finished(claimedRun({}), "worker", { state: "succeeded", result: { status: 201 } }),
    async (attempt) => {
      assert.deepEqual(attempt.verdict, { state: "succeeded", result: { status: 201, bodyBytes: 3 } });
      return attempt;
    },
  );
  caller.close();
  assert.deepEqual(said, ["head 201", "data abc", "end", "done succeeded"]);
});

test("a request that the API holds is asked for; a run that was not recorded here is lost to its caller", async () => {
  const { callers, said, answer } = open();
  const meeting = callers.meet("api", "run", going);
  const head = { method: "POST", url: "http://a/", headers: [], hasBody: true };
  const begun = callers.handOver("api", { ...CALL, http: head }, answer);
  const caller = (await meeting)!;
  const http = caller.toCall(undefined);
  const heard: string[] = [];
  assert.ok(caller.hasBegun());
  begun!.feed!.leave("response_not_taken");
  http.onOpen({ data() {}, end() {}, pull() {}, leave: () => heard.push("left") });
  await caller.record(
    finished(claimedRun({}), "worker", { state: "succeeded", result: { status: 200 } }),
    async ({ verdict }) => {
      assert.equal(verdict.state, "failed");
      return undefined;
    },
  );
  caller.close();
  assert.deepEqual([heard, said], [["left"], ["accepted", "lost"]]);
});
