import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type CallAnswer,
  type DirectCall,
  type DirectOutcome,
  NO_PERMIT,
} from "../../core/contracts/direct-call.ts";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { DirectRun, FinishedDirectRun, Reservation } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { AttemptStop } from "../attempt-stop.ts";
import { createInputRoom } from "../input-room.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import { createSlots } from "../slots.ts";
import { finishedAttempt } from "../testing/claimed-run.ts";
import { createDirectCalls, type DirectWay } from "./direct-calls.ts";

const call: DirectCall = {
  ...{ runId: "run-1", namespaceId: "ns", functionId: "fn", functionName: "f", revisionId: "rev" },
  isLimited: false,
  input: { a: 1 },
};
const http: HttpCall["head"] = { method: "GET", url: "http://a/", headers: [], hasBody: false };

const ROOM_BYTES = 1_000;

interface LaneOptions {
  totalSlots?: number;
  reservation?: Reservation;
  showFails?: boolean;
  isNew?: () => boolean;
  /** Its API gave it up: its rows are not this worker's to write. */
  isGivenUp?: boolean;
  hasLease?: () => boolean;
  /** Whether the row of a shown run is there; default: unless showing it failed. */
  isThere?: boolean;
  /** What the database makes of what it is given. */
  asStored?: (attempt: FinishedAttempt) => FinishedAttempt;
}

/** Direct calls whose parts the test plays: `end` ends the run under way. */
function openDirectCalls(options: LaneOptions = {}) {
  const {
    totalSlots = 1,
    reservation = "reserved",
    showFails = false,
    isNew = () => false,
    isGivenUp = false,
    hasLease = () => true,
    isThere,
    asStored = (attempt) => attempt,
  } = options;
  const clock = createManualClock();
  const slots = createSlots(totalSlots);
  const room = createInputRoom(ROOM_BYTES);
  const shown: DirectRun[] = [];
  const ended: FinishedDirectRun[] = [];
  const finished: FinishedAttempt[] = [];
  const said: string[] = [];
  const outcomes: DirectOutcome[] = [];
  const counted: string[] = [];
  const stops: string[] = [];
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
  const directCalls = createDirectCalls({
    ...{
      clock,
      slots,
      totalSlots,
      isNew,
      enterRoom: room.tryTake,
      isDraining: () => draining,
      hasLease: () => hasLease(),
      watchLease: () => hasLease,
      findTimeoutMs: async () => 1_050,
    },
    releaseSlot: () => slots.release(1),
    async work(run, given) {
      way = given;
      const verdict = await new Promise<RunVerdict | undefined>((resolve) => {
        end = resolve;
        given.stopped.onAbort(() => {
          stops.push((given.stopped.reason as AttemptStop).reason);
          resolve(undefined);
        });
        begun();
      });
      if (verdict) await given.record(finishedAttempt({ runId: run.id, verdict }));
      slots.release(1);
    },
    async show(run) {
      if (showFails) throw new Error("no database");
      if (!isGivenUp) shown.push(run);
      return !isGivenUp;
    },
    reserve: async (run) => {
      if (reservation === "reserved") shown.push(run);
      return reservation;
    },
    async recordShown(attempt) {
      if (!(isThere ?? (!showFails && !isGivenUp))) return undefined;
      finished.push(attempt);
      return asStored(attempt);
    },
    async recordEnded(run) {
      if (isGivenUp) return undefined;
      ended.push(run);
      return asStored(run);
    },
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
    lost() {
      said.push("lost");
      over();
    },
    done(outcome) {
      said.push("done");
      outcomes.push(outcome);
      over();
    },
  };
  return {
    ...{
      directCalls,
      clock,
      slots,
      shown,
      ended,
      finished,
      said,
      outcomes,
      counted,
      stops,
      answer,
      whenBegun,
      whenOver,
    },
    way: () => way!,
    end: (verdict: RunVerdict) => end(verdict),
    drain: () => {
      draining = true;
    },
  };
}

describe("direct calls", () => {
  test("writes a short run once, when it has ended, and answers then", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, ended, shown, outcomes, slots, counted } =
      openDirectCalls();
    directCalls.begin(call, answer);
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

  test("takes a call that there is room for, and gives the room back when the call is over", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, said, counted, slots } = openDirectCalls({
      totalSlots: 3,
    });
    directCalls.begin(call, answer, ROOM_BYTES);
    await whenBegun;
    assert.equal(directCalls.begin({ ...call, runId: "run-2" }, answer, 1), undefined);
    assert.deepEqual([said, counted, slots.free()], [["busy"], ["busy"], 2]);
    end({ state: "succeeded", result: null });
    await whenOver;
    await new Promise(setImmediate);
    assert.ok(directCalls.begin({ ...call, runId: "run-3" }, answer, ROOM_BYTES));
  });

  test("shows a run that lasts, and ends it like any other", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, clock, ended, shown, finished } =
      openDirectCalls();
    directCalls.begin(call, answer);
    await whenBegun;
    await clock.advance(100);
    assert.equal(shown[0]?.id, "run-1");
    end({ state: "succeeded", result: null });
    await whenOver;
    assert.deepEqual([ended.length, finished.length], [0, 1]);
  });

  test("tells the database how long ago a run began, whatever is done to the worker's clock meanwhile", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, clock, ended } = openDirectCalls();
    directCalls.begin(call, answer);
    await whenBegun;
    clock.set(new Date(clock.now().getTime() + 60_000));
    await clock.advance(40);
    end({ state: "succeeded", result: null });
    await whenOver;
    assert.equal(ended[0]!.durationMs, 40);
  });

  test("tells its caller what was recorded, where the database refuses what it made", async () => {
    const error = { code: "unrecordable_result", message: "no" };
    const asStored = (attempt: FinishedAttempt): FinishedAttempt => ({
      ...attempt,
      verdict: { state: "failed", error },
    });
    for (const lastsMs of [0, 100]) {
      const { directCalls, answer, whenBegun, whenOver, end, clock, outcomes, counted } = openDirectCalls({
        asStored,
      });
      directCalls.begin(call, answer);
      await whenBegun;
      await clock.advance(lastsMs);
      end({ state: "succeeded", result: "refused" });
      await whenOver;
      assert.deepEqual(outcomes, [{ state: "failed", error }]);
      assert.deepEqual(counted, ["failed"]);
    }
  });

  test("writes one that could not be shown as a whole", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, clock, ended, finished } = openDirectCalls({
      showFails: true,
    });
    directCalls.begin(call, answer);
    await whenBegun;
    await clock.advance(100);
    end({ state: "cancelled" });
    await whenOver;
    assert.deepEqual([ended.length, finished.length], [1, 0]);
  });

  test("ends one whose showing failed but was written all the same", async () => {
    const opened = openDirectCalls({ showFails: true, isThere: true });
    opened.directCalls.begin(call, opened.answer);
    await opened.whenBegun;
    await opened.clock.advance(100);
    opened.end({ state: "cancelled" });
    await opened.whenOver;
    assert.deepEqual([opened.ended.length, opened.finished.length], [0, 1]);
  });

  test("refuses when it has no slot, when it drains, and when the function has no permit left", async () => {
    const busy = openDirectCalls();
    busy.directCalls.begin(call, busy.answer);
    busy.directCalls.begin({ ...call, runId: "run-2" }, busy.answer);
    assert.deepEqual([busy.said, busy.counted], [["busy"], ["busy"]]);
    const draining = openDirectCalls();
    draining.drain();
    draining.directCalls.begin(call, draining.answer);
    assert.deepEqual([draining.said, draining.counted], [["draining"], ["draining"]]);
    const full = openDirectCalls({ reservation: "no_permit" });
    full.directCalls.begin({ ...call, isLimited: true }, full.answer);
    await full.whenOver;
    assert.deepEqual([full.said, full.counted], [[NO_PERMIT], ["no_permit"]]);
    assert.equal(full.slots.free(), 1);
  });

  test("refuses anonymous calls beyond their share, while others still find a slot", async () => {
    const opened = openDirectCalls({ totalSlots: 4 });
    const anonymous = (no: number) => ({ ...call, runId: `anonymous-${no}`, isPublic: true });
    for (let no = 0; no < 4; no += 1) opened.directCalls.begin(anonymous(no), opened.answer);
    assert.deepEqual([opened.said, opened.counted], [["share"], ["share"]]);
    opened.directCalls.begin({ ...call, namespaceId: "other" }, opened.answer);
    assert.equal(opened.slots.free(), 0);
    await opened.whenBegun;
    opened.end({ state: "cancelled" });
    await opened.whenOver;
  });

  test("a share is given back where the function had no permit left", async () => {
    const opened = openDirectCalls({ totalSlots: 1, reservation: "no_permit" });
    const limited = { ...call, isLimited: true, isPublic: true };
    for (let no = 0; no < 3; no += 1) {
      opened.directCalls.begin({ ...limited, runId: `run-${no}` }, opened.answer);
      await new Promise(setImmediate);
    }
    assert.deepEqual(opened.said, [NO_PERMIT, NO_PERMIT, NO_PERMIT]);
  });

  test("a run whose caller was cut off ends as failed, for that reason; one that was cancelled does not", async () => {
    const opened = openDirectCalls();
    const { feed } = opened.directCalls.begin({ ...call, http }, opened.answer)!;
    await opened.whenBegun;
    feed!.leave("response_not_taken");
    feed!.leave();
    opened.end({ state: "succeeded", result: { status: 200, bodyBytes: 3 } });
    await opened.whenOver;
    const { verdict, record } = opened.ended[0]!;
    assert.equal(verdict.state, "failed");
    assert.equal(record.error?.code, "response_not_taken");
    assert.deepEqual(opened.outcomes, [verdict]);
    const cancelled = openDirectCalls();
    const { feed: other } = cancelled.directCalls.begin({ ...call, http }, cancelled.answer)!;
    await cancelled.whenBegun;
    other!.leave("request_body_too_slow");
    cancelled.end({ state: "cancelled" });
    await cancelled.whenOver;
    assert.deepEqual(cancelled.outcomes, [{ state: "cancelled" }]);
  });

  test("shows a run before anything of its response goes out, and keeps no body", async () => {
    const { directCalls, answer, whenBegun, whenOver, way, end, said, shown, finished } = openDirectCalls();
    directCalls.begin({ ...call, http }, answer);
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

  test("shows the first call over HTTP of a worker that has just started before its response comes", async () => {
    const opened = openDirectCalls({ totalSlots: 2, isNew: () => true });
    const { directCalls, answer, whenBegun, way, said, shown } = opened;
    directCalls.begin({ ...call, http }, answer);
    await whenBegun;
    assert.deepEqual([shown.length, said], [1, []]);
    way().http!.onHead({ status: 200, headers: [] });
    await opened.clock.advance(0);
    assert.deepEqual([shown.length, said], [1, ["head 200"]]);
    directCalls.begin({ ...call, runId: "run-2", http }, answer);
    await opened.clock.advance(0);
    assert.equal(shown.length, 1, "the next one is shown when its response comes, or it lasts");
  });

  test("shows no first call at once of a worker that stands longer: its executor is ready", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, ended, shown } = openDirectCalls();
    directCalls.begin({ ...call, http }, answer);
    await whenBegun;
    end({ state: "succeeded", result: { status: 200, headers: [], body: "" } });
    await whenOver;
    assert.deepEqual([shown.length, ended.length], [0, 1]);
  });

  test("answers a whole response and records its status and size alone", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, ended, outcomes } = openDirectCalls();
    directCalls.begin({ ...call, http }, answer);
    await whenBegun;
    const result = { status: 200, headers: [["a", "b"]], body: "é" };
    end({ state: "succeeded", result });
    await whenOver;
    assert.deepEqual(outcomes, [{ state: "succeeded", result }]);
    assert.deepEqual(ended[0]!.verdict, { state: "succeeded", result: { status: 200, bodyBytes: 2 } });
    assert.equal(ended[0]!.trigger, "http");
  });

  test("keeps what is said to the run until it is under way", async () => {
    const { directCalls, answer, whenBegun, way } = openDirectCalls();
    const { feed } = directCalls.begin(
      { ...call, http: { ...http, method: "POST", hasBody: true } },
      answer,
    )!;
    feed!.data(Buffer.from("early"));
    feed!.leave();
    await whenBegun;
    const heard: string[] = [];
    way().http!.onOpen({
      data: (bytes) => void heard.push(Buffer.from(bytes).toString()),
      end: () => void heard.push("end"),
      pull: (bytes) => void heard.push(`pull ${bytes}`),
      leave: () => void heard.push("leave"),
    });
    feed!.end();
    assert.deepEqual(heard, ["early", "leave", "end"]);
  });

  test("takes no call while its lease has run out: it stood still, and its calls were given up", () => {
    const { directCalls, answer, said, slots } = openDirectCalls({ hasLease: () => false });
    assert.equal(directCalls.begin(call, answer), undefined);
    assert.deepEqual([said, slots.free()], [["busy"], 1]);
  });

  test("a run that was given up ends as lost, whenever this worker would write it", async () => {
    const lasting = openDirectCalls({ isGivenUp: true });
    lasting.directCalls.begin(call, lasting.answer);
    await lasting.whenBegun;
    await lasting.clock.advance(100);
    await lasting.whenOver;
    assert.deepEqual([lasting.said, lasting.stops, lasting.counted], [["lost"], ["lost"], ["lost"]]);
    assert.equal(lasting.slots.free(), 1);

    const short = openDirectCalls({ isGivenUp: true });
    short.directCalls.begin(call, short.answer);
    await short.whenBegun;
    short.end({ state: "succeeded", result: 1 });
    await short.whenOver;
    assert.deepEqual([short.said, short.ended], [["lost"], []]);

    const limited = openDirectCalls({ reservation: "given_up" });
    limited.directCalls.begin({ ...call, isLimited: true }, limited.answer);
    await limited.whenOver;
    assert.deepEqual([limited.said, limited.slots.free()], [["lost"], 1]);
  });

  test("a shown run that is not this worker's any more when it ends is not told as it ended", async () => {
    const { directCalls, answer, whenBegun, whenOver, end, clock, said } = openDirectCalls({
      isThere: false,
    });
    directCalls.begin(call, answer);
    await whenBegun;
    await clock.advance(100);
    end({ state: "succeeded", result: 1 });
    await whenOver;
    assert.deepEqual(said, ["lost"]);
  });

  test("nothing of a response goes out of a run that was given up", async () => {
    const { directCalls, answer, whenBegun, whenOver, way, said } = openDirectCalls({ isGivenUp: true });
    directCalls.begin({ ...call, http }, answer);
    await whenBegun;
    way().http!.onHead({ status: 200, headers: [] });
    way().http!.onData(new Uint8Array(3));
    await whenOver;
    assert.deepEqual(said, ["lost"]);
  });

  test("a call that waited until its lease ran out, or its connection broke, does not begin", async () => {
    let hasLease = true;
    const lapsed = openDirectCalls({ hasLease: () => hasLease });
    lapsed.directCalls.begin(call, lapsed.answer);
    hasLease = false;
    await lapsed.whenOver;
    assert.deepEqual([lapsed.said, lapsed.slots.free()], [["busy"], 1]);
    const broken = openDirectCalls();
    broken.directCalls.begin(call, broken.answer)!.connectionGone();
    await broken.whenOver;
    assert.deepEqual([broken.said, broken.slots.free()], [["busy"], 1]);
  });

  test("has no row while the lease does not stand: a rescue would take it", async () => {
    let hasLease = true;
    const { directCalls, answer, whenBegun, clock, shown } = openDirectCalls({ hasLease: () => hasLease });
    directCalls.begin(call, answer);
    await whenBegun;
    hasLease = false;
    await clock.advance(100);
    assert.deepEqual(shown, []);
    hasLease = true;
    await clock.advance(1_000);
    assert.equal(shown.length, 1);
  });

  test("a shown run whose connection broke is stopped where the lease has run out, too", async () => {
    let hasLease = true;
    const { directCalls, answer, whenBegun, clock, stops } = openDirectCalls({ hasLease: () => hasLease });
    const begun = directCalls.begin(call, answer)!;
    await whenBegun;
    await clock.advance(100);
    hasLease = false;
    begun.connectionGone();
    await clock.advance(0);
    assert.deepEqual(stops, ["cut_off"]);
  });

  test("whose connection broke is shown at once; one that the database says nothing of is stopped", async () => {
    const there = openDirectCalls();
    const begun = there.directCalls.begin(call, there.answer)!;
    await there.whenBegun;
    begun.connectionGone();
    await there.clock.advance(0);
    assert.equal(there.shown.length, 1);
    assert.deepEqual(there.stops, []);

    const away = openDirectCalls({ showFails: true });
    const cut = away.directCalls.begin(call, away.answer)!;
    await away.whenBegun;
    cut.connectionGone();
    await away.clock.advance(4_999);
    assert.deepEqual(away.stops, []);
    await away.clock.advance(1);
    assert.deepEqual(away.stops, ["cut_off"]);
  });
});
