import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../core/queue/transport.ts";
import { newId } from "../core/store/ids.ts";
import { createReringBackoff } from "./rering-overdue.ts";

const bell = (): Bell => ({ runId: newId(), availableAt: new Date(0) });
const at = (ms: number) => new Date(ms);

/** The instants, in steps of 500 ms, at which a run that stays overdue is rung again. */
function ringInstants(overdue: Bell, untilMs: number): number[] {
  const backoff = createReringBackoff();
  const rung: number[] = [];
  for (let ms = 0; ms <= untilMs; ms += 500) if (backoff.choose([overdue], at(ms)).length > 0) rung.push(ms);
  return rung;
}

test("a run is rung again at once, then after 1 s, then after twice as long each time", () => {
  assert.deepEqual(ringInstants(bell(), 31_000), [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
});

test("the wait never grows beyond a minute", () => {
  const rung = ringInstants(bell(), 600_000);
  const waits = rung.slice(1).map((ms, index) => ms - rung[index]!);
  assert.equal(Math.max(...waits), 60_000);
  assert.deepEqual(waits.slice(-3), [60_000, 60_000, 60_000]);
});

test("each run waits for itself", () => {
  const backoff = createReringBackoff();
  const [first, second] = [bell(), bell()];
  assert.deepEqual(backoff.choose([first], at(0)), [first]);
  assert.deepEqual(backoff.choose([first, second], at(500)), [second]);
  assert.deepEqual(backoff.choose([first, second], at(1_000)), [first]);
  assert.deepEqual(backoff.choose([first, second], at(1_500)), [second]);
});

test("a run that was claimed meanwhile is forgotten: overdue again, it starts anew", () => {
  const backoff = createReringBackoff();
  const overdue = bell();
  for (const ms of [0, 1_000, 3_000]) assert.deepEqual(backoff.choose([overdue], at(ms)), [overdue]);
  assert.deepEqual(backoff.choose([], at(3_500)), []);
  assert.deepEqual(backoff.choose([overdue], at(4_000)), [overdue], "its next turn would have been at 7 s");
  assert.deepEqual(backoff.choose([overdue], at(5_000)), [overdue]);
});

test("nothing overdue, nothing rung", () => {
  assert.deepEqual(createReringBackoff().choose([], at(0)), []);
});
