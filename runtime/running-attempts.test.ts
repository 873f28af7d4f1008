import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { AttemptStop } from "./attempt-stop.ts";
import { createRunningAttempts, isLost } from "./running-attempts.ts";
import { claimedRun } from "./testing/claimed-run.ts";

const claimed = { span: NO_SPAN, isDirect: false, isInTable: () => true };
const keyOf = ({ run: { id, claimNo } }: { run: { id: string; claimNo: number } }) => ({ id, claimNo });

test("what the table does not show as this worker's is stopped, and nothing else", () => {
  const running = createRunningAttempts();
  const [mine, retaken, gone] = Array.from({ length: 3 }, () =>
    running.begin({ ...claimed, run: claimedRun() }),
  );
  const unseen = running.begin({ ...claimed, run: claimedRun(), isDirect: true, isInTable: () => false });
  const owned = [keyOf(mine!), { ...keyOf(retaken!), claimNo: 2 }];
  assert.equal(running.stopLost(running.listKnown(), owned), 2);
  assert.deepEqual([mine!, retaken!, gone!, unseen].map(isLost), [false, true, true, false]);
});

test("what began, ended or was stopped while the table was asked is left alone", () => {
  const running = createRunningAttempts();
  const [ended, stopped] = Array.from({ length: 2 }, () => running.begin({ ...claimed, run: claimedRun() }));
  const known = running.listKnown();
  const late = running.begin({ ...claimed, run: claimedRun() });
  ended!.isEnded = true;
  stopped!.stop.abort(new AttemptStop("released"));
  assert.equal(running.stopLost(known, []), 0);
  assert.deepEqual([ended!, stopped!, late].map(isLost), [false, false, false]);
});

test("a run that comes back stops its older attempt here, and is found by its newer claim alone", () => {
  const running = createRunningAttempts();
  const run = claimedRun();
  const older = running.begin({ ...claimed, run });
  const newer = running.begin({ ...claimed, run: { ...run, claimNo: 3 } });
  assert.deepEqual([isLost(older), isLost(newer)], [true, false]);
  assert.equal(running.find({ id: run.id, claimNo: 1 }), undefined);
  assert.equal(running.find({ id: run.id, claimNo: 3 }), newer);
  running.leave(older);
  assert.deepEqual(running.all(), [newer]);
});
