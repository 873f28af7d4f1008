import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLoading, beginRun, connectRunHost, endLoading, endRun } from "./current-run.ts";
import { addTimer, resumeTimers, runDueTimer, setClock } from "./timers.ts";

const wakes: number[] = [];
connectRunHost({ log() {}, settle() {}, wake: (delayMs) => void wakes.push(delayMs) });
const begin = (no: number) => beginRun(no, 10, 1_000, Number.MAX_SAFE_INTEGER);

test("a timer of the module does not fire where its alarm rings between runs, and does in the next", () => {
  const fired: number[] = [];
  setClock(0);
  beginLoading();
  const first = begin(1);
  addTimer(() => fired.push(1), 1, false);
  endLoading();
  endRun(first, "ok", "");
  setClock(1_000);
  assert.equal(runDueTimer(), -1);
  assert.deepEqual(fired, []);

  begin(2);
  resumeTimers();
  assert.deepEqual(wakes, [1, 0]);
  assert.equal(runDueTimer(), -1);
  assert.deepEqual(fired, [1]);
});
